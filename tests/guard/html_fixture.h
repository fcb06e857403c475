// A text as it is told without its HTML, and a plain reader of HTML that says what of it would act.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/guard/html_strip.h"

namespace loom::guard::test {

/// The pieces end at the cuts.
inline std::string stripped(HtmlMode mode, std::string_view text, const std::vector<size_t>& cuts = {},
                            bool placeholders = false, uint32_t* count = nullptr) {
    static BlockPool pool;
    ByteBuffer out(pool);
    HtmlStrip strip(mode, pool);
    if (placeholders) strip.expect_placeholders();
    size_t at = 0;
    const auto feed = [&](size_t end) {
        while (at < end) {
            const size_t open = std::min(text.find('<', at), end);
            if (!strip.holds() && open > at) {
                strip.pass(text.substr(at, open - at), out);
                at = open;
            } else {
                strip.put(text[at], text.substr(at, 1), out);
                at += 1;
            }
        }
    };
    for (const size_t cut : cuts) feed(cut);
    feed(text.size());
    strip.end(out);
    if (count != nullptr) *count = strip.count();
    return std::string(out.view());
}

inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

inline std::string small(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    return out;
}

/// Entities of numbers, and those that spell what stands in a scheme.
inline std::string decoded(std::string_view value) {
    std::string out;
    for (size_t at = 0; at < value.size();) {
        const std::string_view rest = value.substr(at);
        const auto named = [&](std::string_view name, char c) {
            if (!rest.starts_with(name)) return false;
            out += c;
            at += name.size();
            return true;
        };
        if (named("&colon;", ':') || named("&Tab;", '\t') || named("&NewLine;", '\n')) continue;
        if (rest.size() > 2 && rest.starts_with("&#")) {
            const bool hex = rest[2] == 'x' || rest[2] == 'X';
            const std::string digits(rest.substr(hex ? 3 : 2, 12));
            char* end = nullptr;
            const bool good =
                !digits.empty() && digits.front() != ' ' && digits.front() != '+' && digits.front() != '-';
            const unsigned long code = good ? std::strtoul(digits.c_str(), &end, hex ? 16 : 10) : 0;
            const size_t used = good ? static_cast<size_t>(end - digits.c_str()) : 0;
            if (used > 0 && !(hex && digits.size() > 1 && small(digits).starts_with("0x"))) {
                out += code > 0 && code < 0x80 ? static_cast<char>(code) : '?';
                at += (hex ? 3 : 2) + used;
                if (at < value.size() && value[at] == ';') at += 1;
                continue;
            }
        }
        out += value[at++];
    }
    return out;
}

inline bool runs(std::string_view value) {
    std::string address;
    for (const char c : decoded(value)) {
        if (c == '\t' || c == '\n' || c == '\r' || (address.empty() && static_cast<unsigned char>(c) <= ' ')) continue;
        address += c;
    }
    address = small(address);
    return address.starts_with("javascript:") || address.starts_with("vbscript:") ||
           address.starts_with("data:text/html") || address.starts_with("data:image/svg");
}

/// Does the tag that begins here act? Read as the standard's tokenizer reads it, and as nobody's scanner.
/// end  behind it; npos: it does not end.
inline bool acts_at(std::string_view text, size_t begin, size_t& end) {
    size_t at = begin + 1;
    const bool is_end = at < text.size() && text[at] == '/';
    at += is_end;
    std::string name;
    while (at < text.size() && !is_space(text[at]) && text[at] != '/' && text[at] != '>') name += text[at++];
    bool acts = false;
    for (const std::string_view word : {"script", "style",    "iframe",    "frame", "object",  "embed",    "applet",
                                        "link",   "meta",     "base",      "form",  "svg",     "math",     "input",
                                        "button", "noscript", "plaintext", "xmp",   "noembed", "noframes", "textarea"})
        acts |= small(name) == word;
    while (true) {
        while (at < text.size() && (is_space(text[at]) || text[at] == '/')) at += 1;
        if (at >= text.size()) return end = text.npos, false;
        if (text[at] == '>') return end = at + 1, acts;
        std::string attribute(1, text[at++]), value;
        while (at < text.size() && !is_space(text[at]) && text[at] != '/' && text[at] != '>' && text[at] != '=')
            attribute += text[at++];
        while (at < text.size() && is_space(text[at])) at += 1;
        if (at >= text.size() || text[at] != '=') continue;
        at += 1;
        while (at < text.size() && is_space(text[at])) at += 1;
        if (at >= text.size()) return end = text.npos, false;
        if (text[at] == '"' || text[at] == '\'') {
            const size_t close = text.find(text[at], at + 1);
            if (close == text.npos) return end = text.npos, false;
            value = text.substr(at + 1, close - at - 1);
            at = close + 1;
        } else {
            while (at < text.size() && !is_space(text[at]) && text[at] != '>') value += text[at++];
        }
        attribute = small(attribute);
        const bool is_code = (attribute.starts_with("on") && attribute.size() > 2) || attribute == "srcdoc" ||
                             attribute == "style" || attribute == "formaction";
        acts |= is_code && !value.empty();
        acts |= attribute != "title" && attribute != "alt" && runs(value);
    }
}

/// What stands behind this '<' where nobody sees control characters.
inline char behind(std::string_view text, size_t open) {
    for (size_t at = open + 1; at < text.size(); ++at)
        if (static_cast<unsigned char>(text[at]) >= ' ' || is_space(text[at])) return text[at];
    return '\0';
}

/// "" where no place of a text is a tag that acts, whoever reads it from where; else what is wrong.
inline std::string fault_of(HtmlMode mode, std::string_view text) {
    for (size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
        const char next = behind(text, at);
        if (!is_letter(next) && next != '/' && next != '!' && next != '?') continue;
        const std::string place = " at " + std::to_string(at);
        if (mode == HtmlMode::all) return "a tag" + place;
        const size_t close = text.find('>', at);
        if (close == text.npos || close > text.find('<', at + 1)) return "no whole tag" + place;
        if (!is_letter(next) && !(next == '/' && is_letter(text[at + 2]))) continue;
        size_t end = 0;
        if (acts_at(text, at, end)) return "a tag that acts" + place;
        if (end == text.npos || end > text.find('<', at + 1)) return "a tag that does not end" + place;
    }
    return {};
}

}  // namespace loom::guard::test
