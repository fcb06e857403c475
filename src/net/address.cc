#include "loom/net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "loom/base/assert.h"

namespace loom::net {
namespace {

constexpr std::array<uint8_t, 12> v4_mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t unix_path_offset = offsetof(sockaddr_un, sun_path);
constexpr std::string_view unix_scheme = "unix:";

std::unexpected<Error> bad(const char* what) noexcept { return fail(Errc::bad_conf, Side::internal, what); }

bool is_v4_mapped(const in6_addr& ip) noexcept {
    return std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), ip.s6_addr);
}

Result<uint16_t> parse_port(std::string_view text) {
    uint32_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65535) {
        return bad("a port is a number from 1 to 65535");
    }
    return static_cast<uint16_t>(port);
}

Result<uint16_t> port_or_default(std::string_view after_host, uint16_t default_port) {
    if (after_host.empty() && default_port != 0) return default_port;
    if (after_host.empty()) return bad("the address needs a port, as in 127.0.0.1:8080");
    if (after_host.front() != ':') return bad("only :port may follow the bracket");
    return parse_port(after_host.substr(1));
}

Result<HostPort> split_bracketed(std::string_view text, uint16_t default_port) {
    const size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return bad("the bracket of the IPv6 address is not closed");
    if (bracket == 1) return bad("the brackets hold no IPv6 address");
    const uint16_t port = LOOM_TRY(port_or_default(text.substr(bracket + 1), default_port));
    return HostPort{text.substr(1, bracket - 1), port};
}

Result<Address> parse_unix(std::string_view path) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (path.empty()) return bad("unix: needs a path");
    // A path is ended by a NUL; an abstract name is as long as the length says and starts with one.
    if (path.size() >= sizeof un.sun_path) return bad("the path of a unix socket has at most 107 bytes");
    if (path.find('\0') != std::string_view::npos) return bad("a NUL in the path of a unix socket");
    std::memcpy(un.sun_path, path.data(), path.size());
    const bool abstract = path.front() == '@';
    if (abstract) un.sun_path[0] = '\0';
    const size_t length = unix_path_offset + path.size() + (abstract ? 0 : 1);
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&un), static_cast<socklen_t>(length));
}

/// inet_pton wants a NUL behind the text; no IP is longer than the buffer.
template <class T>
bool to_binary(int family, std::string_view text, T* out) {
    char buffer[INET6_ADDRSTRLEN + 1];
    if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return false;
    buffer[text.copy(buffer, sizeof buffer - 1)] = '\0';
    return inet_pton(family, buffer, out) == 1;
}

Result<uint32_t> parse_scope(std::string_view scope) {
    uint32_t index = 0;
    const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), index);
    if (error == std::errc() && end == scope.data() + scope.size() && index != 0) return index;
    index = if_nametoindex(std::string(scope).c_str());
    if (index == 0) return bad("no network interface of the name behind %");
    return index;
}

std::array<uint8_t, 16> to_v6_bytes(std::span<const uint8_t> ip) noexcept {
    std::array<uint8_t, 16> bytes{};
    const bool v4 = ip.size() == 4;
    if (v4) std::copy(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), bytes.begin());
    std::copy(ip.begin(), ip.end(), bytes.begin() + (v4 ? 12 : 0));
    return bytes;
}

std::string ip_text(int family, const void* ip) {
    char buffer[INET6_ADDRSTRLEN];
    return inet_ntop(family, ip, buffer, sizeof buffer);
}

const sockaddr_in& as_v4(const Address& a) { return *reinterpret_cast<const sockaddr_in*>(a.get()); }
const sockaddr_in6& as_v6(const Address& a) { return *reinterpret_cast<const sockaddr_in6*>(a.get()); }

}  // namespace

Result<HostPort> split_host_port(std::string_view text, uint16_t default_port) {
    if (text.starts_with('[')) return split_bracketed(text, default_port);
    const size_t colon = text.find(':');
    if (colon != text.rfind(':')) return bad("an IPv6 address needs brackets, as in [::1]:8080");
    const std::string_view host = text.substr(0, colon);
    const uint16_t port = LOOM_TRY(
        port_or_default(colon == std::string_view::npos ? std::string_view() : text.substr(colon), default_port));
    return HostPort{host, port};
}

Address::Address() noexcept : length_(0) { std::memset(&storage_, 0, sizeof storage_); }

Result<Address> Address::parse(std::string_view text, uint16_t default_port) {
    if (text.starts_with(unix_scheme)) return parse_unix(text.substr(unix_scheme.size()));
    const HostPort at = LOOM_TRY(split_host_port(text, default_port));
    return parse_ip(at.host.empty() ? std::string_view("::") : at.host, at.port);
}

Result<Address> Address::parse_ip(std::string_view text, uint16_t port) {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    in_addr v4;
    if (to_binary(AF_INET, text, &v4)) return from_ip({reinterpret_cast<const uint8_t*>(&v4), sizeof v4}, port);

    const size_t percent = text.find('%');
    in6_addr v6;
    if (!to_binary(AF_INET6, text.substr(0, percent), &v6)) return bad("not a numeric IP address");
    Address address = from_ip({v6.s6_addr, sizeof v6}, port);
    if (percent != std::string_view::npos) {
        const uint32_t scope = LOOM_TRY(parse_scope(text.substr(percent + 1)));
        reinterpret_cast<sockaddr_in6*>(address.data())->sin6_scope_id = scope;
    }
    return address;
}

