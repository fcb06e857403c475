#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

#include "loom/base/result.h"
#include "loom/config/value.h"

namespace loom::config {

namespace {

constexpr std::string_view expected_address =
    "expected an address such as :8080, 127.0.0.1:8080, [::1]:8080 or unix:/run/loom.sock";
constexpr size_t unix_path_bytes_max = 107;  // sockaddr_un::sun_path, less its NUL

std::unexpected<std::string> wrong() { return std::unexpected(std::string(expected_address)); }

Parsed<uint16_t> parse_port(std::string_view text) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return wrong();
    return port;
}

Parsed<Address> parse_unix(std::string_view path) {
    if (path.size() < 2 || (path.front() != '/' && path.front() != '@')) return wrong();  // @name: abstract
    if (path.size() > unix_path_bytes_max) {
        return std::unexpected(fmt::format("expected a socket path of at most {} bytes", unix_path_bytes_max));
    }
    return Address{Address::Kind::unix_path, std::string(path), 0};
}

Parsed<Address> parse_ipv6(std::string_view text) {
    const size_t bracket = text.find("]:");
    if (bracket == std::string_view::npos) return wrong();
    const std::string host(text.substr(1, bracket - 1));
    in6_addr bytes;
    if (inet_pton(AF_INET6, host.c_str(), &bytes) != 1) return wrong();
    return Address{Address::Kind::ipv6, host, LOOM_TRY(parse_port(text.substr(bracket + 2)))};
}

}  // namespace

bool Address::is_local() const {
    switch (kind) {
        case Kind::any: return false;
        case Kind::unix_path: return true;
        case Kind::ipv4: return host.starts_with("127.");
        case Kind::ipv6: break;
    }
    in6_addr bytes;
    if (inet_pton(AF_INET6, host.c_str(), &bytes) != 1) return false;
    const bool mapped_loopback = IN6_IS_ADDR_V4MAPPED(&bytes) && bytes.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&bytes) || mapped_loopback;
}

Parsed<Address> parse_address(std::string_view text) {
    if (text.starts_with("unix:")) return parse_unix(text.substr(5));
    if (text.starts_with('[')) return parse_ipv6(text);
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return wrong();
    const std::string host(text.substr(0, colon));
    const uint16_t port = LOOM_TRY(parse_port(text.substr(colon + 1)));
    if (host.empty()) return Address{Address::Kind::any, "", port};
    in_addr bytes;
    if (inet_pton(AF_INET, host.c_str(), &bytes) != 1) return wrong();
    return Address{Address::Kind::ipv4, host, port};
}

}  // namespace loom::config
