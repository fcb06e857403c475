#include "loom/llm/token_estimate.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "json_escape.h"

namespace loom::llm {
namespace {

#include "token_weights.inc"

using Weights = std::array<uint8_t, 65536>;

constexpr uint8_t digit_value(char digit) noexcept {
    return static_cast<uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/// By both bytes as they stand in memory.
constexpr size_t place(uint8_t before, uint8_t byte) noexcept {
    return std::endian::native == std::endian::little ? before | size_t{byte} << 8 : byte | size_t{before} << 8;
}

/// Written out for pairs of bytes, so that text needs no look at classes.
Weights write_out() noexcept {
    Weights all;
    for (size_t before = 0; before < 256; ++before) {
        for (size_t byte = 0; byte < 256; ++byte) {
            const char* const digits = &weights[byte_class[before]][2 * size_t{byte_class[byte]}];
            const auto weight = static_cast<uint8_t>(digit_value(digits[0]) << 4 | digit_value(digits[1]));
            all[place(static_cast<uint8_t>(before), static_cast<uint8_t>(byte))] =
                before == 0xff ? static_cast<uint8_t>(TokenEstimate::unit) : weight;
        }
    }
    return all;
}

const Weights pair_weights = write_out();

}  // namespace

void TokenEstimate::add(std::string_view text) noexcept {
    if (text.empty()) return;
    uint64_t sum = pair_weights[place(last_, static_cast<uint8_t>(text.front()))];
    const char* at = text.data();
    const char* const last = at + text.size() - 1;
    for (; at != last; ++at) {
        uint16_t pair = 0;
        std::memcpy(&pair, at, sizeof pair);
        sum += pair_weights[pair];
    }
    sum_ += sum;
    last_ = static_cast<uint8_t>(*last);
}

void TokenEstimate::add_json(std::string_view raw) noexcept {
    while (!raw.empty()) {
        if (raw.front() != '\\') {
            const void* const found = std::memchr(raw.data(), '\\', raw.size());
            const size_t plain =
                found == nullptr ? raw.size() : static_cast<size_t>(static_cast<const char*>(found) - raw.data());
            add(raw.substr(0, plain));
            raw.remove_prefix(plain);
            continue;
        }
        std::array<char, 4> letter;
        size_t letter_bytes = 0;
        if (const size_t bytes = unescape_one(raw, letter.data(), letter_bytes); bytes != 0) {
            add({letter.data(), letter_bytes});
            raw.remove_prefix(bytes);
        } else {
            add(raw.substr(0, 1));
            raw.remove_prefix(1);
        }
    }
}

}  // namespace loom::llm
