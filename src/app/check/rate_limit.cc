// Checks of what clients may ask for.
#include <algorithm>
#include <array>
#include <set>

#include "check/report.h"
#include "plan/identity.h"
#include "plan/rates.h"

namespace loom::app {
namespace {

using config::Config;

constexpr int64_t tokens_expected = 512;  // of an answer of which nothing is known
constexpr std::array words = {"request_rate", "token_rate", "burst", "concurrent", "max_tokens_per_request"};

/// prefix    "rate_limit.team.dev", what stands before the numbers.
/// requests  the key that says how many a window allows.
void check_numbers(Report& report, const std::string& prefix, const std::string& requests_key) {
    const Config& config = report.config;
    const auto [requests, most_requests] = limits_at(config, requests_key);
    const std::string burst = prefix + ".burst";
    if (config.has(burst) && requests == 0)
        report.warning(burst, "means nothing without a request_rate, by which more come in");
    else if (config.has(burst) && config.integer(burst) >= requests)
        report.warning(burst, fmt::format("is never felt: no more than {} requests come in a window", requests));
    const std::string tokens = prefix + ".token_rate";
    const int64_t least_tokens = limits_at(config, tokens).least;
    if (least_tokens > 0 && least_tokens < tokens_expected)
        report.warning(tokens,
                       fmt::format("a request that sets no max_tokens is expected to take {} and more: one in a "
                                   "window goes, when none of these is spent",
                                   tokens_expected));
    const std::string concurrent = prefix + ".concurrent";
    if (config.has(concurrent) && most_requests > 0 && config.integer(concurrent) > most_requests)
        report.warning(concurrent,
                       fmt::format("is never felt: no more than {} requests come in a window", most_requests));
}

/// The key that says what windows allow a consumer or one of a tier, which may be what stands for all.
std::string requests_of(const Config& config, const std::string& scope, const std::string& name) {
    std::string own = fmt::format("rate_limit.{}.{}.request_rate", scope, name);
    if (config.has(own) || (scope != "tier" && scope != "consumer")) return own;
    if (scope == "consumer" && config.has(fmt::format("consumer.{}.tier", name)))
        return requests_of(config, "tier", config.text(fmt::format("consumer.{}.tier", name)));
    return "rate_limit.request_rate.limit";
}

void check_named(Report& report, const char* scope, const std::set<std::string>& known, const char* remedy) {
    for (const std::string& name : report.config.names(fmt::format("rate_limit.{}", scope))) {
        const std::string prefix = fmt::format("rate_limit.{}.{}", scope, name);
        check_numbers(report, prefix, requests_of(report.config, scope, name));
        if (known.contains(name) || (scope != std::string_view("route") && makes_consumers(report.config))) continue;
        for (const char* const word : words) {
            const std::string key = fmt::format("{}.{}", prefix, word);
            if (!report.config.has(key)) continue;
            report.warning(key, fmt::format("limits nobody: {}", fmt::format(fmt::runtime(remedy), name)));
            break;
        }
    }
}

/// What consumers say of themselves.
std::set<std::string> values_of(const Config& config, const char* word) {
    std::set<std::string> values;
    for (const std::string& name : config.names("consumer")) {
        const std::string& value = config.text(fmt::format("consumer.{}.{}", name, word));
        if (!value.empty()) values.insert(value);
    }
    return values;
}

/// The same, and all that stands in limits where tokens may say it of them. claim  the issuers' word for it.
std::set<std::string> told_values_of(const Config& config, const char* word, const char* claim) {
    std::set<std::string> values = values_of(config, word);
    if (any_issuer_says(config, claim))
        for (const std::string& name : config.names(fmt::format("rate_limit.{}", word))) values.insert(name);
    return values;
}

bool is_set(const Config& config) {
    for (const std::string_view key : config.keys())
        if (key.starts_with("rate_limit.") && key != "rate_limit.enabled" && key != "rate_limit.headers") return true;
    return false;
}

}  // namespace

void check_rate_limits(Report& report) {
    const Config& config = report.config;
    check_rates(report);
    if (!config.boolean("rate_limit.enabled")) {
        if (is_set(config)) report.warning("rate_limit.enabled", "is off: no limit of clients counts");
        return;
    }
    if (config.has("rate_limit.on_store_lost") && config.text("token_accounting.store.type") != "redis")
        report.warning("rate_limit.on_store_lost",
                       "means nothing without token_accounting.store.type = redis, by which Looms share limits");
    const auto names_of = [&config](const char* what) {
        const auto names = config.names(what);
        return std::set<std::string>(names.begin(), names.end());
    };
    for (const char* const prefix : {"rate_limit.global", "rate_limit.ip"})
        check_numbers(report, prefix, fmt::format("{}.request_rate", prefix));
    check_named(report, "tier", told_values_of(config, "tier", "tier_claim"),
                "no consumer is in this tier; set consumer.NAME.tier = {}");
    check_named(report, "consumer", names_of("consumer"), "there is no such consumer; add consumer.{}.api_key = …");
    check_named(report, "team", told_values_of(config, "team", "team_claim"),
                "no consumer is in this team; set consumer.NAME.team = {}");
    check_named(report, "project", values_of(config, "project"),
                "no consumer is in this project; set consumer.NAME.project = {}");
    check_named(report, "tenant", values_of(config, "tenant"),
                "no consumer is of this tenant; set consumer.NAME.tenant = {}");
    check_named(report, "route", names_of("route"), "there is no such route; add route.{}.path = …");
    for (const std::string& model : config.names("rate_limit.model")) {
        const std::string prefix = fmt::format("rate_limit.model.{}", model);
        check_numbers(report, prefix, requests_of(config, "model", model));
    }
}

}  // namespace loom::app
