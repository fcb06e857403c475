#include "window_edits.h"

#include "loom/llm/json_text.h"

namespace loom::proxy {

namespace {

constexpr uint32_t blanks_max = 64;

constexpr bool is_of_number(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

IsNumber widen_number(const llm::TextWindow& window, uint32_t& begin, uint32_t& end, bool ends,
                      bool trusts_form) noexcept {
    const std::string_view text = window.text();
    const llm::TextRun& of = window.runs[window.run_of(begin)];
    if (of.depth > 0 && !of.holds_json && !trusts_form) return IsNumber::no;
    const auto is_bare = [&](uint32_t at) { return window.runs[window.run_of(at)].kind == llm::TextRun::Kind::bare; };
    if (!is_bare(begin)) return IsNumber::no;
    uint32_t first = begin, last = end;
    while (first > 0 && is_of_number(text[first - 1]) && is_bare(first - 1)) first -= 1;
    while (last < text.size() && is_of_number(text[last]) && is_bare(last)) last += 1;
    if (!std::ranges::all_of(text.substr(first, last - first), is_of_number)) return IsNumber::no;
    uint32_t before = first, behind = last;
    while (before > 0 && is_blank(text[before - 1]) && first - before < blanks_max) before -= 1;
    while (behind < text.size() && is_blank(text[behind]) && behind - last < blanks_max) behind += 1;
    constexpr std::string_view borders = "\x1e:,[]{}";
    if (before > 0 && borders.find(text[before - 1]) == borders.npos) return IsNumber::no;
    if (behind == text.size() && !ends) return IsNumber::unknown;
    if (behind < text.size() && borders.find(text[behind]) == borders.npos) return IsNumber::no;
    begin = first, end = last;
    return IsNumber::yes;
}

uint8_t strings_around(const llm::TextWindow& window, uint32_t at, bool trusts_form) noexcept {
    const llm::TextRun& of = window.runs[window.run_of(at)];
    return of.holds_json || trusts_form ? of.depth : std::min<uint8_t>(of.depth, 1);
}

std::string meant_by(const llm::TextWindow& window, std::string_view document, uint32_t begin, uint32_t end,
                     uint32_t from) {
    std::string text(window.text().substr(begin, end - begin));
    if (!text.contains('\n')) return text;
    WindowPiece only;
    uint32_t count = 0;
    each_piece(window, begin, end, [&](const WindowPiece& piece, llm::TextRun::Kind) {
        only = piece;
        count += 1;
    });
    if (count != 1) return text;
    std::string inner(document.substr(only.begin - from, only.end - only.begin));
    for (uint8_t i = 0; i < only.depth; ++i) {
        std::string outer;
        if (!llm::unescape(inner, outer)) return text;
        inner = std::move(outer);
    }
    return inner;
}

std::string inside_strings(std::string_view value, uint8_t depth) {
    std::string inner(value);
    for (uint8_t i = 0; i < depth; ++i) {
        std::string outer;
        llm::escape(inner, outer);
        inner = std::move(outer);
    }
    return inner;
}

}  // namespace loom::proxy
