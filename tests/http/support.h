// What the tests of http share: heads from literals, bytes behind which the sanitizer watches, and a printed seed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/head_parser.h"

namespace loom::http::test {

using namespace std::string_view_literals;
using namespace std::string_literals;

/// Bytes on the heap with nothing behind them, so that ASan sees one byte too many being read.
class Exact {
  public:
    explicit Exact(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
        text.copy(bytes_.get(), text.size());
    }
    [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

  private:
    std::unique_ptr<char[]> bytes_;
    size_t size_;
};

inline const char* what_of(const Result<void>& result) { return result ? "" : result.error().what; }

/// Keeps the bytes of a head that is looked at for as long as the test runs.
inline std::string_view kept(std::string_view text) {
    static std::deque<Exact> all;
    return all.emplace_back(text).view();
}

inline RequestHead request(std::string_view head) {
    RequestHead out;
    const auto parsed = parse_request_head(kept(head), out);
    EXPECT_TRUE(parsed) << what_of(parsed) << "\n" << head;
    return out;
}
inline Error request_error(std::string_view head) {
    const Exact bytes(head);
    RequestHead out;
    const auto parsed = parse_request_head(bytes.view(), out);
    EXPECT_FALSE(parsed) << "was let through:\n" << head;
    return parsed ? Error{} : parsed.error();
}
inline ResponseHead response(std::string_view head, Method method = Method::get) {
    ResponseHead out;
    const auto parsed = parse_response_head(kept(head), method, out);
    EXPECT_TRUE(parsed) << what_of(parsed) << "\n" << head;
    return out;
}
inline Error response_error(std::string_view head, Method method = Method::get) {
    const Exact bytes(head);
    ResponseHead out;
    const auto parsed = parse_response_head(bytes.view(), method, out);
    EXPECT_FALSE(parsed) << "was let through:\n" << head;
    return parsed ? Error{} : parsed.error();
}

/// Set LOOM_SEED to repeat a run that failed.
inline std::mt19937_64 seeded() {
    const char* given = std::getenv("LOOM_SEED");
    const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    std::cout << "LOOM_SEED=" << seed << "\n";
    return std::mt19937_64(seed);
}

}  // namespace loom::http::test
