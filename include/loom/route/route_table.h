// Which route a path belongs to: exact paths and `/prefix/*`, the longest match wins, an exact one before any prefix.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loom/base/hash.h"

namespace loom::route {

inline constexpr uint32_t no_route = UINT32_MAX;

/// Immutable once built; part of a configuration snapshot.
class RouteTable {
  public:
    /// `path` begins with '/'; a '*' stands only at the end, after a '/'. Several paths may lead to one route.
    /// Errors  a message that quotes the path: its form, or that another route has it.
    [[nodiscard]] std::expected<void, std::string> add(std::string_view path, uint32_t route_ix);

    /// The route of a request's path, which comes without a query and with dot segments already refused (http does);
    /// no_route when none matches.
    /// `/v1/*` matches `/v1/` and all below, not `/v1`. Costs one hash per '/' of the path, and no allocation.
    [[nodiscard]] uint32_t find(std::string_view path) const noexcept;

  private:
    using Map = std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>>;
    Map exact_;
    Map prefixes_;  // with the '/' at their end, without the '*'
};

}  // namespace loom::route
