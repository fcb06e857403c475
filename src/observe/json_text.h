// JSON written by hand into memory that is known to be large enough: no bounds are checked here, the caller's
// static_assert has done the sum. Text is escaped, repaired to valid UTF-8 and cut, so that one line is always one line
// and always JSON.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "loom/base/utf8.h"

namespace loom::observe {

/// No byte of text takes more, escaped (\u001f).
inline constexpr size_t escaped_bytes_max = 6;

template <size_t n>
inline char* put(char* out, const char (&literal)[n]) noexcept {
    std::memcpy(out, literal, n - 1);
    return out + n - 1;
}

inline constexpr auto digit_pairs = [] {
    std::array<char, 200> pairs{};
    for (int i = 0; i < 100; ++i) {
        pairs[2 * i] = static_cast<char>('0' + i / 10);
        pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
}();

inline char* put_number(char* out, uint64_t value) noexcept {
    char digits[20];
    char* p = digits + sizeof digits;
    while (value >= 100) {
        p -= 2;
        std::memcpy(p, &digit_pairs[value % 100 * 2], 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        std::memcpy(p, &digit_pairs[value * 2], 2);
    } else {
        *--p = static_cast<char>('0' + value);
    }
    const size_t n = static_cast<size_t>(digits + sizeof digits - p);
    std::memcpy(out, p, n);
    return out + n;
}

/// Exactly `digits` digits, for the parts of a time.
template <unsigned digits>
inline char* put_padded(char* out, uint32_t value) noexcept {
    static_assert(digits % 2 == 0);
    for (int i = digits - 2; i >= 0; i -= 2) {
        std::memcpy(out + i, &digit_pairs[value % 100 * 2], 2);
        value /= 100;
    }
    return out + digits;
}

/// Has one of eight bytes to be looked at: below 0x20, above 0x7e, a quote, a backslash?
inline bool needs_care(uint64_t bytes) noexcept {
    constexpr uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    const auto has_zero = [](uint64_t x) { return (x - ones) & ~x; };
    const uint64_t below_space = (bytes - ones * 0x20) & ~bytes;
    const uint64_t quote = has_zero(bytes ^ ones * '"');
    const uint64_t backslash = has_zero(bytes ^ ones * '\\');
    return ((bytes | below_space | quote | backslash) & highs) != 0;
}

/// The up to eight bytes at the front of `text`; where it has fewer, blanks. Reads nothing behind its end.
inline uint64_t front_bytes(std::string_view text) noexcept {
    constexpr uint64_t blanks = 0x2020202020202020;
    const size_t n = text.size();
    const auto at = [&](size_t i) { return uint64_t{static_cast<unsigned char>(text[i])} << (8 * i); };
    uint64_t out = 0;
    if (n >= 8) {
        std::memcpy(&out, text.data(), 8);
        return out;
    }
    if (n >= 4) {  // two halves that may overlap: the same bytes in the same place
        uint32_t low, high;
        std::memcpy(&low, text.data(), 4);
        std::memcpy(&high, text.data() + n - 4, 4);
        out = low | uint64_t{high} << (8 * (n - 4));
    } else {
        out = at(0) | at(n / 2) | at(n - 1);
    }
    return out | blanks << (8 * n);
}
static_assert(std::endian::native == std::endian::little, "front_bytes puts the first byte lowest");

/// Writes the character at the front of `text`, escaped or repaired as it needs; moves past it.
char* put_careful(char* out, std::string_view& text) noexcept;

inline char* put_text(char* out, std::string_view text, size_t bytes_max) noexcept {
    if (text.size() > bytes_max) [[unlikely]]
        text = text.substr(0, utf8_cut(text, bytes_max));
    while (!text.empty()) {
        const uint64_t eight = front_bytes(text);
        if (needs_care(eight)) [[unlikely]] {
            out = put_careful(out, text);
            continue;
        }
        std::memcpy(out, &eight, 8);  // up to seven bytes too many, which the next field overwrites
        const size_t n = std::min<size_t>(text.size(), 8);
        out += n;
        text.remove_prefix(n);
    }
    return out;
}

}  // namespace loom::observe
