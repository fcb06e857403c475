#include "token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace loom::rule {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool begins_word(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) noexcept { return begins_word(c) || is_digit(c); }

constexpr std::array<std::string_view, 14> symbols = {"==", "!=", "<=", ">=", "&&", "||", "<",
                                                      ">",  "!",  "(",  ")",  "[",  "]",  ","};
// What other languages write, and what is written here.
constexpr std::array<std::pair<std::string_view, const char*>, 6> foreign = {{
    {"=~", "'=~' is written 'matches' here, and takes a pattern with * and ?"},
    {"<>", "'<>' is written '!='"},
    {"=", "one '=' compares nothing; write '=='"},
    {"&", "'&' is written '&&' or 'and'"},
    {"|", "'|' is written '||' or 'or'"},
    {"-", "'-' has no meaning here; a name with one stands in quotes, as in header[\"x-team\"]"},
}};

}  // namespace

Token Lexer::make(Token::Kind kind, size_t begin) const {
    return {.kind = kind,
            .offset = static_cast<uint32_t>(begin),
            .spelling = text_.substr(begin, at_ - begin),
            .text = {},
            .number = 0};
}

Token Lexer::bad(size_t begin, std::string what) const {
    Token token = make(Token::Kind::bad, begin);
    token.text = std::move(what);
    return token;
}

Token Lexer::next() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') at_ += 1;
    const size_t begin = at_;
    if (begin == text_.size()) return make(Token::Kind::end, begin);
    const char c = peek();
    if (c == '"' || c == '\'') return read_text();
    if (is_digit(c)) return read_number();
    if (!begins_word(c)) return read_symbol();
    while (is_word(peek())) at_ += 1;
    return make(Token::Kind::word, begin);
}

std::string_view Lexer::take_name() noexcept {
    if (peek() != '.') return "";
    size_t end = at_ + 1;
    while (end < text_.size() && (is_word(text_[end]) || text_[end] == '-' || text_[end] == '.')) end += 1;
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end;
    return name;
}

Token Lexer::read_text() {
    const size_t begin = at_;
    const char quote = text_[at_++];
    std::string content;
    while (at_ < text_.size() && text_[at_] != quote) {
        if (text_[at_] == '\\') {
            const char escaped = peek(1);
            if (escaped != quote && escaped != '\\') {
                at_ += 1;
                return bad(at_ - 1,
                           fmt::format("in a text a backslash stands before {} or \\ only; write \\\\", quote));
            }
            at_ += 1;
        }
        content += text_[at_++];
    }
    if (at_ >= text_.size()) return bad(begin, fmt::format("a text is not closed; its {} is missing", quote));
    at_ += 1;
    Token token = make(Token::Kind::text, begin);
    token.text = std::move(content);
    return token;
}

Token Lexer::read_number() {
    const size_t begin = at_;
    double number = 0;
    while (is_digit(peek())) at_ += 1;
    if (peek() == ':') return read_clock(begin);
    if (peek() == '.') {
        at_ += 1;
        while (is_digit(peek())) at_ += 1;
    }
    const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, number);
    if (error != std::errc() || end != text_.data() + at_) return bad(begin, "not a number");
    const char unit = peek();
    const double factor = unit == 'k' || unit == 'K' ? 1e3 : unit == 'm' || unit == 'M' ? 1e6 : unit == '%' ? 0.01 : 1;
    if (factor != 1) at_ += 1;
    if (is_word(peek())) {
        while (is_word(peek())) at_ += 1;
        return bad(begin, "a number ends in a digit, k (thousand), m (million) or %; a text stands in quotes");
    }
    Token token = make(Token::Kind::number, begin);
    token.number = unit == '%' ? number / 100 : number * factor;  // 70 / 100 is 0.7, 70 * 0.01 is not
    if (!std::isfinite(token.number)) return bad(begin, "a number without measure");
    return token;
}

Token Lexer::read_clock(size_t begin) {
    const std::string_view hours = text_.substr(begin, at_ - begin);
    at_ += 1;
    const size_t minutes_at = at_;
    while (is_digit(peek())) at_ += 1;
    const std::string_view minutes = text_.substr(minutes_at, at_ - minutes_at);
    unsigned hour = 99, minute = 99;
    if (hours.size() <= 2) std::from_chars(hours.data(), hours.data() + hours.size(), hour);
    if (minutes.size() == 2) std::from_chars(minutes.data(), minutes.data() + minutes.size(), minute);
    const bool midnight = hour == 24 && minute == 0;
    if ((hour > 23 && !midnight) || minute > 59) return bad(begin, "a time of day is from 00:00 to 24:00, in UTC");
    Token token = make(Token::Kind::clock, begin);
    token.number = hour * 3600 + minute * 60;
    return token;
}

Token Lexer::read_symbol() {
    const size_t begin = at_;
    const std::string_view rest = text_.substr(at_);
    const auto begins = [&rest](std::string_view one) { return rest.starts_with(one); };
    const auto other = std::ranges::find_if(foreign, [&](const auto& one) { return begins(one.first); });
    const auto known = std::ranges::find_if(symbols, begins);
    const bool longer = other != foreign.end() && (known == symbols.end() || known->size() < other->first.size());
    if (longer) {
        at_ += other->first.size();
        return bad(begin, other->second);
    }
    if (known == symbols.end()) {
        at_ += 1;
        const auto byte = static_cast<uint8_t>(rest[0]);
        const bool shown = byte > 0x20 && byte < 0x7f;
        return bad(begin, shown ? fmt::format("'{}' has no meaning here; a text stands in quotes", rest[0])
                                : fmt::format("byte 0x{:02x} has no meaning outside quotes", byte));
    }
    at_ += known->size();
    return make(Token::Kind::symbol, begin);
}

}  // namespace loom::rule
