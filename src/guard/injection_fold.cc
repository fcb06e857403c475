#include "injection_fold.h"

#include <algorithm>

#include "window.h"

namespace loom::guard {

namespace {

struct CodePoint {
    uint32_t value = 0xfffd;
    uint8_t bytes = 1;
};

CodePoint code_point(std::string_view text, size_t at) noexcept {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    const uint8_t length = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (length == 0 || first >= 0xf8 || at + length > text.size()) return {};
    uint32_t value = first & (0xff >> (length + 1));
    for (uint8_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {};
        value = value << 6 | (byte(i) & 0x3f);
    }
    return {value, length};
}

/// Unicode 15, Default_Ignorable_Code_Point as far as it is in use: zero-width, bidi, variation selectors, soft hyphen.
bool is_hidden(uint32_t c) noexcept {
    return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || (c >= 0x300 && c <= 0x36f) ||
           c == 0xe0001 || c == 0xe007f;
}

/// Latin-1 and Latin Extended-A, from U+00C0 on: the letter under the accent; ' ' for none.
constexpr std::string_view latin_letters =
    "aaaaaaaceeeeiiiidnooooo ouuuuypsaaaaaaaceeeeiiiidnooooo ouuuuypy"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
    "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Cyrillic from U+0430 on, what a small letter looks like; ' ' for what looks like none.
constexpr std::string_view cyrillic_letters = "a b  e    k mho pcty x           e";
constexpr std::string_view greek_letters = "aby e n ik  v o p  tu x w";  // U+03B1 on

/// The Latin letter that one of another script is taken for; 0 for none.
char look_alike(uint32_t c) noexcept {
    const auto of = [&](std::string_view table, uint32_t first) {
        const char letter = c - first < table.size() ? table[c - first] : ' ';
        return letter == ' ' ? char{0} : letter;
    };
    if (c >= 0x430 && c < 0x452) return of(cyrillic_letters, 0x430);
    if (c >= 0x3b1 && c < 0x3ca) return of(greek_letters, 0x3b1);
    switch (c) {
        case 0x455: return 's';
        case 0x456:
        case 0x457: return 'i';
        case 0x458: return 'j';
        case 0x4bb: return 'h';
        case 0x501: return 'd';
        case 0x51b: return 'q';
        case 0x51d: return 'w';
        case 0x261: return 'g';
        case 0x131: return 'i';
        default: return 0;
    }
}

uint32_t small_cyrillic(uint32_t c) noexcept {
    if (c >= 0x410 && c <= 0x42f) return c + 0x20;
    if (c >= 0x400 && c <= 0x40f) return c + 0x50;
    if (c >= 0x391 && c <= 0x3a9) return c + 0x20;
    return c;
}

/// Letters for mathematics, in circles and squares, and of full width: in rows of 26.
uint32_t plain_letter(uint32_t c) noexcept {
    if (c >= 0xff01 && c <= 0xff5e) return c - 0xff01 + '!';
    if (c >= 0x24b6 && c <= 0x24e9) return 'a' + (c - 0x24b6) % 26;
    if (c >= 0x1f130 && c <= 0x1f149) return 'a' + (c - 0x1f130);
    if (c >= 0x1f150 && c <= 0x1f169) return 'a' + (c - 0x1f150);
    if (c >= 0x1f170 && c <= 0x1f189) return 'a' + (c - 0x1f170);
    if (c >= 0x1d400 && c <= 0x1d6a3) return 'a' + (c - 0x1d400) % 26;
    if (c >= 0x1d7ce && c <= 0x1d7ff) return '0' + (c - 0x1d7ce) % 10;
    if (c >= 0xe0020 && c <= 0xe007e) return c - 0xe0000;  // tags: ASCII that nobody sees
    return c;
}

FoldedChar of_ascii(uint32_t c, uint8_t bytes) noexcept {
    using enum FoldedChar::Kind;
    FoldedChar folded{.kind = other, .bytes = bytes};
    const int small = lower(static_cast<int>(c));
    if (is_alnum(small) || c == '@' || c == '$') {
        folded.kind = FoldedChar::Kind::letter;
        folded.latin = static_cast<char>(small);
    } else if (c == '\'') {
        folded.kind = joiner;
    } else if (c == '"' || c == '`') {
        folded.kind = quote;
    }
    return folded;
}

int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

}  // namespace

FoldedChar fold(std::string_view text, size_t at) noexcept {
    using enum FoldedChar::Kind;
    const CodePoint read = code_point(text, at);
    if (read.value < 0x80) return of_ascii(read.value, 1);
    FoldedChar folded{.kind = other, .bytes = read.bytes};
    if (is_hidden(read.value)) {
        folded.kind = hidden;
        return folded;
    }
    const uint32_t plain = plain_letter(read.value);
    if (plain < 0x80) return of_ascii(plain, read.bytes);
    if (plain == 0x2019) folded.kind = joiner;
    if (plain == 0x201c || plain == 0xab || plain == 0x201e || plain == 0x300c) folded.kind = quote_open;
    if (plain == 0x201d || plain == 0xbb || plain == 0x300d) folded.kind = quote_close;
    if (folded.kind != other) return folded;
    if (plain >= 0xc0 && plain - 0xc0 < latin_letters.size() && latin_letters[plain - 0xc0] != ' ') {
        folded.kind = letter;
        folded.latin = latin_letters[plain - 0xc0];
        return folded;
    }
    const uint32_t small = small_cyrillic(plain);
    const char alike = look_alike(small);
    const bool is_cyrillic = small >= 0x400 && small <= 0x52f;
    if (alike == 0 && !is_cyrillic) return folded;
    folded.kind = letter;
    folded.latin = alike != 0 ? alike : '?';
    if (is_cyrillic) {
        folded.native = {static_cast<char>(0xc0 | small >> 6), static_cast<char>(0x80 | (small & 0x3f))};
        folded.native_size = 2;
    }
    return folded;
}

char unleet(char c, char one) noexcept {
    switch (c) {
        case '0': return 'o';
        case '1': return one;
        case '3': return 'e';
        case '4':
        case '@': return 'a';
        case '5':
        case '$': return 's';
        case '7': return 't';
        case '8': return 'b';
        case '9': return 'g';
        default: return c;
    }
}

size_t decode_base64(std::string_view text, std::span<char> out) noexcept {
    uint32_t bits = 0, count = 0;
    size_t size = 0;
    for (char c : text) {
        const int value = base64_value(c);
        if (value < 0 || size == out.size()) break;
        bits = bits << 6 | static_cast<uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out[size++] = static_cast<char>(bits >> count);
    }
    return size;
}

size_t decode_hex(std::string_view text, std::span<char> out) noexcept {
    size_t size = 0;
    for (size_t i = 0; i + 1 < text.size() && size < out.size(); i += 2) {
        const int high = hex_value(static_cast<unsigned char>(text[i])),
                  low = hex_value(static_cast<unsigned char>(text[i + 1]));
        out[size++] = static_cast<char>(high << 4 | low);
    }
    return size;
}

bool looks_written(std::string_view text) noexcept {
    const auto good =
        std::ranges::count_if(text, [](char c) { return (c >= ' ' && c < 0x7f) || c == '\n' || (c & 0x80) != 0; });
    const auto letters =
        std::ranges::count_if(text, [](char c) { return is_alpha(static_cast<unsigned char>(c)) || c == ' '; });
    const auto size = static_cast<long>(text.size());
    return size >= 8 && good == size && letters * 10 >= size * 7;
}

}  // namespace loom::guard
