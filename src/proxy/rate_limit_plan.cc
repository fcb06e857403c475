#include "loom/proxy/rate_limit_plan.h"

namespace loom::proxy {

/// Where its own number is the conf's, its tier's does not go before it: neither by the consumer's name nor by the tier
/// that the conf has given it.
tenant::BearerTerms RateLimitPlan::of_bearer(const tenant::Consumer& bearer,
                                             const tenant::Consumer* listed) const noexcept {
    tenant::BearerTerms terms;
    if (!bearer.team.empty())
        if (const auto team = told_teams.find(bearer.team_key); team != told_teams.end()) {
            terms.team = team->second.limit;
            terms.team_budget = team->second.budget;
        }
    if (listed == nullptr)
        if (const auto own = unlisted_budgets.find(bearer.name); own != unlisted_budgets.end())
            terms.own_budget = own->second;
    if (bearers.rows == nullptr) return terms;
    const auto tier = bearers.tiers.find(bearer.tier);
    const bool of_tier = tier != bearers.tiers.end();
    if (listed != nullptr && (!listed->tier.empty() || !of_tier || bearers.has_own[listed->index])) return terms;
    terms.own = of_tier ? tier->second : bearers.any;
    return terms;
}

}  // namespace loom::proxy