Address Address::from_sockaddr(const sockaddr* address, socklen_t length) noexcept {
    Address result;
    if (address == nullptr || length > capacity()) return result;
    std::memcpy(&result.storage_, address, length);
    result.set_length(length);
    return result;
}

Address Address::from_ip(std::span<const uint8_t> bytes, uint16_t port) noexcept {
    LOOM_ASSERT(bytes.size() == 4 || bytes.size() == 16);
    Address address;
    if (bytes.size() == 4) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage_);
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, bytes.data(), 4);
        address.length_ = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage_);
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, bytes.data(), 16);
        address.length_ = sizeof v6;
    }
    address.set_port(port);
    return address;
}

void Address::set_length(socklen_t length) noexcept {
    length_ = std::min(length, capacity());
    const bool whole = (family() == AF_INET && length_ >= sizeof(sockaddr_in)) ||
                       (family() == AF_INET6 && length_ >= sizeof(sockaddr_in6)) ||
                       (family() == AF_UNIX && length_ >= unix_path_offset && length_ <= sizeof(sockaddr_un));
    if (!whole) *this = Address();
}

uint16_t Address::port() const noexcept {
    if (family() == AF_INET) return ntohs(as_v4(*this).sin_port);
    return family() == AF_INET6 ? ntohs(as_v6(*this).sin6_port) : 0;
}

void Address::set_port(uint16_t port) noexcept {
    if (family() == AF_INET) reinterpret_cast<sockaddr_in&>(storage_).sin_port = htons(port);
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage_).sin6_port = htons(port);
}

std::span<const uint8_t> Address::ip() const noexcept {
    if (family() == AF_INET) return {reinterpret_cast<const uint8_t*>(&as_v4(*this).sin_addr), 4};
    if (family() != AF_INET6) return {};
    const in6_addr& ip = as_v6(*this).sin6_addr;
    return is_v4_mapped(ip) ? std::span<const uint8_t>(ip.s6_addr + 12, 4) : std::span<const uint8_t>(ip.s6_addr, 16);
}

bool Address::is_loopback() const noexcept {
    if (is_unix()) return true;
    const auto bytes = ip();
    if (bytes.size() == 4) return bytes[0] == 127;
    return bytes.size() == 16 && IN6_IS_ADDR_LOOPBACK(&as_v6(*this).sin6_addr);
}

bool Address::is_wildcard() const noexcept {
    const auto bytes = ip();
    return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::string Address::unix_path() const {
    if (!is_unix()) return "";
    const auto& un = reinterpret_cast<const sockaddr_un&>(storage_);
    const size_t size = length_ - unix_path_offset;
    if (size == 0) return "";
    if (un.sun_path[0] == '\0') return "@" + std::string(un.sun_path + 1, size - 1);
    return std::string(un.sun_path, strnlen(un.sun_path, size));
}

std::string Address::to_string() const {
    if (is_unix()) return fmt::format("unix:{}", unix_path());
    if (family() == AF_INET) return fmt::format("{}:{}", ip_text(AF_INET, &as_v4(*this).sin_addr), port());
    if (family() != AF_INET6) return "-";
    const auto& v6 = as_v6(*this);
    const std::string scope = v6.sin6_scope_id == 0 ? "" : fmt::format("%{}", v6.sin6_scope_id);
    return fmt::format("[{}{}]:{}", ip_text(AF_INET6, &v6.sin6_addr), scope, port());
}

std::string Address::ip_string() const {
    if (is_unix()) return "unix";
    const auto bytes = ip();
    return bytes.empty() ? "-" : ip_text(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data());
}

bool operator==(const Address& a, const Address& b) noexcept {
    if (a.family() != b.family()) return false;
    if (a.family() == AF_INET) {
        return a.port() == b.port() && as_v4(a).sin_addr.s_addr == as_v4(b).sin_addr.s_addr;
    }
    if (a.family() == AF_INET6) {
        return a.port() == b.port() && as_v6(a).sin6_scope_id == as_v6(b).sin6_scope_id &&
               std::memcmp(&as_v6(a).sin6_addr, &as_v6(b).sin6_addr, 16) == 0;
    }
    return a.is_unix() ? a.unix_path() == b.unix_path() : true;
}

PeerAddress PeerAddress::from(const Address& address) noexcept {
    PeerAddress peer;
    const auto bytes = address.ip();
    peer.family = bytes.size() == 4 ? sa_family_t{AF_INET} : address.family();
    peer.port = address.port();
    if (!bytes.empty()) peer.ip = to_v6_bytes(bytes);
    return peer;
}

Address PeerAddress::to_address() const noexcept {
    if (family == AF_INET) return Address::from_ip(std::span(ip).subspan(12), port);
    if (family == AF_INET6) return Address::from_ip(ip, port);
    if (family != AF_UNIX) return {};
    const sockaddr unnamed{.sa_family = AF_UNIX, .sa_data = {}};
    return Address::from_sockaddr(&unnamed, unix_path_offset);
}

bool Network::contains(const Address& address) const noexcept { return contains(PeerAddress::from(address)); }

bool Network::contains(const PeerAddress& peer) const noexcept {
    return (peer.family == AF_INET || peer.family == AF_INET6) && range_.contains(peer.ip);
}

}  // namespace loom::net
