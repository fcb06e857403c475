// Which limits and budgets of a configuration several Looms share.
#pragma once

#include "loom/config/config.h"
#include "loom/proxy/rate_limit_plan.h"

namespace loom::app {

/// All that count in rows of their own: windows of consumers, teams, routes, models and all together, and every budget.
/// Addresses, bearers of tokens, bursts and requests at once stay this Loom's. Fills `limits.shared`; the rows are
/// leased from then on.
void share_limits(const config::Config& config, proxy::RateLimitPlan& limits);

}  // namespace loom::app
