// What consumers, teams and all together may spend by the calendar, read from the configuration.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/money.h"
#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "loom/proxy/rate_limit_plan.h"
#include "loom/tenant/made_consumer.h"

namespace loom::app {

/// Words of a budget's keys, behind `token_accounting.limit.NAME.`: by period, as tenant::BudgetPeriod has them.
inline constexpr std::array token_limit_words = {"daily_limit", "weekly_limit", "monthly_limit"};
inline constexpr std::array money_budget_words = {"budget.daily", "budget.weekly", "budget.monthly"};

/// `$5`, `5.00`: an amount in the currency that prices are told in.
/// Errors  what is wrong with it, for a person.
[[nodiscard]] std::expected<Money, std::string> parse_budget(std::string_view text);
/// `80%` of `80%, 95%`, or `0.8`: percent, 1..100; 0: it is none.
[[nodiscard]] uint8_t parse_alert(std::string_view text);

/// Of the plan's consumers, which must be there, with what was spent found again in `table`.
/// made  of those that are none of the conf's, their own numbers.
void fill_budgets(const config::Config& config, const proxy::Plan& plan, proxy::RateLimitPlan& limits,
                  tenant::BudgetTable& table, std::span<const tenant::MadeConsumer> made);

}  // namespace loom::app
