// Checks of what may be spent by the calendar.
#include <array>
#include <set>
#include <utility>

#include "check/report.h"
#include "plan/budget.h"
#include "plan/identity.h"

namespace loom::app {
namespace {

using config::Config;

/// Says of one budget what is wrong with it; false where it has no number.
bool check_numbers(Report& report, const std::string& prefix) {
    const Config& config = report.config;
    bool any = false;
    std::array<int64_t, 3> tokens{};
    std::array<Money, 3> money{};
    for (size_t i = 0; i < 3; ++i) {
        const std::string token_key = fmt::format("{}.{}", prefix, token_limit_words[i]);
        if (config.has(token_key)) tokens[i] = config.integer(token_key);
        const std::string money_key = fmt::format("{}.{}", prefix, money_budget_words[i]);
        any = any || config.has(token_key) || config.has(money_key);
        if (!config.has(money_key)) continue;
        const auto amount = parse_budget(config.text(money_key));
        if (!amount)
            report.error(money_key, fmt::format("'{}' {}; an amount such as $5.00 is expected",
                                                config::printable(config.text(money_key)), amount.error()));
        else
            money[i] = *amount;
    }
    // A shorter period's budget that is more than a longer one's is never felt.
    // A week may lie in two months.
    constexpr std::array<std::pair<size_t, size_t>, 2> pairs = {{{0, 1}, {0, 2}}};
    for (const auto& [i, longer] : pairs) {
        if (tokens[i] != 0 && tokens[longer] != 0 && tokens[i] >= tokens[longer])
            report.warning(fmt::format("{}.{}", prefix, token_limit_words[i]),
                           fmt::format("is never felt: {} is no more", token_limit_words[longer]));
        if (money[i] != 0 && money[longer] != 0 && money[i] >= money[longer])
            report.warning(fmt::format("{}.{}", prefix, money_budget_words[i]),
                           fmt::format("is never felt: {} is no more", money_budget_words[longer]));
    }
    const std::string alert = fmt::format("{}.alert", prefix);
    if (!config.has(alert)) return any;
    for (const std::string& share : config.list(alert))
        if (parse_alert(share) == 0)
            report.error(alert, fmt::format("'{}': a share from 1% to 100% is expected", config::printable(share)));
    if (!any) report.warning(alert, "means nothing without a limit or a budget");
    return any;
}

bool check_named(Report& report, const char* scope, const std::set<std::string>& known, const char* remedy) {
    bool any = false;
    for (const std::string& name : report.config.names(fmt::format("token_accounting.{}", scope))) {
        const std::string prefix = fmt::format("token_accounting.{}.{}", scope, name);
        const bool limits = check_numbers(report, prefix);
        any = any || limits;
        if (known.contains(name) || !limits) continue;
        report.add(report.config.place_of_name(fmt::format("token_accounting.{}", scope), name), false, prefix,
                   fmt::format("limits nobody: {}", fmt::format(fmt::runtime(remedy), name)));
    }
    return any;
}

}  // namespace

void check_budgets(Report& report) {
    const Config& config = report.config;
    const auto consumers = config.names("consumer");
    std::set<std::string> known(consumers.begin(), consumers.end());
    std::set<std::string> teams;
    for (const std::string& name : consumers) teams.insert(config.text(fmt::format("consumer.{}.team", name)));
    bool any = check_numbers(report, "token_accounting.global");
    // Whom tokens may name, or whose team they may tell, the conf does not know; nor who is made while Loom runs.
    if (has_issuers(config) || makes_consumers(config)) {
        for (const auto& name : config.names("token_accounting.limit")) known.insert(name);
        for (const auto& name : config.names("token_accounting.team")) teams.insert(name);
    }
    any |= check_named(report, "limit", known, "there is no such consumer; add consumer.{}.api_key = …");
    any |= check_named(report, "team", teams, "no consumer is in this team; set consumer.NAME.team = {}");
    if (config.has("token_accounting.on_store_lost") && config.text("token_accounting.store.type") != "redis")
        report.warning("token_accounting.on_store_lost",
                       "means nothing without token_accounting.store.type = redis, by which Looms share limits");
    if (any && !config.boolean("token_accounting.enabled"))
        report.warning("token_accounting.enabled", "is off: no limit or budget of token_accounting counts");
}

}  // namespace loom::app
