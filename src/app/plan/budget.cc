#include "plan/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "loom/base/clock.h"
#include "loom/config/value.h"
#include "plan/owners.h"

namespace loom::app {
namespace {

using config::Config;
using tenant::Budget;
using tenant::BudgetUnit;

class Builder {
  public:
    Builder(const Config& config, proxy::RateLimitPlan& limits, tenant::BudgetTable& table,
            std::span<const tenant::MadeConsumer> made)
        : config_(config), limits_(limits), table_(table), made_(made) {}

    void build(const proxy::Plan& plan) {
        using Place = proxy::RateLimitPlan::BudgetPlace;
        const Budget* const all = make(LimitScope::global, "", "token_accounting.global", {});
        for (const tenant::Consumer& consumer : plan.consumers.consumers()) {
            proxy::RateLimitPlan::Budgets budgets{};
            budgets[Place::team] = shared(LimitScope::team, consumer.team, consumer.team_key);
            budgets[Place::own] = make_own(consumer);
            budgets[Place::project] = shared(LimitScope::project, consumer.project,
                                             tenant::project_key_of(consumer.tenant, consumer.project));
            budgets[Place::tenant] = shared(LimitScope::tenant, consumer.tenant, consumer.tenant);
            budgets[Place::all] = all;
            limits_.budgets_of.push_back(budgets);
        }
        limits_.budgets_of.push_back({});
        limits_.budgets_of.back()[Place::all] = all;
        if (!plan.jwt.empty()) make_unlisted(plan);
        make_routes(plan);
        for (const std::string& model : config_.names("token_accounting.model"))
            if (const Budget* const budget = shared(LimitScope::model, model, model))
                limits_.models[model].budget = budget;
    }

