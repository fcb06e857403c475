// What a character looks like, and what was hidden by how it is written.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace loom::guard {

struct FoldedChar {
    enum class Kind : uint8_t {
        letter,  // or a digit or sign that may stand for one
        hidden,  // takes no room: not there for the reader
        joiner,  // an apostrophe
        quote,
        quote_open,
        quote_close,
        other,
    };
    Kind kind = Kind::other;
    char latin = 0;           // the small letter that it looks like, a digit, '@' or '$'
    uint8_t native_size = 0;  // of a letter of another script: as it is, but small
    uint8_t bytes = 1;        // of the text
    std::array<char, 4> native{};
};

/// The character at `at`; of what is no UTF-8, a byte that is nothing.
[[nodiscard]] FoldedChar fold(std::string_view text, size_t at) noexcept;

/// '0' as 'o', '3' as 'e', '1' as `one` …; any other as it is.
[[nodiscard]] char unleet(char c, char one) noexcept;

/// What fits of it. Either alphabet, padding left away; returns bytes.
[[nodiscard]] size_t decode_base64(std::string_view text, std::span<char> out) noexcept;
[[nodiscard]] size_t decode_hex(std::string_view text, std::span<char> out) noexcept;
/// Does it look like a text, and not like bytes of anything?
[[nodiscard]] bool looks_written(std::string_view text) noexcept;

}  // namespace loom::guard
