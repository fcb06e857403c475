#include "plan/owners.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace loom::app {
namespace {

bool tells_teams(const proxy::JwtPlan& issuer) noexcept { return !issuer.options.team.empty(); }

/// May a token name the consumer, and a team that it is in then?
bool may_be_told(const proxy::Plan& plan, const tenant::Consumer& consumer) noexcept {
    return consumer.team.empty() && std::ranges::any_of(plan.jwt, [&](const proxy::JwtPlan& issuer) {
               return tells_teams(issuer) && plan.may_name(issuer, consumer);
           });
}

}  // namespace

std::vector<std::string> team_keys(const proxy::Plan& plan, std::string_view team) {
    std::set<std::string> keys;
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        if (consumer.team == team || may_be_told(plan, consumer))
            keys.insert(tenant::team_key_of(consumer.tenant, team));
    const bool has_strangers = std::ranges::any_of(
        plan.jwt, [](const proxy::JwtPlan& issuer) { return tells_teams(issuer) && issuer.allows_unknown; });
    if (has_strangers) keys.insert(tenant::team_key_of({}, team));
    return {keys.begin(), keys.end()};
}

OwnerSlots owner_slots(const tenant::Consumer& consumer, observe::Metrics& metrics) {
    OwnerSlots slots;
    if (!consumer.team.empty()) slots.team = metrics.team(tenant::team_key_of(consumer.tenant, consumer.team));
    if (!consumer.tenant.empty()) slots.tenant = metrics.tenant(consumer.tenant);
    return slots;
}

void fill_team_slots(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics) {
    plan.team_slots.clear();
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        if (!consumer.team.empty()) plan.team_slots.emplace(consumer.team_key, consumer.owners.team);
    for (const char* const scope : {"token_accounting.team", "rate_limit.team"})
        for (const std::string& team : config.names(scope))
            for (const std::string& key : team_keys(plan, team)) plan.team_slots.emplace(key, metrics.team(key));
}

size_t owner_count(const proxy::Plan& plan) {
    std::set<std::string_view> tenants;
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        if (!consumer.tenant.empty()) tenants.insert(consumer.tenant);
    return plan.team_slots.size() + tenants.size();
}

}  // namespace loom::app
