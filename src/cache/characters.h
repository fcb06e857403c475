// Characters of prompts: what they are, in one width and one case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom::cache {

struct Character {
    char32_t value;  // of what is no UTF-8: 0x110000 and the byte
    uint32_t bytes;
};

enum class CharacterClass : uint8_t {
    letter,     // of scripts that write words apart, and all that is nothing else
    digit,      // 0 … 9
    ideograph,  // of scripts that do not: Han, kana, Thai, Lao, Khmer; each is a word
    blank,
    hidden,  // takes no room
    soft,    // marks that order sentences, brackets, quotation marks
    sign,    // every other mark: it means something where it stands
};

namespace beyond_ascii {
[[nodiscard]] Character character_at(std::string_view text, size_t at) noexcept;
[[nodiscard]] char32_t plain(char32_t c) noexcept;
[[nodiscard]] char32_t small(char32_t c) noexcept;
[[nodiscard]] CharacterClass class_of(char32_t c) noexcept;
}  // namespace beyond_ascii
extern const std::array<CharacterClass, 128> ascii_classes;

/// at < text.size().
[[nodiscard]] inline Character character_at(std::string_view text, size_t at) noexcept {
    const auto first = static_cast<unsigned char>(text[at]);
    return first < 0x80 ? Character{first, 1} : beyond_ascii::character_at(text, at);
}
/// Full width becomes plain, and each kind of apostrophe too.
[[nodiscard]] inline char32_t plain(char32_t c) noexcept { return c < 0x80 ? c : beyond_ascii::plain(c); }
/// Small letters of the Latin, Greek, Cyrillic and Armenian scripts. Accents stay: "schon" is not "schön".
[[nodiscard]] inline char32_t small(char32_t c) noexcept {
    if (c >= 0x80) return beyond_ascii::small(c);
    return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
}
/// c  plain.
[[nodiscard]] inline CharacterClass class_of(char32_t c) noexcept {
    return c < 0x80 ? ascii_classes[c] : beyond_ascii::class_of(c);
}
[[nodiscard]] bool is_kana(char32_t c) noexcept;

/// Words are compared by hashes of their characters.
inline constexpr uint64_t hash_start = 0xcbf29ce484222325;
[[nodiscard]] constexpr uint64_t hash_step(uint64_t hash, char32_t c) noexcept {
    return (hash ^ c) * 0x9e3779b97f4a7c15 + (hash >> 29);
}
[[nodiscard]] constexpr uint64_t hash_end(uint64_t hash) noexcept {
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
    return hash ^ hash >> 32;
}
/// Of a word as written, but plain and small.
[[nodiscard]] uint64_t folded_hash(std::string_view word) noexcept;
/// Of bytes as they are.
[[nodiscard]] uint64_t exact_hash(std::string_view bytes) noexcept;

}  // namespace loom::cache
