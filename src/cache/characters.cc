#include "characters.h"

namespace loom::cache {

namespace {

constexpr bool within(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

bool is_hidden(char32_t c) noexcept {
    return c == 0xad || within(c, 0x200b, 0x200b) || within(c, 0x200e, 0x200f) || within(c, 0x202a, 0x202e) ||
           within(c, 0x2060, 0x2064) || within(c, 0xfe00, 0xfe0f) || c == 0xfeff;
}

bool is_blank(char32_t c) noexcept {
    return c == 0xa0 || within(c, 0x2000, 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x3000;
}

bool is_soft(char32_t c) noexcept {
    return c == 0xa1 || c == 0xab || c == 0xb7 || c == 0xbb || c == 0xbf || c == 0x387 || c == 0x37e || c == 0x60c ||
           c == 0x61b || c == 0x61f || c == 0x964 || within(c, 0x2010, 0x2015) || within(c, 0x2018, 0x201f) ||
           c == 0x2022 || c == 0x2026 || within(c, 0x3001, 0x3002) || within(c, 0x3008, 0x3011) || c == 0x30fb;
}

bool is_ideograph(char32_t c) noexcept {
    return within(c, 0x3005, 0x3007) || within(c, 0x3040, 0x30ff) || within(c, 0x3400, 0x4dbf) ||
           within(c, 0x4e00, 0x9fff) || within(c, 0xf900, 0xfaff) || within(c, 0x0e00, 0x0eff) ||
           within(c, 0x1780, 0x17ff) || within(c, 0x20000, 0x3ffff);
}

}  // namespace

constinit const std::array<CharacterClass, 128> ascii_classes = [] {
    std::array<CharacterClass, 128> classes{};
    for (char32_t c = 0; c < 128; ++c) {
        classes[c] = CharacterClass::sign;
        if (within(c, 'a', 'z') || within(c, 'A', 'Z')) classes[c] = CharacterClass::letter;
        if (within(c, '0', '9')) classes[c] = CharacterClass::digit;
        if (c <= ' ' || c == 0x7f) classes[c] = CharacterClass::blank;
    }
    for (char c : std::string_view(".,!?;:()\"'")) classes[static_cast<size_t>(c)] = CharacterClass::soft;
    return classes;
}();

namespace beyond_ascii {

Character character_at(std::string_view text, size_t at) noexcept {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const unsigned char first = byte(0);
    const Character none{0x110000U + first, 1};
    const uint32_t bytes = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (bytes == 0 || first >= 0xf5 || at + bytes > text.size()) return none;
    char32_t value = first & (0xffU >> (bytes + 1));
    for (uint32_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return none;
        value = value << 6 | (byte(i) & 0x3fU);
    }
    return {value, bytes};
}

char32_t plain(char32_t c) noexcept {
    if (within(c, 0xff01, 0xff5e)) return c - 0xff01 + '!';
    switch (c) {
        case 0x2019:
        case 0x2bc: return '\'';
        case 0xff61: return 0x3002;
        case 0x2212: return '-';
        default: return c;
    }
}

char32_t small(char32_t c) noexcept {
    if (c < 0xc0) return c;
    if (c < 0xdf) return c == 0xd7 ? c : c + 0x20;
    if (c < 0x100) return c;
    if (c == 0x130) return 'i';  // Turkish: "I" alone cannot be told from the English one
    if (c == 0x178) return 0xff;
    if (within(c, 0x139, 0x148) || within(c, 0x179, 0x17e)) return c + (c & 1);
    if (c < 0x180) return c | 1;
    if (c == 0x1a0 || c == 0x1af) return c + 1;
    if (within(c, 0x391, 0x3a9)) return c + 0x20;
    if (c == 0x3c2) return 0x3c3;  // the sigma at the end of words
    if (within(c, 0x410, 0x42f)) return c + 0x20;
    if (within(c, 0x400, 0x40f)) return c + 0x50;
    if (within(c, 0x531, 0x556)) return c + 0x30;
    if (within(c, 0x1e00, 0x1eff)) return c | 1;
    return c;
}

CharacterClass class_of(char32_t c) noexcept {
    if (within(c, 0xc0, 0x2ff) && c != 0xd7 && c != 0xf7) return CharacterClass::letter;
    if (is_hidden(c)) return CharacterClass::hidden;
    if (is_blank(c)) return CharacterClass::blank;
    if (is_soft(c)) return CharacterClass::soft;
    if (is_ideograph(c)) return CharacterClass::ideograph;
    const bool is_sign = within(c, 0xa2, 0xb6) || c == 0xd7 || c == 0xf7 || within(c, 0x20a0, 0x20cf) ||
                         within(c, 0x2190, 0x23ff);  // money, arrows, mathematics
    return is_sign && c != 0xaa ? CharacterClass::sign : CharacterClass::letter;
}

}  // namespace beyond_ascii

bool is_kana(char32_t c) noexcept { return within(c, 0x3040, 0x30ff); }

uint64_t folded_hash(std::string_view word) noexcept {
    uint64_t hash = hash_start;
    for (size_t at = 0; at < word.size();) {
        const Character read = character_at(word, at);
        hash = hash_step(hash, small(plain(read.value)));
        at += read.bytes;
    }
    return hash_end(hash);
}

uint64_t exact_hash(std::string_view bytes) noexcept {
    uint64_t hash = hash_start ^ 0x5555;
    for (char c : bytes) hash = hash_step(hash, static_cast<unsigned char>(c));
    return hash_end(hash);
}

}  // namespace loom::cache
