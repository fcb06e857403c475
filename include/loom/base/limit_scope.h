// Whom a limit of clients' requests is for.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace loom {

enum class LimitScope : uint8_t { global, ip, tier, team, consumer, route, model, tenant, project };
inline constexpr size_t limit_scope_count = 9;
inline constexpr std::array<std::string_view, limit_scope_count> limit_scope_names = {
    "global", "ip", "tier", "team", "consumer", "route", "model", "tenant", "project"};

[[nodiscard]] constexpr std::string_view limit_scope_name(LimitScope scope) noexcept {
    return limit_scope_names[static_cast<size_t>(scope)];
}

}  // namespace loom
