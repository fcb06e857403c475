#include "loom/config/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::config {

namespace {
constexpr size_t printed_bytes_max = 80;

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }
}  // namespace

std::string to_string(const Place& place) {
    if (place.line == 0) return place.file;
    return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

std::string to_string(const Diagnostic& diagnostic) {
    return fmt::format("{}: {}{}", to_string(diagnostic.place),
                       diagnostic.is_error ? "" : "warning: ", diagnostic.text);
}

bool has_error(const std::vector<Diagnostic>& diagnostics) {
    return std::ranges::any_of(diagnostics, [](const Diagnostic& d) { return d.is_error; });
}

std::string printable(const std::string& text) {
    size_t end = std::min(text.size(), printed_bytes_max);
    while (end < text.size() && end > 0 && continues_character(text[end])) end -= 1;  // never half a character
    std::string shown;
    for (size_t i = 0; i < end; i++) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte == 0x7f) {
            shown += fmt::format("\\x{:02x}", byte);
        } else {
            shown += text[i];
        }
    }
    return end < text.size() ? shown + "…" : shown;
}

}  // namespace loom::config
