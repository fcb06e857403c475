#include "plan/owners.h"

#include <set>
#include <string_view>

namespace loom::app {

OwnerSlots owner_slots(const tenant::Consumer& consumer, observe::Metrics& metrics) {
    OwnerSlots slots;
    if (!consumer.team.empty()) slots.team = metrics.team(consumer.team);
    if (!consumer.tenant.empty()) slots.tenant = metrics.tenant(consumer.tenant);
    return slots;
}

void fill_team_slots(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics) {
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        if (!consumer.team.empty()) plan.team_slots.emplace(consumer.team, consumer.owners.team);
    for (const char* const scope : {"token_accounting.team", "rate_limit.team"})
        for (const std::string& team : config.names(scope)) plan.team_slots.emplace(team, metrics.team(team));
}

size_t owner_count(const proxy::Plan& plan) {
    std::set<std::string_view> tenants;
    for (const tenant::Consumer& consumer : plan.consumers.consumers())
        if (!consumer.tenant.empty()) tenants.insert(consumer.tenant);
    return plan.team_slots.size() + tenants.size();
}

}  // namespace loom::app
