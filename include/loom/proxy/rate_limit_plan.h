// What clients may ask for, as a plan has it: which limits a request is under.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/tenant/address_limits.h"
#include "loom/tenant/budget.h"
#include "loom/tenant/consumer.h"
#include "loom/tenant/lease_book.h"
#include "loom/tenant/limit.h"
#include "loom/tenant/token_cache.h"

namespace loom::proxy {

/// Null pointers are things without a limit.
struct RateLimitPlan {
    std::deque<tenant::Limit> limits;  // all of them, in the conf's order of scopes; those below point at these
    const tenant::Limit* global = nullptr;
    const tenant::Limit* ip = nullptr;  // of each address; the rows are those of `addresses`
    std::shared_ptr<tenant::AddressLimits> addresses;
    // By the consumer's index, and behind the last one for those whom no key tells apart.
    std::vector<const tenant::Limit*> consumers;
    std::vector<const tenant::Limit*> teams;
    /// Likewise; none where nothing of a project or a tenant is limited.
    struct OwnerLimits {
        const tenant::Limit* project = nullptr;
        const tenant::Limit* tenant = nullptr;
    };
    std::vector<OwnerLimits> owners;
    std::vector<std::shared_ptr<tenant::OutputHabit>> habits;
    std::vector<const tenant::Limit*> routes;  // by the route's index
    /// What is under a name that requests or tokens say.
    struct Terms {
        const tenant::Limit* limit = nullptr;
        const tenant::Budget* budget = nullptr;
    };
    using TermsByName = std::unordered_map<std::string, Terms, StringHash, std::equal_to<>>;
    TermsByName models;
    std::deque<tenant::Budget> budgets;  // likewise; those below point at these
    using Budgets = std::array<const tenant::Budget*, tenant::BudgetHolds::budgets_max>;
    [[nodiscard]] static bool any_of(const Budgets& budgets) noexcept {
        return std::ranges::any_of(budgets, [](const tenant::Budget* one) { return one != nullptr; });
    }
    bool budgets_stop_streams = true;  // that outgrow what is left
    /// Where they stand in Budgets; the narrowest first: it refuses the most, and is its client's own.
    struct BudgetPlace {
        enum : size_t { own, team, project, tenant, route, model, all };
    };
    /// Where there are any, by the consumer's index; a route's and a model's stand in none of these.
    std::vector<Budgets> budgets_of;
    std::vector<const tenant::Budget*> route_budgets;  // by the route's index; empty: no route has one
    TermsByName told_teams;                            // by tenant::team_key_of, those that a token's bearer may be in
    std::unordered_map<std::string, const tenant::Budget*, StringHash, std::equal_to<>> unlisted_budgets;  // by name
    /// Of those whom tokens tell more of than the configuration, or alone: what is taken of these is counted in
    /// `bearers`, by name, and by team in the team's own row.
    struct Bearers {
        const tenant::Limit* any = nullptr;  // of those in no tier that has limits
        std::unordered_map<std::string, const tenant::Limit*, StringHash, std::equal_to<>> tiers;
        std::vector<bool> has_own;                    // by the consumer's index: limits of its own go before its tier's
        std::shared_ptr<tenant::AddressLimits> rows;  // null: there are no such bearers
    };
    Bearers bearers;
    static constexpr size_t bearers_max = 16'384;
    std::vector<tenant::SharedLimit> shared;  // with other Looms; none where there is nobody to share with
    bool tells = true;  // answers say what is left, by requests and by tokens, of the limit that ends first

    [[nodiscard]] Terms of_model(std::string_view model) const noexcept {
        if (models.empty()) return {};
        const auto found = models.find(model);
        return found == models.end() ? Terms() : found->second;
    }
    /// What somebody is under of whom a token tells more than the conf, or alone. A few look-ups: it is asked for when
    /// the token is verified (tenant::TokenIdentity), and not with each request.
    /// listed  the conf's consumer that it is; null: nobody's.
    [[nodiscard]] tenant::BearerTerms of_bearer(const tenant::Consumer& bearer,
                                                const tenant::Consumer* listed) const noexcept;
};

}  // namespace loom::proxy
