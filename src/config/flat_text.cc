#include "flat_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "expand.h"
#include "text.h"

namespace loom::config {

namespace {

bool is_refused(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7f;
}

/// A `#` that would begin a comment.
bool has_comment(std::string_view text) {
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '#' && (i == 0 || is_blank(text[i - 1]))) return true;
    }
    return false;
}

bool reads_bare(std::string_view text) {
    return trim(text).size() == text.size() && text.find_first_of("\"\n") == std::string_view::npos &&
           !has_comment(text) && !text.ends_with('\\');
}

/// In a list a comma, a bracket and a backslash mean something too, and nothing is no item.
bool reads_bare_in_list(std::string_view item) {
    return !item.empty() && reads_bare(item) && item.find_first_of(",[]\\#") == std::string_view::npos;
}

/// Two dollars, or one before a brace, would be read as more than they are.
bool needs_doubling(std::string_view text) {
    return text.starts_with("$$") || (text.starts_with("${") && reference_bytes(text) == 0);
}

/// Copies `text`, references as they are and `escaped` bytes behind a backslash; a line break becomes \n.
Parsed<std::string> copy(std::string_view text, std::string_view escaped) {
    std::string out;
    while (!text.empty()) {
        if (is_refused(text.front())) {
            return std::unexpected(fmt::format("holds the control byte 0x{:02x}, which the flat file cannot",
                                               static_cast<unsigned char>(text.front())));
        }
        if (const size_t bytes = reference_bytes(text); bytes > 0) {
            const auto reference = text.substr(0, bytes);
            if (!escaped.empty() && reference.find_first_of("\"\\\n") != std::string_view::npos) {
                return std::unexpected(
                    "a default or path in ${…} that holds a quote, a backslash or a line break "
                    "cannot stand inside quotes; set the variable instead");
            }
            out += reference;
            text.remove_prefix(bytes);
            continue;
        }
        if (needs_doubling(text)) out += '$';
        if (escaped.find(text.front()) != std::string_view::npos) out += '\\';
        out += text.front() == '\n' ? 'n' : text.front();
        text.remove_prefix(1);
    }
    return out;
}

Parsed<std::string> quoted(std::string_view text) {
    auto inside = copy(text, "\"\\\n");
    if (!inside) return inside;
    return fmt::format("\"{}\"", *inside);
}

Parsed<std::string> list_item(std::string_view item) {
    if (reads_bare_in_list(item)) return copy(item, "");
    if (item.find('\n') != std::string_view::npos) {
        return std::unexpected("an item that holds a line break cannot be written among others in the flat file");
    }
    return quoted(item);
}

}  // namespace

Parsed<std::string> flat_scalar(std::string_view text) { return reads_bare(text) ? copy(text, "") : quoted(text); }

Parsed<std::string> flat_list(std::span<const std::string_view> items) {
    if (items.size() == 1) return reads_bare_in_list(items[0]) ? copy(items[0], "") : quoted(items[0]);
    std::string text;
    for (const auto item : items) {
        auto spelled = list_item(item);
        if (!spelled) return spelled;
        text += fmt::format("{}{}", text.empty() ? "" : list_separator, *spelled);
    }
    return text;
}

}  // namespace loom::config
