// IP addresses and ranges of them as bytes, for those who have no socket.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loom/base/result.h"

namespace loom {

/// An IP address in network order. IPv4 is held v4-mapped (RFC 4291, 2.5.5.2): one client is one key.
using IpBytes = std::array<uint8_t, 16>;

[[nodiscard]] bool is_ipv4(const IpBytes& ip) noexcept;
/// "127.0.0.1", "::1", "[::1]"; no scope, no port.
[[nodiscard]] std::optional<IpBytes> parse_ip(std::string_view text) noexcept;

/// A range of IP addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
class IpNetwork {
  public:
    /// Errors  bad_conf: not an IP, a prefix over 32 or 128, or bits set behind the prefix (10.0.0.1/8: most likely a
    /// typing error).
    [[nodiscard]] static Result<IpNetwork> parse(std::string_view text) noexcept;

    /// A v4-mapped IPv6 address counts as its IPv4 form, on both sides; ::/0 does not mean IPv4.
    [[nodiscard]] bool contains(const IpBytes& ip) const noexcept;
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const IpNetwork&, const IpNetwork&) noexcept = default;

  private:
    IpBytes ip_{};
    uint8_t prefix_bits_ = 0;  // 0..128; IPv4's are counted from 96
    bool ipv4_ = false;
};

}  // namespace loom
