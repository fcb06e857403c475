#include "google_name.h"

#include <algorithm>
#include <charconv>

namespace loom::llm {
namespace {

char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// An address as a lenient reader may take it: decoded, and without what such a one passes over.
std::string plain_address(std::string_view uri) {
    std::string plain;
    for (size_t at = 0; at < uri.size(); ++at) {
        const char c = uri[at];
        uint8_t byte = 0;
        const char* const digits = uri.data() + at + 1;
        if (c == '%' && at + 2 < uri.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            plain += static_cast<char>(byte);
            at += 2;
        } else if (static_cast<uint8_t>(c) > ' ') {
            plain += c == '\\' ? '/' : c;
        }
    }
    return plain;
}

/// Of "https://…" what is behind "://"; "" where no scheme stands at the front.
std::string_view behind_scheme(std::string_view address) noexcept {
    const size_t end = address.find("://");
    const auto fits = [](char c) {
        return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    };
    if (end == address.npos || end == 0 || !std::ranges::all_of(address.substr(0, end), fits)) return {};
    return address.substr(end + 3);
}

}  // namespace

std::string google_id(ResourceKind kind, std::string_view name) {
    std::string_view rest = name;
    const auto take = [&rest](std::string_view wanted) {  // a segment; any where "" is wanted
        const std::string_view segment = rest.substr(0, rest.find('/'));
        if (segment.size() == rest.size() || (!wanted.empty() && segment != wanted)) return false;
        rest.remove_prefix(segment.size() + 1);
        return true;
    };
    const bool in_project = rest.starts_with("projects/");
    if (in_project && !(take("projects") && take("") && take("locations") && take(""))) return std::string(name);
    const std::string_view prefix = name_prefix(kind);
    if (!rest.starts_with(prefix) || !is_resource_id(rest.substr(prefix.size()))) return std::string(name);
    return std::string(rest.substr(prefix.size()));
}

std::string gemini_file_of(std::string_view uri) {
    const std::string plain = plain_address(uri);
    std::string lower = plain;
    std::ranges::transform(lower, lower.begin(), to_lower);
    const bool googles = lower.find("generativelanguage") != lower.npos;
    constexpr std::string_view files = "/files/";
    // Before it is decoded: behind "%3F" the path goes on.
    const std::string place = plain_address(uri.substr(0, uri.find_first_of("?#")));
    const std::string_view address = behind_scheme(place);
    if (address.empty()) {
        const std::string_view name = name_prefix(ResourceKind::gemini_file);
        const std::string_view id = std::string_view(plain).substr(std::min(name.size(), plain.size()));
        if (plain.starts_with(name) && is_resource_id(id)) return std::string(id);
        const bool any = googles || lower.starts_with(name) || lower.find(files) != lower.npos;
        return any ? std::string(uri) : std::string();
    }
    const std::string_view path = address.substr(std::min(address.find('/'), address.size()));
    const size_t version = std::min(path.find('/', 1), path.size());  // "/v1beta/files/abc"
    const bool is_file = path.starts_with("/v1") && path.substr(version).starts_with(files);
    if (!is_file) return googles ? std::string(uri) : std::string();
    const std::string_view id = path.substr(version + files.size());
    return std::string(is_resource_id(id) ? id : uri);
}

}  // namespace loom::llm
