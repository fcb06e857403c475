// For whom a trusted proxy asks: what of X-Forwarded-For may be believed.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "loom/base/ip.h"
#include "loom/http/message.h"
#include "loom/net/address.h"

namespace loom::proxy {

/// Of one entry: "192.0.2.1", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443"; the address alone, "" for another.
[[nodiscard]] std::string_view forwarded_address(std::string_view entry) noexcept;

[[nodiscard]] bool is_trusted(std::span<const net::Network> trust, const IpBytes& address) noexcept;

/// All lines are one chain, whose last entry was written by the peer, which is trusted. Read from its end, each trusted
/// proxy tells who came to it; the first that is not trusted is the client, and what stands before it is its own say.
/// Where all are trusted it is the first of all. "" where an entry on that way cannot be read, or there is none: then
/// nobody can say who the client is. A view into the head.
[[nodiscard]] std::string_view forwarded_client(const http::RequestHead& head,
                                                std::span<const net::Network> trust) noexcept;

}  // namespace loom::proxy
