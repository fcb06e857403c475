#include "loom/http/url.h"

#include <cstring>

#include "fields.h"
#include "loom/http/message.h"
#include "scan.h"

namespace loom::http {
namespace {

std::unexpected<Error> bad(const char* what) noexcept { return fail(Errc::bad_conf, Side::internal, what); }

constexpr bool is_hex(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Nothing that a request line cannot carry, or that two readers take for two paths.
const char* path_fault(std::string_view path) noexcept {
    for (size_t i = 0; i < path.size(); ++i) {
        const char c = path[i];
        if (c == '?' || c == '#') return "a URL with a query or fragment: give scheme, host and path only";
        if (!scan::is_target(c) || c == '\\') return "a byte in a URL that must be percent-encoded";
        if (c == '%' && (path.size() - i < 3 || !is_hex(path[i + 1]) || !is_hex(path[i + 2])))
            return "a broken percent escape in a URL: expected % and two hexadecimal digits";
    }
    return nullptr;
}

/// Splits a checked authority; the port stays as it was when none is given.
void split_authority(Url& url) noexcept {
    std::string_view text = url.authority;
    url.ipv6 = text.front() == '[';
    const size_t host_end = url.ipv6 ? text.find(']') : text.find(':');
    url.host = url.ipv6 ? text.substr(1, host_end - 1) : text.substr(0, host_end);
    const size_t colon = host_end == text.npos ? text.npos : text.find(':', host_end);
    if (colon == text.npos || colon + 1 == text.size()) return;
    uint64_t port = 0;
    if (parse_length(text.substr(colon + 1), port)) url.port = static_cast<uint16_t>(port);
}

}  // namespace

Result<Url> parse_url(std::string_view text) noexcept {
    Url url;
    if (equal_ignoring_case(text.substr(0, 8), "https://")) {
        url.scheme = Scheme::https;
        url.port = 443;
        text.remove_prefix(8);
    } else if (equal_ignoring_case(text.substr(0, 7), "http://")) {
        url.port = 80;
        text.remove_prefix(7);
    } else {
        return bad("a URL must start with http:// or https://");
    }
    const size_t authority_end = text.find_first_of("/?#");
    url.authority = text.substr(0, authority_end);
    url.path = authority_end == text.npos ? std::string_view{} : text.substr(authority_end);
    if (url.authority.empty()) return bad("a URL without a host");
    if (url.authority.find('@') != url.authority.npos)
        return bad("a URL with a user name: credentials belong into api_key or header");
    if (!is_host(url.authority)) return bad("a malformed host or port in a URL");
    if (const char* fault = path_fault(url.path)) return bad(fault);
    split_authority(url);
    if (url.port == 0) return bad("port 0 in a URL");
    while (url.path.ends_with('/')) url.path.remove_suffix(1);
    return url;
}

size_t join_path(std::string_view base, std::string_view rest, std::span<char> out) noexcept {
    while (base.ends_with('/')) base.remove_suffix(1);
    if (rest.starts_with('/')) rest.remove_prefix(1);
    const bool slash = base.empty() || !rest.empty();
    const size_t bytes = base.size() + (slash ? 1 : 0) + rest.size();
    if (bytes > out.size()) return 0;
    char* at = out.data();
    if (!base.empty()) std::memcpy(at, base.data(), base.size());
    at += base.size();
    if (slash) *at++ = '/';
    if (!rest.empty()) std::memcpy(at, rest.data(), rest.size());
    return bytes;
}

}  // namespace loom::http
