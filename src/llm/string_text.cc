#include <algorithm>
#include <cstring>
#include <utility>

#include "loom/llm/text_reader.h"

namespace loom::llm {

namespace {

using Kind = TextRun::Kind;
using Border = TextRun::Border;

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char small = static_cast<char>(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

}  // namespace

void StringText::begin(bool holds_json, bool is_given) noexcept {
    holds_json_ = holds_json;
    is_given_ = is_given;
    nests_[0] = {.form = Nest::Form::json, .in_string = true};
    nests_[1] = {};
}

bool StringText::is_plain() const noexcept {
    const Nest& outer = nests_[0];
    const Nest& inner = nests_[1];
    return inner.form == Nest::Form::plain && !inner.slash && !outer.slash && outer.hex_left == 0 && outer.high == 0;
}

void StringText::copy(TextWindow& window, std::string_view bytes, uint32_t at) noexcept {
    emit(window, bytes.front(), {at, at + 1}, Kind::text, 1);
    std::memcpy(window.bytes.data() + window.size, bytes.data() + 1, bytes.size() - 1);
    window.size += static_cast<uint32_t>(bytes.size() - 1);
}

void StringText::end(TextWindow& window) noexcept {
    broken_ |= nests_[0].hex_left > 0;
    flush_pair(window, 0);
    end_inner(window, 1);
    pending_ = Border::none;
}

uint32_t StringText::waits_from(uint32_t at) const noexcept {
    for (const Nest& nest : nests_) {
        if (nest.high != 0) at = std::min(at, nest.pair.from);
        if (nest.slash || nest.hex_left > 0) at = std::min(at, nest.escape.from);
        if (!nest.in_string) break;
    }
    return at;
}

/// What is not whole at the end of a string, of that and of those inside it.
void StringText::end_inner(TextWindow& window, uint32_t nest) noexcept {
    for (; nest <= nesting_max && nests_[nest].form != Nest::Form::unknown; ++nest) {
        flush_escape(window, nest, Kind::text);
        if (!nests_[nest].in_string) return;
    }
}

/// A byte of the text inside `nest` strings.
void StringText::put(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept {
    Nest& own = nests_[nest];
    if (own.form == Nest::Form::unknown) {
        if (is_blank(c)) return emit(window, c, origin, Kind::text, nest);
        const bool opens = (c == '{' || c == '[') && nest < nesting_max;
        own.form = opens ? Nest::Form::json : Nest::Form::plain;
    }
    if (own.form == Nest::Form::plain) return put_plain(window, nest, c, origin, Kind::text);
    if (own.in_string) return put_coded(window, nest, c, origin);
    if (c == '"') {
        flush_slash(window, nest, Kind::bare);
        own.in_string = true;
        nests_[nest + 1] = {};
        return emit(window, c, origin, Kind::bare, nest);
    }
    put_plain(window, nest, c, origin, Kind::bare);
}

/// Text that is read as it is, but for a written "\n": that ends a line for whoever it is written for.
void StringText::put_plain(TextWindow& window, uint32_t nest, char c, Origin origin, Kind kind) noexcept {
    Nest& own = nests_[nest];
    if (own.slash && (c == 'n' || c == 'r' || c == 't')) {
        own.slash = false;
        const Origin both{own.escape.from, origin.end};
        emit(window, '\n', both, kind, nest);
        return emit(window, '\n', both, kind, nest);
    }
    flush_slash(window, nest, kind);
    if (c != '\\') return emit(window, c, origin, kind, nest);
    own.slash = true;
    own.escape = origin;
}

/// A byte inside a string of JSON.
void StringText::put_coded(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept {
    Nest& own = nests_[nest];
    if (own.hex_left > 0 && hex_value(c) < 0) flush_escape(window, nest, Kind::text);
    if (own.slash || own.hex_left > 0) {
        own.escape.end = origin.end;
        return put_escaped(window, nest, c, origin);
    }
    if (c == '\\') {
        own.slash = true;
        own.escape = origin;
        return;
    }
    flush_pair(window, nest);
    if (c != '"' || nest == 0) return put(window, nest + 1, c, origin);
    end_inner(window, nest + 1);
    own.in_string = false;
    emit(window, c, origin, Kind::bare, nest);
}

void StringText::put_escaped(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept {
    Nest& own = nests_[nest];
    if (own.hex_left > 0) {
        own.digits[own.digits.size() - own.hex_left] = c;
        own.code = own.code * 16 + static_cast<uint32_t>(hex_value(c));
        own.hex_left -= 1;
        if (own.hex_left == 0) put_code(window, nest, own.code, own.escape);
        return;
    }
    own.slash = false;
    if (c == 'u') {
        own.hex_left = 4;
        own.code = 0;
        return;
    }
    flush_pair(window, nest);
    constexpr std::string_view letters = "nrtbf\"\\/", meanings = "\n\r\t\b\f\"\\/";
    const size_t which = letters.find(c);
    broken_ |= which == letters.npos && nest == 0;
    put(window, nest + 1, which == letters.npos ? c : meanings[which], which == letters.npos ? origin : own.escape);
}

/// What began as an escape and is none: its bytes are read as they stand there.
void StringText::flush_escape(TextWindow& window, uint32_t nest, Kind kind) noexcept {
    Nest& own = nests_[nest];
    if (own.hex_left == 0) return flush_slash(window, nest, kind);
    broken_ |= nest == 0;
    flush_pair(window, nest);
    const uint32_t held = static_cast<uint32_t>(own.digits.size()) - std::exchange(own.hex_left, uint8_t{0});
    put(window, nest + 1, '\\', own.escape);
    put(window, nest + 1, 'u', own.escape);
    for (uint32_t i = 0; i < held; ++i) put(window, nest + 1, own.digits[i], own.escape);
}

void StringText::put_code(TextWindow& window, uint32_t nest, uint32_t code, Origin origin) noexcept {
    Nest& own = nests_[nest];
    if (code >= 0xdc00 && code <= 0xdfff && own.high != 0) {
        const uint32_t whole = 0x10000 + ((own.high - 0xd800) << 10) + (code - 0xdc00);
        own.high = 0;
        return put_character(window, nest, whole, {own.pair.from, origin.end});
    }
    flush_pair(window, nest);
    if (code >= 0xd800 && code <= 0xdbff) {
        own.high = code;
        own.pair = origin;
        return;
    }
    put_character(window, nest, code >= 0xdc00 && code <= 0xdfff ? 0xfffd : code, origin);
}

void StringText::put_character(TextWindow& window, uint32_t nest, uint32_t code, Origin origin) noexcept {
    const auto byte = [&](uint32_t value) { put(window, nest + 1, static_cast<char>(value), origin); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) {
        byte(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        byte(0xe0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3f));
    } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
        byte(0x80 | (code >> 6 & 0x3f));
    }
    byte(0x80 | (code & 0x3f));
}

/// The half of a pair whose other half did not come.
void StringText::flush_pair(TextWindow& window, uint32_t nest) noexcept {
    if (std::exchange(nests_[nest].high, 0) != 0) put_character(window, nest, 0xfffd, nests_[nest].pair);
}

void StringText::flush_slash(TextWindow& window, uint32_t nest, Kind kind) noexcept {
    if (std::exchange(nests_[nest].slash, false)) emit(window, '\\', nests_[nest].escape, kind, nest);
}

void StringText::emit(TextWindow& window, char c, Origin origin, Kind kind, uint32_t nest) noexcept {
    const uint32_t bytes = origin.end - origin.from;
    bool goes_on = false;
    if (window.run_count > 0 && pending_ == Border::none) {
        const TextRun& last = window.runs[window.run_count - 1];
        const bool alike = last.kind == kind && last.depth == nest;
        goes_on = alike && (bytes == 1 ? last.coded_bytes == 0 && last.from + (window.size - last.at) == origin.from
                                       : last.coded_bytes == bytes && last.from == origin.from);
    }
    if (!goes_on)
        window.runs[window.run_count++] = {.at = window.size,
                                           .from = origin.from,
                                           .coded_bytes = static_cast<uint16_t>(bytes == 1 ? 0 : bytes),
                                           .kind = kind,
                                           .depth = static_cast<uint8_t>(nest),
                                           .border = std::exchange(pending_, Border::none),
                                           .holds_json = holds_json_,
                                           .is_given = is_given_};
    window.bytes[window.size++] = c;
}

}  // namespace loom::llm
