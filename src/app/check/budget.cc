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

/// What the conf says of its consumers, and all that stands in keys where others may say it.
/// open  somebody may be whom the conf does not know.
std::set<std::string> known_of(const Config& config, const char* word, bool open) {
    std::set<std::string> known;
    for (const std::string& name : config.names("consumer"))
        known.insert(config.text(fmt::format("consumer.{}.{}", name, word)));
    if (open)
        for (const std::string& name : config.names(fmt::format("token_accounting.{}", word))) known.insert(name);
    return known;
}

std::set<std::string> names_of(const Config& config, const char* prefix) {
    const auto names = config.names(prefix);
    return {names.begin(), names.end()};
}

/// What is relayed as it comes has no tokens.
void check_plain_routes(Report& report) {
    const Config& config = report.config;
    for (const std::string& route : names_of(config, "route"))
        if (names_of(config, "token_accounting.route").contains(route) &&
            !config.boolean(fmt::format("route.{}.ai_gateway", route)))
            report.add(
                config.place_of_name("token_accounting.route", route), false,
                fmt::format("token_accounting.route.{}", route),
                fmt::format("counts nothing: route.{}.ai_gateway is off, and what it relays has no tokens", route));
}

/// Whom only tokens name has no budget of its tier: there may be any number of them.
void check_tiers_of_tokens(Report& report) {
    const Config& config = report.config;
    if (!has_issuers(config)) return;
    for (const std::string& tier : config.names("token_accounting.tier"))
        report.add(config.place_of_name("token_accounting.tier", tier), false,
                   fmt::format("token_accounting.tier.{}", tier),
                   "counts for consumers of the conf and of /ai/consumers with this tier; a consumer whom only a "
                   "token names, or whose tier only a token tells, has none of it: limit those by rate_limit.tier, or "
                   "by token_accounting.limit, .team, .route, .model or .global");
}

}  // namespace

void check_budgets(Report& report) {
    const Config& config = report.config;
    // Whom tokens may name, or whose team they may tell, the conf does not know; nor who is made while Loom runs.
    const bool makes = makes_consumers(config);
    const bool open = has_issuers(config) || makes;
    std::set<std::string> consumers = names_of(config, "consumer");
    if (open) consumers.merge(names_of(config, "token_accounting.limit"));
    bool any = check_numbers(report, "token_accounting.global");
    any |= check_named(report, "limit", consumers, "there is no such consumer; add consumer.{}.api_key = …");
    any |= check_named(report, "tier", known_of(config, "tier", makes),
                       "no consumer is in this tier; set consumer.NAME.tier = {}");
    any |= check_named(report, "team", known_of(config, "team", makes || any_issuer_says(config, "team_claim")),
                       "no consumer is in this team; set consumer.NAME.team = {}");
    any |= check_named(report, "project", known_of(config, "project", makes),
                       "no consumer is in this project; set consumer.NAME.project = {}");
    any |= check_named(report, "tenant", known_of(config, "tenant", makes),
                       "no consumer is of this tenant; set consumer.NAME.tenant = {}");
    any |= check_named(report, "route", names_of(config, "route"), "there is no such route; add route.{}.path = …");
    any |= check_named(report, "model", names_of(config, "token_accounting.model"), "");
    check_tiers_of_tokens(report);
    check_plain_routes(report);
    if (config.has("token_accounting.on_store_lost") && config.text("token_accounting.store.type") != "redis")
        report.warning("token_accounting.on_store_lost",
                       "means nothing without token_accounting.store.type = redis, by which Looms share limits");
    if (any && !config.boolean("token_accounting.enabled"))
        report.warning("token_accounting.enabled", "is off: no limit or budget of token_accounting counts");
}

}  // namespace loom::app
