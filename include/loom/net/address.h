// Where sockets live: IPv4, IPv6 and unix addresses as values, and networks (CIDR). No look-up of names: that is
// net/resolver.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loom/base/ip.h"
#include "loom/base/result.h"

namespace loom::net {

/// `host:port` cut in two. The views borrow from the text; brackets of an IPv6 host are gone.
struct HostPort {
    std::string_view host;  // "" for ":8080"
    uint16_t port = 0;
};

/// Cuts "redis:6379", "[::1]:443", ":8080", or "api.example.com" (the port is then `default_port`).
/// default_port  0: the text must name a port.
/// Errors  bad_conf: no port, a port outside 1..65535, brackets that do not match, an IPv6 host without brackets.
[[nodiscard]] Result<HostPort> split_host_port(std::string_view text, uint16_t default_port = 0);

/// A socket address of any family, ready for bind, connect and accept: the kernel's own bytes plus their length.
class Address {
  public:
    Address() noexcept;  // family AF_UNSPEC: no address

    /// Reads `127.0.0.1:8080`, `[::1]:8080`, `[fe80::1%eth0]:80`, `:8080` (the wildcard `[::]:8080`, which takes IPv4
    /// as well where the listener clears IPV6_V6ONLY), `unix:/run/loom.sock` and `unix:@name` (Linux's abstract
    /// namespace). default_port  used when the text has none; 0: a port is a must. Errors  bad_conf: not numeric (names
    /// are the resolver's), a bad port, a path over 107 bytes.
    [[nodiscard]] static Result<Address> parse(std::string_view text, uint16_t default_port = 0);

    /// A numeric IP without port: `10.1.2.3`, `::1`, `[::1]`.
    /// Errors  bad_conf: not a numeric IP.
    [[nodiscard]] static Result<Address> parse_ip(std::string_view text, uint16_t port = 0);

    /// What accept, getpeername or a resolver filled in. Unknown families and lengths give the empty address.
    [[nodiscard]] static Address from_sockaddr(const sockaddr* address, socklen_t length) noexcept;
    /// bytes  4 or 16, in network order.
    [[nodiscard]] static Address from_ip(std::span<const uint8_t> bytes, uint16_t port) noexcept;

    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    [[nodiscard]] socklen_t length() const noexcept { return length_; }

    /// For accept and getsockname, which fill in: capacity() bytes at data(), then set_length().
    [[nodiscard]] sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
    [[nodiscard]] static constexpr socklen_t capacity() noexcept { return sizeof(sockaddr_storage); }
    void set_length(socklen_t length) noexcept;

    [[nodiscard]] sa_family_t family() const noexcept { return storage_.ss_family; }
    [[nodiscard]] bool empty() const noexcept { return family() == AF_UNSPEC; }
    [[nodiscard]] bool is_ip() const noexcept { return family() == AF_INET || family() == AF_INET6; }
    [[nodiscard]] bool is_unix() const noexcept { return family() == AF_UNIX; }

    [[nodiscard]] uint16_t port() const noexcept;  // 0 for unix
    void set_port(uint16_t port) noexcept;         // no effect on unix
    /// 127/8, ::1, ::ffff:127/104 and every unix socket: reachable from this machine alone.
    [[nodiscard]] bool is_loopback() const noexcept;
    /// 0.0.0.0 or [::].
    [[nodiscard]] bool is_wildcard() const noexcept;
    /// 4 or 16 bytes in network order; a v4-mapped IPv6 address gives its 4. Empty for unix. Borrowed from this.
    [[nodiscard]] std::span<const uint8_t> ip() const noexcept;
    /// `unix:/path` → "/path", `unix:@name` → "@name"; "" for IP.
    [[nodiscard]] std::string unix_path() const;

    /// The spelling that parse() reads: "127.0.0.1:80", "[::1]:80", "unix:/path". "-" when empty.
    [[nodiscard]] std::string to_string() const;
    /// The IP alone, for X-Forwarded-For and logs: "127.0.0.1", "::1"; v4-mapped as IPv4. "unix" for unix, "-" when
    /// empty.
    [[nodiscard]] std::string ip_string() const;

    /// Same family, same IP, port and scope (or same path). A v4-mapped address is not equal to its IPv4 form.
    friend bool operator==(const Address& a, const Address& b) noexcept;

  private:
    sockaddr_storage storage_;
    socklen_t length_;
};

/// A client's address as a connection keeps it: 20 bytes instead of Address's 132. IPv4 is held v4-mapped, so that one
/// client is one key whichever listener it came through. Unix clients hold no IP.
struct PeerAddress {
    IpBytes ip{};
    uint16_t port = 0;
    uint16_t family = AF_UNSPEC;  // AF_INET (also for v4-mapped), AF_INET6, AF_UNIX

    [[nodiscard]] static PeerAddress from(const Address& address) noexcept;
    [[nodiscard]] Address to_address() const noexcept;  // unix: the empty path; scope ids are not kept
    friend bool operator==(const PeerAddress&, const PeerAddress&) noexcept = default;
};
static_assert(sizeof(PeerAddress) == 20, "every connection holds one");

/// A range of IP addresses, asked of sockets' addresses.
class Network {
  public:
    /// Errors  those of IpNetwork.
    [[nodiscard]] static Result<Network> parse(std::string_view text) noexcept {
        return Network(LOOM_TRY(IpNetwork::parse(text)));
    }

    /// Unix and empty addresses are in no network.
    [[nodiscard]] bool contains(const Address& address) const noexcept;
    [[nodiscard]] bool contains(const PeerAddress& peer) const noexcept;
    [[nodiscard]] std::string to_string() const { return range_.to_string(); }
    friend bool operator==(const Network&, const Network&) noexcept = default;

  private:
    explicit Network(const IpNetwork& range) noexcept : range_(range) {}
    IpNetwork range_;
};

}  // namespace loom::net
