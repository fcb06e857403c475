#include "plan/leases.h"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace loom::app {
namespace {

using tenant::BudgetUnit;

bool fails_open(const config::Config& config, const char* key) { return config.text(key) == "fail_open"; }

void share_window(const tenant::Limit& limit, const char* kind, const std::shared_ptr<tenant::RateWindow>& window,
                  const tenant::WindowTerms& terms, uint64_t window_ms, bool opens,
                  std::vector<tenant::SharedLimit>& shared) {
    if (window == nullptr || !terms.limits()) return;
    window->share();
    shared.push_back(
        {.key = fmt::format("rate:{}:{}:{}:{}", limit_scope_name(limit.scope), limit.name, kind, window_ms),
         .limit = terms.limit,
         .fails_open = opens,
         .window = window,
         .terms = terms,
         .window_ms = window_ms});
}

void share_budget(const tenant::Budget& budget, BudgetUnit unit, bool opens, std::vector<tenant::SharedLimit>& shared) {
    budget.meter(unit).share();
    for (const tenant::BudgetPeriod period : tenant::budget_periods) {
        const uint64_t limit = budget.terms(unit)[static_cast<size_t>(period)];
        if (limit == 0) continue;
        shared.push_back(
            {.key = fmt::format("budget:{}:{}:{}:{}", limit_scope_name(budget.scope), budget.name,
                                unit == BudgetUnit::tokens ? "tokens" : "money", tenant::budget_period_name(period)),
             .limit = limit,
             .fails_open = opens,
             .meters = budget.meters,
             .unit = unit,
             .period = period});
    }
}

}  // namespace

void share_limits(const config::Config& config, proxy::RateLimitPlan& limits) {
    const bool rates_open = fails_open(config, "rate_limit.on_store_lost");
    const bool budgets_open = fails_open(config, "token_accounting.on_store_lost");
    for (const tenant::Limit& limit : limits.limits) {
        const tenant::LimitTerms& terms = limit.terms;
        share_window(limit, "requests", limit.requests, terms.requests, terms.requests_window_ms, rates_open,
                     limits.shared);
        share_window(limit, "tokens", limit.tokens, terms.tokens, terms.tokens_window_ms, rates_open, limits.shared);
    }
    for (const tenant::Budget& budget : limits.budgets)
        for (const BudgetUnit unit : {BudgetUnit::tokens, BudgetUnit::money})
            share_budget(budget, unit, budgets_open, limits.shared);
}

}  // namespace loom::app
