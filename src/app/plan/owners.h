// Where what teams and tenants take is counted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Of a consumer of the conf.
[[nodiscard]] OwnerSlots owner_slots(const tenant::Consumer& consumer, observe::Metrics& metrics);

/// What a team that the conf names is called in the plan: a team of each tenant that has somebody in it, or somebody
/// whose token may say so (tenant::team_key_of).
[[nodiscard]] std::vector<std::string> team_keys(const proxy::Plan& plan, std::string_view team);

/// Of all teams that the conf names, since a token may name one too: behind the plan's consumers.
void fill_team_slots(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics);

/// How many teams and tenants the plan's clients may be of.
[[nodiscard]] size_t owner_count(const proxy::Plan& plan);

}  // namespace loom::app
