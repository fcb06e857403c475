// The limits of clients, read from the configuration.
#pragma once

#include <span>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "loom/tenant/made_consumer.h"

namespace loom::app {

/// Of the plan's consumers and routes, which must be there. What has been taken is found again in `table`.
/// made  of those that are none of the conf's, their own numbers.
void fill_rate_limits(const config::Config& config, proxy::Plan& plan, tenant::LimitTable& table,
                      std::span<const tenant::MadeConsumer> made = {});

}  // namespace loom::app
