#include "loom/http/message.h"

#include <cstring>

#include "names.h"

namespace loom::http {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view header_name(HeaderId id) noexcept {
    LOOM_ASSERT(id < HeaderId::count_);
    return header_names[static_cast<size_t>(id)];
}

HeaderId header_id(std::string_view name) noexcept { return known_id(name, name.data() + name.size()); }

std::string_view method_name(Method method) noexcept {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::delete_: return "DELETE";
        case Method::options: return "OPTIONS";
        case Method::trace: return "TRACE";
        case Method::connect: return "CONNECT";
        case Method::other: break;
    }
    return "";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

bool list_has_token(std::string_view value, std::string_view token) noexcept {
    while (!value.empty()) {
        const size_t comma = value.find(',');
        if (equal_ignoring_case(trimmed(value.substr(0, comma)), token)) return true;
        if (comma == value.npos) return false;
        value.remove_prefix(comma + 1);
    }
    return false;
}

bool is_hop_by_hop(const Header& header) noexcept {
    switch (header.id) {
        case HeaderId::connection:
        case HeaderId::keep_alive:
        case HeaderId::te:
        case HeaderId::trailer:
        case HeaderId::transfer_encoding:
        case HeaderId::upgrade:
        case HeaderId::proxy_connection:
        case HeaderId::proxy_authorization:
        case HeaderId::proxy_authenticate: return true;
        default: return header.named_in_connection;
    }
}

HeaderList& HeaderList::operator=(const HeaderList& other) noexcept {
    if (this == &other) return *this;
    first_ = other.first_;
    count_ = other.count_;
    std::memcpy(static_cast<void*>(items_), other.items_, count_ * sizeof(Header));
    return *this;
}

const Header* HeaderList::find(std::string_view name) const noexcept {
    const HeaderId id = header_id(name);
    if (id != HeaderId::other) return find(id);
    for (const Header& header : all()) {
        if (header.id == HeaderId::other && equal_ignoring_case(header.name, name)) return &header;
    }
    return nullptr;
}

}  // namespace loom::http
