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

/// What a team that the conf names is called in the plan (tenant::team_key_of): a team of each tenant that has somebody
/// in it, or somebody without a team whom an issuer may name that tells of teams; and of no tenant, where such an
/// issuer brings strangers. Behind the plan's consumers and issuers.
[[nodiscard]] std::vector<std::string> team_keys(const proxy::Plan& plan, std::string_view team);

/// Of all teams that the conf names and somebody may be in, since a token may name one too: in place of those before.
/// Behind the plan's consumers and issuers.
void fill_team_slots(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics);

/// How many teams and tenants the plan's clients may be of.
[[nodiscard]] size_t owner_count(const proxy::Plan& plan);

}  // namespace loom::app
