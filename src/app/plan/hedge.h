// What a conf file says of hedged requests, as the proxy takes it.
#pragma once

#include <optional>
#include <string_view>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// routing.hedge.after: one of them is not 0. Both are where it says off.
struct HedgeAfter {
    uint64_t ms = 0;
    uint32_t percentile = 0;
    [[nodiscard]] bool off() const noexcept { return ms == 0 && percentile == 0; }
};
/// Nothing where it is neither off, nor a duration, nor a percentile.
[[nodiscard]] std::optional<HedgeAfter> parse_hedge_after(std::string_view text);

/// Null where nothing is hedged: without failover no answer's start is held, and none could be replaced.
[[nodiscard]] std::shared_ptr<const proxy::HedgePlan> hedge_plan(const config::Config& config);

}  // namespace loom::app
