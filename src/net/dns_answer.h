// What Loom makes of what c-ares has read: two families' answers become one list of addresses, or one error.
#pragma once

#include <ares.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "loom/base/result.h"
#include "loom/net/address.h"

namespace loom::net {

/// Of one name. A and AAAA are asked apart, so that a server silent about one does not hide the other.
class DnsAnswer {
  public:
    static constexpr size_t addresses_max = 64;  // no caller tries more, and a hostile answer can hold thousands

    struct Family {
        sa_family_t asked;
        std::vector<Address> addresses = {};  // without ports
        int status = ARES_SUCCESS;
    };
    Family v4{AF_INET};
    Family v6{AF_INET6};

    /// Records of another family than was asked for are left out. `info` may be null, and is borrowed.
    void take(Family& family, int status, const ares_addrinfo* info);
    [[nodiscard]] bool has_addresses() const noexcept { return !v4.addresses.empty() || !v6.addresses.empty(); }
    /// IPv4, IPv6, IPv4, …: whichever family is broken here, the second attempt is of the other. 1..addresses_max of
    /// them, without doubles, or why there is none.
    [[nodiscard]] Result<std::vector<Address>> addresses() const;
    /// The shortest of all records that led here, CNAMEs included, within the bounds.
    [[nodiscard]] std::chrono::seconds ttl(std::chrono::seconds min, std::chrono::seconds max) const noexcept;

  private:
    int ttl_seconds_ = INT32_MAX;
};

[[nodiscard]] Error dns_error(int ares_status) noexcept;

}  // namespace loom::net
