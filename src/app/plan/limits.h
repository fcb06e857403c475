// Providers' limits, from the conf to the plan.
#pragma once

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Before the catalogue is made, whose candidates have them too.
void fill_provider_limits(const config::Config& config, proxy::Plan& plan, route::TargetTable& targets);

/// Who waits in line, and what an overload is.
void fill_queue_and_overload(const config::Config& config, proxy::Plan& plan);

}  // namespace loom::app
