#include "plan/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "loom/base/clock.h"
#include "loom/config/value.h"
#include "plan/owners.h"

namespace loom::app {
namespace {

using config::Config;
using tenant::Budget;

class Builder {
  public:
    Builder(const Config& config, proxy::RateLimitPlan& limits, tenant::BudgetTable& table,
            std::span<const tenant::MadeConsumer> made)
        : config_(config), limits_(limits), table_(table), made_(made) {}

    void build(const proxy::Plan& plan) {
        const Budget* const all = make(LimitScope::global, "", "token_accounting.global");
        std::unordered_map<std::string, const Budget*> teams;
        for (const tenant::Consumer& consumer : plan.consumers.consumers()) {
            const auto [team, is_new] = teams.try_emplace(consumer.team_key, nullptr);
            if (is_new && !consumer.team.empty())
                team->second =
                    make(LimitScope::team, consumer.team_key, fmt::format("token_accounting.team.{}", consumer.team));
            const Budget* const own =
                make(LimitScope::consumer, consumer.name, fmt::format("token_accounting.limit.{}", consumer.name),
                     own_budgets(consumer));
            limits_.budgets_of.push_back({own, team->second, all});
        }
        limits_.budgets_of.push_back({nullptr, nullptr, all});
        if (!plan.jwt.empty()) make_unlisted(plan);
    }

  private:
    /// Of consumers and teams that only tokens name.
    void make_unlisted(const proxy::Plan& plan) {
        for (const std::string& name : config_.names("token_accounting.limit"))
            if (plan.consumers.named(name) == nullptr)
                if (const Budget* const own =
                        make(LimitScope::consumer, name, fmt::format("token_accounting.limit.{}", name)))
                    limits_.unlisted_budgets.emplace(name, own);
        for (const std::string& name : config_.names("token_accounting.team"))
            for (const std::string& key : team_keys(plan, name))
                if (const Budget* const team = team_budget(key, name)) limits_.team_budgets.emplace(key, team);
    }
    const Budget* team_budget(const std::string& key, const std::string& name) {
        const auto known = std::ranges::find_if(
            limits_.budgets, [&key](const Budget& one) { return one.scope == LimitScope::team && one.name == key; });
        return known != limits_.budgets.end()
                   ? &*known
                   : make(LimitScope::team, key, fmt::format("token_accounting.team.{}", name));
    }
    /// Of one that was made over the admin listener; else null.
    const tenant::MadeBudgets* own_budgets(const tenant::Consumer& consumer) const {
        if (!consumer.made) return nullptr;
        const auto found = std::ranges::find_if(
            made_, [&consumer](const tenant::MadeConsumer& one) { return one.consumer.name == consumer.name; });
        return found != made_.end() ? &found->budgets : nullptr;
    }
    /// Null where it limits nothing.
    /// own  numbers where the conf has none.
    const Budget* make(LimitScope scope, const std::string& name, const std::string& prefix,
                       const tenant::MadeBudgets* own = nullptr) {
        Budget budget{.scope = scope, .name = name, .key = prefix};
        for (size_t i = 0; i < tenant::budget_period_count; ++i) {
            const std::string tokens = fmt::format("{}.{}", prefix, token_limit_words[i]);
            if (own != nullptr) budget.tokens[i] = own->tokens[i].value_or(0);
            if (own != nullptr && !own->money[i].empty())
                budget.money[i] = tenant::budget_units(parse_budget(own->money[i]).value_or(0));
            if (config_.has(tokens)) budget.tokens[i] = static_cast<uint64_t>(config_.integer(tokens));
            const std::string money = fmt::format("{}.{}", prefix, money_budget_words[i]);
            if (config_.has(money))
                budget.money[i] = tenant::budget_units(parse_budget(config_.text(money)).value_or(0));
        }
        if (!budget.any()) return nullptr;
        for (const std::string& share : alerts_of(prefix)) budget.alerts.push_back(parse_alert(share));
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
