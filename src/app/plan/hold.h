// What a conf file says of a stream's start that waits, as the proxy takes it.
#pragma once

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

void fill_hold(const config::Config& config, proxy::FailoverPlan& plan);

}  // namespace loom::app
