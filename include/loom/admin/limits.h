// What the admin listener tells of clients' limits: what they are, and what is left of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "loom/proxy/plan.h"

namespace loom::admin {

inline constexpr std::string_view limits_path = "/ai/limits";

/// JSON. now_ms  of the shards' clock, monotonic.      unix_s  seconds since 1970, which budgets go by.
[[nodiscard]] std::string show_limits(const proxy::Plan& plan, uint64_t now_ms, int64_t unix_s);

}  // namespace loom::admin
