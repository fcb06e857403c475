#include "loom/cache/veto.h"

#include <array>

namespace loom::cache {

namespace {

constexpr std::array<std::string_view, veto_reason_count> names = {
    "none",    "length",      "language", "quotation", "code",   "number", "unit", "date", "negation",
    "antonym", "comparative", "question", "tense",     "person", "format", "name", "word", "direction",
};

constexpr char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr bool ends_sentence(char c) { return c == '.' || c == '?' || c == '!'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (is_blank(text.back()) || ends_sentence(text.back()))) text.remove_suffix(1);
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return text;
}

}  // namespace

std::string_view veto_reason_name(VetoReason reason) noexcept { return names[static_cast<size_t>(reason)]; }

VetoReason veto(std::string_view asked, std::string_view kept) {
    if (asked == kept) return VetoReason::none;
    if (asked.size() > veto_bytes_max || kept.size() > veto_bytes_max) return VetoReason::length;
    const std::string_view a = trimmed(asked), b = trimmed(kept);
    if (a.size() != b.size()) return VetoReason::word;
    for (size_t i = 0; i < a.size(); ++i)
        if (small(a[i]) != small(b[i])) return VetoReason::word;
    return VetoReason::none;
}

}  // namespace loom::cache
