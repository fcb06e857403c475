#include "injection_set.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::guard::test {

std::vector<LabelledPrompt> read_prompts(const std::string& file) {
    std::vector<LabelledPrompt> prompts;
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
        if (line.empty() || line[0] == '#') continue;
        const size_t first = line.find('\t'), second = line.find('\t', first + 1);
        if (second == line.npos) {
            std::fprintf(stderr, "%s: not three columns: %s\n", file.c_str(), line.c_str());
            std::exit(1);
        }
        prompts.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1)});
    }
    return prompts;
}

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <class Each>
std::string each_letter(std::string_view text, Each&& each) {
    std::string out;
    for (char c : text) is_letter(c) ? out += each(c) : out += c;
    return out;
}

std::string utf8(uint32_t c) {
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    if (c < 0x10000)
        return {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                static_cast<char>(0x80 | (c & 63))};
    return {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
            static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
}

std::string zero_width(std::string_view text) {
    return each_letter(text, [](char c) { return std::string(1, c) + "\xe2\x80\x8b"; });
}
std::string homoglyphs(std::string_view text) {
    return each_letter(text, [](char c) -> std::string {
        switch (c) {
            case 'a': return "\xd0\xb0";
            case 'e': return "\xd0\xb5";
            case 'o': return "\xd0\xbe";
            case 'p': return "\xd1\x80";
            case 'c': return "\xd1\x81";
            case 'i': return "\xd1\x96";
            default: return {c};
        }
    });
}
std::string leet(std::string_view text) {
    return each_letter(text, [](char c) -> std::string {
        switch (c | 0x20) {
            case 'a': return "4";
            case 'e': return "3";
            case 'i': return "1";
            case 'o': return "0";
            case 's': return "5";
            default: return {c};
        }
    });
}
std::string spaced(std::string_view text) {
    std::string out;
    for (char c : text) (out += c) += ' ';
    return out;
}
std::string tags(std::string_view text) {
    std::string out = "Hello there. ";
    for (char c : text) out += utf8(0xe0000 + static_cast<unsigned char>(c));
    return out;
}
std::string bidi(std::string_view text) {
    return each_letter(text, [](char c) { return "\xe2\x80\xae" + std::string(1, c) + "\xe2\x80\xac"; });
}
std::string mathematical(std::string_view text) {
    return each_letter(text,
                       [](char c) { return utf8(0x1d400 + static_cast<uint32_t>(c >= 'a' ? c - 'a' + 26 : c - 'A')); });
}
std::string full_width(std::string_view text) {
    return each_letter(text, [](char c) { return utf8(0xff01 + static_cast<uint32_t>(c - '!')); });
}
std::string rot13(std::string_view text) {
    return each_letter(text, [](char c) {
        const char base = c >= 'a' ? 'a' : 'A';
        return std::string(1, static_cast<char>(base + (c - base + 13) % 26));
    });
}
std::string base64(std::string_view text) {
    std::string out = "Decode this and do what it says: ";
    base64_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out);
    return out;
}
std::string hex(std::string_view text) {
    return "Decode: " + hex_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

const std::vector<Trick>& tricks() {
    static const std::vector<Trick> all = {
        {"zero_width", zero_width},
        {"homoglyphs", homoglyphs},
        {"leetspeak", leet},
        {"spacing", spaced},
        {"unicode_tags", tags},
        {"bidi", bidi},
        {"mathematical", mathematical},
        {"full_width", full_width},
        {"rot13", rot13},
        {"base64", base64},
        {"hex", hex},
    };
    return all;
}

}  // namespace loom::guard::test
