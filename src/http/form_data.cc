#include "loom/http/form_data.h"

#include <array>

#include "loom/http/message.h"

namespace loom::http {
namespace {

using State = FormField::State;

constexpr size_t boundary_bytes_max = 70;  // RFC 2046, 5.1.1

/// The value of `name=…` among a header's parameters, without its quotes; found tells an empty one from none.
std::string_view parameter(std::string_view header, std::string_view name, bool& found) noexcept {
    found = false;
    while (!header.empty()) {
        const size_t semicolon = header.find(';');
        if (semicolon == header.npos) return {};
        header.remove_prefix(semicolon + 1);
        while (header.starts_with(' ') || header.starts_with('\t')) header.remove_prefix(1);
        const bool fits = header.size() > name.size() && header[name.size()] == '=' &&
                          equal_ignoring_case(header.substr(0, name.size()), name);
        if (!fits) continue;
        header.remove_prefix(name.size() + 1);
        found = true;
        if (!header.starts_with('"')) return header.substr(0, header.find_first_of("; \t"));
        header.remove_prefix(1);
        return header.substr(0, header.find('"'));
    }
    return {};
}

/// Is this part, by its header fields, the field?
bool is_field(std::string_view fields, std::string_view name) noexcept {
    while (!fields.empty()) {
        const std::string_view line = fields.substr(0, fields.find("\r\n"));
        fields.remove_prefix(line.size() + 2 > fields.size() ? fields.size() : line.size() + 2);
        constexpr std::string_view disposition = "content-disposition:";
        if (line.size() < disposition.size() || !equal_ignoring_case(line.substr(0, disposition.size()), disposition))
            continue;
        bool named = false, is_file = false;
        const std::string_view given = parameter(line, "name", named);
        (void)parameter(line, "filename", is_file);
        return named && !is_file && given == name;
    }
    return false;
}

}  // namespace

FormField find_form_field(std::string_view content_type, std::string_view bytes, std::string_view name) noexcept {
    bool found = false;
    const std::string_view boundary = parameter(content_type, "boundary", found);
    constexpr std::string_view form = "multipart/form-data";
    const bool is_form =
        content_type.size() >= form.size() && equal_ignoring_case(content_type.substr(0, form.size()), form);
    if (!is_form || boundary.empty() || boundary.size() > boundary_bytes_max) return {.state = State::absent};
    std::array<char, boundary_bytes_max + 4> room;
    char* end = room.data();
    for (const char c : {'\r', '\n', '-', '-'}) *end++ = c;
    for (const char c : boundary) *end++ = c;
    const std::string_view delimiter(room.data(), static_cast<size_t>(end - room.data()));

    size_t at = bytes.starts_with(delimiter.substr(2)) ? delimiter.size() - 2 : 0;
    if (at == 0) {  // behind a preamble
        const size_t first = bytes.find(delimiter);
        if (first == bytes.npos) return {};
        at = first + delimiter.size();
    }
    for (;;) {
        const std::string_view rest = bytes.substr(at);
        if (rest.starts_with("--")) return {.state = State::absent};
        const size_t line_end = rest.find("\r\n");
        const size_t head_end = rest.find("\r\n\r\n");
        if (line_end == rest.npos || head_end == rest.npos) return {};
        const size_t begin = at + head_end + 4;
        // A part may be empty: the line break that ends its head begins the delimiter.
        const size_t close = bytes.find(delimiter, begin - 2);
        if (close == bytes.npos) return {};
        const std::string_view fields =
            head_end > line_end ? rest.substr(line_end + 2, head_end - line_end - 2) : std::string_view();
        if (is_field(fields, name)) {
            const size_t size = close > begin ? close - begin : 0;
            return {.state = State::found, .offset = begin, .value = bytes.substr(begin, size)};
        }
        at = close + delimiter.size();
    }
}

}  // namespace loom::http
