// The law of streams: however a text is cut, what is told is what the whole text has.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "loom/guard/pii_scanner.h"

namespace loom::guard::test {

inline std::vector<PiiSpan> whole(const PiiScanner& scanner, std::string_view text) {
    std::vector<PiiSpan> spans;
    scanner.scan(text, [&](const PiiSpan& span) { spans.push_back(span); });
    return spans;
}

/// Keeps what it is told, and checks that it is the stream, once and in order.
struct Told final : PiiStreamSink {
    std::string stream;
    std::vector<PiiSpan> spans;
    void text(std::string_view part) override { stream += part; }
    void found(const PiiSpan& span, std::string_view value) override {
        EXPECT_EQ(span.begin, stream.size());
        EXPECT_EQ(span.end - span.begin, value.size());
        stream += value;
        spans.push_back(span);
    }
};

inline void expect_same(const PiiScanner& scanner, std::string_view text, const std::vector<PiiSpan>& expected,
                        const std::vector<size_t>& cuts) {
    Told told;
    PiiStream stream(scanner);
    size_t at = 0;
    for (size_t cut : cuts) {
        stream.feed(text.substr(at, cut - at), told);
        ASSERT_LE(stream.held_bytes(), stream.held_bytes_max());
        at = cut;
    }
    stream.feed(text.substr(at), told);
    stream.finish(told);
    ASSERT_EQ(told.stream, text);
    ASSERT_EQ(told.spans, expected) << "of " << text;
}

inline void cut_everywhere(const PiiScanner& scanner, const std::string& text, size_t three_max) {
    const auto expected = whole(scanner, text);
    for (size_t first = 0; first <= text.size(); ++first) {
        expect_same(scanner, text, expected, {first});
        if (text.size() > three_max) continue;
        for (size_t second = first; second <= text.size(); ++second)
            expect_same(scanner, text, expected, {first, second});
    }
    std::vector<size_t> each;
    for (size_t i = 1; i < text.size(); ++i) each.push_back(i);
    expect_same(scanner, text, expected, each);
    if (::testing::Test::HasFatalFailure()) FAIL() << text;
}

}  // namespace loom::guard::test
