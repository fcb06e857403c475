// The limits of clients, read from the configuration.
#pragma once

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Of the plan's consumers and routes, which must be there. What has been taken is found again in `table`.
void fill_rate_limits(const config::Config& config, proxy::Plan& plan, tenant::LimitTable& table);

}  // namespace loom::app
