// RFC 5321, 4.1.2 and 4.5.3.1: a local part of at most 64 bytes, a domain of labels of at most 63, 255 in all. Of the
// local parts that it allows only those that are in use are taken: unquoted, without the rarer signs. Letters of other
// scripts may stand in both (RFC 6531, 3.3).
#include <algorithm>
#include <array>

#include "detectors.h"

namespace loom::guard {

namespace {

constexpr Pos local_bytes_max = 64;
constexpr Pos label_bytes_max = 63;
constexpr Pos domain_bytes_max = 255;

constexpr bool is_local(int c) noexcept {
    return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\'';
}

/// Bytes of the letter that ends before `end`, of a script with two bytes a letter (Latin, Greek, Cyrillic, Hebrew,
/// Arabic); 0 for none.
Pos letter_before(Window& text, Pos end) noexcept {
    const int last = text.at(end - 1), first = text.at(end - 2);
    return (last & 0xc0) == 0x80 && last > 0 && first >= 0xc3 && first <= 0xdf ? 2 : 0;
}
Pos letter_at(Window& text, Pos at) noexcept {
    const int first = text.at(at);
    return first >= 0xc3 && first <= 0xdf && (text.at(at + 1) & 0xc0) == 0x80 ? 2 : 0;
}
/// The same of a script with three, which has no blanks between words: so it is a local part only where nothing else
/// is.
Pos sign_before(Window& text, Pos end) noexcept {
    if (text.at(end - 1) < 0x80 || text.at(end - 2) < 0x80) return 0;
    const int first = text.at(end - 3), second = text.at(end - 2);
    const bool is_mark = (first == 0xe3 && second == 0x80) || (first == 0xef && second >= 0xbc);  // "\u3001", "\uff0c"
    return first >= 0xe3 && first <= 0xef && !is_mark ? 3 : 0;
}

/// What ends names of files and is no top-level domain: "logo@2x.png".
constexpr std::string_view file_endings[] = {"avif", "bmp", "conf", "cpp",  "css",  "csv",  "dll",  "gif",  "gz",
                                             "html", "ico", "jpeg", "jpg",  "js",   "json", "lock", "log",  "mp3",
                                             "mp4",  "pdf", "php",  "png",  "svg",  "tgz",  "tiff", "toml", "ts",
                                             "tsx",  "ttf", "txt",  "webp", "woff", "xml",  "yaml", "yml"};

Pos local_begin(Window& text, Pos at_sign) noexcept {
    const auto reaches = [&](Pos begin) { return at_sign - begin <= local_bytes_max; };
    Pos begin = at_sign;
    if (sign_before(text, at_sign) != 0) {
        for (Pos bytes = 3; bytes != 0 && reaches(begin); bytes = sign_before(text, begin)) begin -= bytes;
        return reaches(begin) ? begin : at_sign;
    }
    for (Pos bytes = 1; bytes != 0 && reaches(begin); begin -= bytes)
        bytes = is_local(text.at(begin - 1)) ? 1 : letter_before(text, begin);
    if (!reaches(begin)) return at_sign;
    while (begin < at_sign && !is_alnum(text.at(begin)) && text.at(begin) != '_' && text.at(begin) < 0x80) begin += 1;
    return begin;
}

bool good_local(Window& text, Pos begin, Pos at_sign) noexcept {
    if (begin == at_sign || text.at(at_sign - 1) == '.') return false;
    for (Pos i = begin + 1; i < at_sign; ++i)
        if (text.at(i) == '.' && text.at(i - 1) == '.') return false;
    if (text.at(begin - 1) == '@') return false;
    // An address of version control: "git@host:path".
    return !(at_sign - begin == 3 && text.starts(begin, "git"));
}

bool good_top_level(Window& text, Pos begin, Pos end) noexcept {
    if (end - begin < 2) return false;
    if (text.starts(begin, "xn--")) return end - begin > 4;
    if (end - begin > 18) return false;
    std::array<char, 18> name;
    for (Pos i = begin; i < end; ++i) {
        if (!is_alpha(text.at(i))) return false;
        name[static_cast<size_t>(i - begin)] = static_cast<char>(lower(text.at(i)));
    }
    const std::string_view word(name.data(), static_cast<size_t>(end - begin));
    return std::ranges::find(file_endings, word) == std::end(file_endings);
}

}  // namespace

Match find_email(Probe& probe) noexcept {
    Window& text = probe.text;
    Pos begin = local_begin(text, probe.anchor);
    if (!good_local(text, begin, probe.anchor)) return {};
    Pos label = probe.anchor + 1;
    Pos end = label;
    Pos found = 0;
    for (;;) {
        for (Pos bytes = 1; bytes != 0; end += bytes) {
            if (end - label > label_bytes_max) return {};
            bytes = is_alnum(text.at(end)) || (text.at(end) == '-' && end > label) ? 1 : letter_at(text, end);
        }
        if (end == label || text.at(end - 1) == '-' || end - probe.anchor > domain_bytes_max) break;
        found = end;
        if (text.at(end) != '.' || (!is_alnum(text.at(end + 1)) && letter_at(text, end + 1) == 0)) break;
        label = ++end;
    }
    if (found == 0 || end != found || label == probe.anchor + 1 || !good_top_level(text, label, found)) return {};
    if (text.at(found) == '@') return {};
    if (text.at(found) == '_') {  // "_ann@example.org_": emphasis of Markdown, and no part of it
        while (text.at(begin) == '_') begin += 1;
        if (begin == probe.anchor) return {};
    }
    return {begin, found};
}

}  // namespace loom::guard
