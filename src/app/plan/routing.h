// What a conf file says of who is asked, as the proxy takes it.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "loom/route/target_state.h"

namespace loom::app {

/// Fills plan.catalogue, and what failover goes by, from plan.providers. Their rows are found again in `targets`.
void fill_routing(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics,
                  route::TargetTable& targets, std::vector<std::string>& messages);

/// Of a route: its own strategies.
void fill_strategies(const config::Config& config, proxy::RoutePlan& route);

}  // namespace loom::app
