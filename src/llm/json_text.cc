#include "loom/llm/json_text.h"

#include <algorithm>
#include <cstring>

#include "json_escape.h"
#include "loom/base/block_pool.h"
#include "loom/base/utf8.h"

namespace loom::llm {

namespace {

constexpr uint32_t no_code = UINT32_MAX;

uint32_t hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0');
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a') + 10 : no_code;
}

/// The code unit of `\uXXXX` at raw[at], or no_code.
uint32_t unit_at(std::string_view raw, size_t at) {
    if (at + 6 > raw.size() || raw[at] != '\\' || raw[at + 1] != 'u') return no_code;
    uint32_t unit = 0;
    for (size_t i = at + 2; i < at + 6; ++i) {
        const uint32_t digit = hex_digit(raw[i]);
        if (digit == no_code) return no_code;
        unit = unit << 4 | digit;
    }
    return unit;
}

struct Decoded {
    uint32_t code = no_code;  // no_code: a broken escape
    size_t raw_bytes = 0;
};

/// The escape at raw[at], a surrogate pair taken as one.
Decoded escape_at(std::string_view raw, size_t at) {
    if (at + 1 >= raw.size()) return {};
    switch (raw[at + 1]) {
        case '"':
        case '\\':
        case '/': return {static_cast<uint8_t>(raw[at + 1]), 2};
        case 'b': return {'\b', 2};
        case 'f': return {'\f', 2};
        case 'n': return {'\n', 2};
        case 'r': return {'\r', 2};
        case 't': return {'\t', 2};
        case 'u': break;
        default: return {};
    }
    const uint32_t unit = unit_at(raw, at);
    if (unit == no_code) return {};
    if (unit < 0xd800 || unit > 0xdfff) return {unit, 6};
    const uint32_t low = unit < 0xdc00 ? unit_at(raw, at + 6) : no_code;
    if (low == no_code || low < 0xdc00 || low > 0xdfff) return {0xfffd, 6};
    return {0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12};
}

size_t utf8_bytes(uint32_t code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

size_t write_utf8(uint32_t code, char* out) {
    const size_t bytes = utf8_bytes(code);
    if (bytes == 1) {
        out[0] = static_cast<char>(code);
        return 1;
    }
    constexpr uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes; i-- > 1; code >>= 6) out[i] = static_cast<char>(0x80 | (code & 0x3f));
    out[0] = static_cast<char>(lead[bytes] | code);
    return bytes;
}

/// The escape of one byte, or an empty view when it stands for itself.
std::string_view escape_of(char c, char (&buffer)[6]) {
    switch (c) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\b': return "\\b";
        case '\f': return "\\f";
        case '\n': return "\\n";
        case '\r': return "\\r";
        case '\t': return "\\t";
        default: break;
    }
    if (static_cast<uint8_t>(c) >= 0x20) return {};
    constexpr char hex[] = "0123456789abcdef";
    std::memcpy(buffer, "\\u00", 4);
    buffer[4] = hex[static_cast<uint8_t>(c) >> 4];
    buffer[5] = hex[static_cast<uint8_t>(c) & 15];
    return {buffer, 6};
}

template <class Out>
void escape_into(std::string_view text, Out& out) {
    char buffer[6];
    size_t plain = 0;
    for (size_t at = 0; at < text.size(); ++at) {
        const std::string_view escaped = escape_of(text[at], buffer);
        if (escaped.empty()) continue;
        out.append(text.substr(plain, at - plain));
        out.append(escaped);
        plain = at + 1;
    }
    out.append(text.substr(plain));
}

}  // namespace

size_t unescape_one(std::string_view raw, char* out, size_t& written) noexcept {
    const Decoded decoded = escape_at(raw, 0);
    if (decoded.code == no_code) return 0;
    written = write_utf8(decoded.code, out);
    return decoded.raw_bytes;
}

size_t escape_bytes(std::string_view raw) noexcept {
    if (raw.size() < 2 || raw[1] != 'u') return std::min<size_t>(2, raw.size());
    const uint32_t unit = unit_at(raw, 0);
    const bool is_high = unit != no_code && unit >= 0xd800 && unit < 0xdc00;
    const uint32_t low = is_high ? unit_at(raw, 6) : no_code;
    const bool is_pair = low != no_code && low >= 0xdc00 && low <= 0xdfff;
    return is_pair ? 12 : std::min<size_t>(6, raw.size());
}

size_t unescape(std::string_view raw, char* out) noexcept {
    size_t at = 0, written = 0;
    while (at < raw.size()) {
        const size_t escape = std::min(raw.find('\\', at), raw.size());
        std::memcpy(out + written, raw.data() + at, escape - at);
        written += escape - at;
        at = escape;
        if (at == raw.size()) break;
        const Decoded decoded = escape_at(raw, at);
        if (decoded.code == no_code) return bad_text;
        written += write_utf8(decoded.code, out + written);
        at += decoded.raw_bytes;
    }
    return written;
}

bool unescape(std::string_view raw, std::string& out) {
    const size_t before = out.size();
    out.resize(before + raw.size());
    const size_t written = unescape(raw, out.data() + before);
    out.resize(before + (written == bad_text ? 0 : written));
    return written != bad_text;
}

size_t find_bad_escape(std::string_view text) noexcept {
    for (size_t at = text.find('\\'); at != text.npos; at = text.find('\\', at)) {
        const Decoded decoded = escape_at(text, at);
        if (decoded.code == no_code) return at;
        at += decoded.raw_bytes;
    }
    return text.npos;
}

size_t raw_offset(std::string_view raw, size_t text_offset) noexcept {
    size_t at = 0, text = 0;
    while (at < raw.size() && text < text_offset) {
        if (raw[at] != '\\') {
            ++at;
            ++text;
            continue;
        }
        const Decoded decoded = escape_at(raw, at);
        if (decoded.code == no_code) return raw.size();
        text += utf8_bytes(decoded.code);
        if (text > text_offset) break;  // inside the escape: its beginning
        at += decoded.raw_bytes;
    }
    return at;
}

void escape(std::string_view text, std::string& out) { escape_into(text, out); }
void escape(std::string_view text, ByteBuffer& out) { escape_into(text, out); }

void quote(std::string_view text, std::string& out) {
    out.push_back('"');
    escape(text, out);
    out.push_back('"');
}

size_t escape(std::string_view text, std::span<char> out) noexcept {
    char buffer[6];
    size_t written = 0;
    for (size_t at = 0; at < text.size();) {
        const std::string_view escaped = escape_of(text[at], buffer);
        size_t taken = 1;
        while (escaped.empty() && at + taken < text.size() && (text[at + taken] & 0xc0) == 0x80 && taken < 4) ++taken;
        const std::string_view piece = escaped.empty() ? text.substr(at, taken) : escaped;
        if (written + piece.size() > out.size()) break;
        std::memcpy(out.data() + written, piece.data(), piece.size());
        written += piece.size();
        at += taken;
    }
    return written;
}

size_t utf8_cut(std::string_view text, size_t wanted) noexcept { return loom::utf8_cut(text, wanted); }

}  // namespace loom::llm