  private:
    const Budget* make_own(const tenant::Consumer& consumer) {
        return make(LimitScope::consumer, consumer.name, fmt::format("token_accounting.limit.{}", consumer.name),
                    {.made = own_budgets(consumer),
                     .tier = consumer.tier.empty() ? "" : fmt::format("token_accounting.tier.{}", consumer.tier)});
    }
    /// Of several together, once, whoever asks for it; null where it limits nothing.
    /// name  in the conf.      key  in the plan: a tenant's own.
    const Budget* shared(LimitScope scope, const std::string& name, const std::string& key) {
        if (name.empty()) return nullptr;
        const auto [known, is_new] = shared_.try_emplace({scope, key}, nullptr);
        if (is_new)
            known->second = make(scope, key, fmt::format("token_accounting.{}.{}", limit_scope_name(scope), name), {});
        return known->second;
    }
    void make_routes(const proxy::Plan& plan) {
        std::vector<const Budget*> routes;
        for (const proxy::RoutePlan& route : plan.routes)
            routes.push_back(shared(LimitScope::route, route.name, route.name));
        if (std::ranges::any_of(routes, [](const Budget* one) { return one != nullptr; }))
            limits_.route_budgets = std::move(routes);
    }
    /// Of consumers and teams that only tokens name.
    void make_unlisted(const proxy::Plan& plan) {
        for (const std::string& name : config_.names("token_accounting.limit"))
            if (plan.consumers.named(name) == nullptr)
                if (const Budget* const own =
                        make(LimitScope::consumer, name, fmt::format("token_accounting.limit.{}", name), {}))
                    limits_.unlisted_budgets.emplace(name, own);
        for (const std::string& name : config_.names("token_accounting.team"))
            for (const std::string& key : team_keys(plan, name))
                if (const Budget* const team = shared(LimitScope::team, name, key))
                    limits_.told_teams[key].budget = team;
    }
    /// Of one that was made over the admin listener; else null.
    const tenant::MadeBudgets* own_budgets(const tenant::Consumer& consumer) const {
        if (!consumer.made) return nullptr;
        const auto found = std::ranges::find_if(
            made_, [&consumer](const tenant::MadeConsumer& one) { return one.consumer.name == consumer.name; });
        return found != made_.end() ? &found->budgets : nullptr;
    }
    /// Where a consumer's numbers stand that the conf does not say of it by its name, the first before the second.
    struct Others {
        const tenant::MadeBudgets* made = nullptr;
        std::string tier;  // what stands before them; "" for none
    };
    /// The units of one number, where it is said: 0 means none.
    std::optional<uint64_t> number(BudgetUnit unit, const std::string& prefix, size_t period) const {
        const bool tokens = unit == BudgetUnit::tokens;
        const std::string key =
            fmt::format("{}.{}", prefix, tokens ? token_limit_words[period] : money_budget_words[period]);
        if (!config_.has(key)) return std::nullopt;
        return tokens ? static_cast<uint64_t>(config_.integer(key))
                      : tenant::budget_units(parse_budget(config_.text(key)).value_or(0));
    }
    static std::optional<uint64_t> made_number(const tenant::MadeBudgets& made, BudgetUnit unit, size_t period) {
        if (unit == BudgetUnit::tokens) return made.tokens[period];
        if (made.money[period].empty()) return std::nullopt;
        return tenant::budget_units(parse_budget(made.money[period]).value_or(0));
    }
    /// Null where it limits nothing.
    const Budget* make(LimitScope scope, const std::string& name, const std::string& prefix, const Others& others) {
        Budget budget{.scope = scope, .name = name, .key = prefix, .tier_key = others.tier};
        for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
            for (size_t i = 0; i < tenant::budget_period_count; ++i) {
                uint64_t& units = (unit == BudgetUnit::tokens ? budget.tokens : budget.money)[i];
                auto own = number(unit, prefix, i);
                if (!own && others.made != nullptr) own = made_number(*others.made, unit, i);
                const auto tier = own || others.tier.empty() ? std::nullopt : number(unit, others.tier, i);
                units = own ? *own : tier.value_or(0);
                budget.of_tier[static_cast<size_t>(unit)][i] = tier.has_value();
            }
        if (!budget.any()) return nullptr;
        const bool own_alerts = config_.has(fmt::format("{}.alert", prefix)) || others.tier.empty();
        for (const std::string& share : alerts_of(own_alerts ? prefix : others.tier))
            budget.alerts.push_back(parse_alert(share));
        std::ranges::sort(budget.alerts);
        budget.meters = table_.meters(scope, name, now_s_);
        return &limits_.budgets.emplace_back(std::move(budget));
    }
    const std::vector<std::string>& alerts_of(const std::string& prefix) const {
        return config_.list(fmt::format("{}.alert", prefix));
    }

    const Config& config_;
    proxy::RateLimitPlan& limits_;
    tenant::BudgetTable& table_;
    const std::span<const tenant::MadeConsumer> made_;
    std::map<std::pair<LimitScope, std::string>, const Budget*> shared_;
    const int64_t now_s_ = static_cast<int64_t>(wall_us() / 1'000'000);
};

}  // namespace

std::expected<Money, std::string> parse_budget(std::string_view text) {
    if (text.starts_with('$')) text.remove_prefix(1);
    const auto amount = parse_money(text, 0);
    if (!amount) return std::unexpected(amount.error());
    const Money most = tenant::money_of_budget_units(tenant::BudgetMeter::units_max);
    if (*amount > most)
        return std::unexpected(fmt::format("is more than {}", MoneyText(static_cast<unsigned __int128>(most)).view()));
    return *amount;
}

uint8_t parse_alert(std::string_view text) {
    const auto share = config::parse_share(text);
    const long percent = share ? std::lround(*share * 100) : 0;
    return percent >= 1 && percent <= 100 ? static_cast<uint8_t>(percent) : uint8_t{0};
}

void fill_budgets(const Config& config, const proxy::Plan& plan, proxy::RateLimitPlan& limits,
                  tenant::BudgetTable& table, std::span<const tenant::MadeConsumer> made) {
    if (!config.boolean("token_accounting.enabled")) return;
    Builder(config, limits, table, made).build(plan);
    limits.budgets_stop_streams = config.text("token_accounting.on_budget_spent") == "stop";
}

}  // namespace loom::app
