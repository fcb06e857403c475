// Where what teams and tenants take is counted.
#pragma once

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Of a consumer of the conf.
[[nodiscard]] OwnerSlots owner_slots(const tenant::Consumer& consumer, observe::Metrics& metrics);

/// Of all teams that the conf names, since a token may name one too: behind the plan's consumers.
void fill_team_slots(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics);

/// How many teams and tenants the plan's clients may be of.
[[nodiscard]] size_t owner_count(const proxy::Plan& plan);

}  // namespace loom::app
