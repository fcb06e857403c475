// Checks of what is written down of what clients use.
#include "check/report.h"
#include "client_place.h"
#include "plan/sharing.h"

namespace loom::app {

namespace {

constexpr std::string_view redis_prefix = "token_accounting.store.redis.";

void check_redis_address(Report& report) {
    const config::Config& config = report.config;
    const std::string key = fmt::format("{}address", redis_prefix);
    if (config.text(key).empty())
        return report.missing(config.place("token_accounting.store.type"), key,
                              "is missing: say HOST:PORT of the Redis or Valkey that Looms share");
    const auto place = parse_redis_address(config.text(key));
    if (!place) return report.error(key, place.error());
    if (place->tls) return check_upstream_tls(report, redis_tls_prefix, true);
    for (const std::string_view tls_key : config.keys())
        if (tls_key.starts_with(redis_tls_prefix))
            report.warning(std::string(tls_key), "means something with a rediss:// address only");
    if (config.has(fmt::format("{}password", redis_prefix)) && !is_loopback_host(place->host))
        report.warning(key, "whoever is on the way reads the password and may change what is counted; use rediss://");
}

void check_redis(Report& report) {
    const config::Config& config = report.config;
    if (config.text("token_accounting.store.type") != "redis") {
        for (const std::string_view key : config.keys())
            if (key.starts_with(redis_prefix))
                return report.warning(std::string(key), "means nothing without token_accounting.store.type = redis");
        return;
    }
    check_redis_address(report);
    const std::string user = fmt::format("{}username", redis_prefix), word = fmt::format("{}password", redis_prefix);
    if (!config.text(user).empty() && config.text(word).empty()) report.error(user, fmt::format("needs {}", word));
    if (config.has(word) && config.text(word).empty()) report.error(word, "is empty");
    const std::string prefix = fmt::format("{}key_prefix", redis_prefix);
    if (const auto fault = key_prefix_fault(config.text(prefix)); !fault.empty()) report.error(prefix, fault);
    if (!config.has("state.directory"))
        report.warning("token_accounting.store.type",
                       "each start counts as another Loom, and what it had leased waits for its end; set "
                       "state.directory = /var/lib/loom");
}

void check_retention(Report& report) {
    constexpr const char* of_days = "token_accounting.retention.days";
    constexpr const char* of_months = "token_accounting.retention.months";
    const config::Config& config = report.config;
    const int64_t days = config.integer(of_days), months = config.integer(of_months);
    if (days > 0 && months > 0 && days > months * 31)
        report.warning(of_days, fmt::format("means nothing: {} = {} is less, and what goes by month goes by day too",
                                            of_months, months));
    constexpr int64_t days_told = 396;
    const bool shared = config.text("token_accounting.store.type") == "redis";
    if (shared && ((days > 0 && days < days_told) || (months > 0 && months < 13)))
        report.warning(days > 0 && days < days_told ? of_days : of_months,
                       "sums of the last 13 months stay as they are, since Looms tell them to each other "
                       "(token_accounting.store.type = redis)");
}

}  // namespace

void check_ledger(Report& report) {
    const config::Config& config = report.config;
    if (!config.boolean("token_accounting.enabled")) {
        for (const char* const key : {"token_accounting.store.type", "token_accounting.on_disk_full"})
            if (config.has(key)) return report.warning(key, "nothing is booked: set token_accounting.enabled = on");
        return;
    }
    check_redis(report);
    check_retention(report);
    const bool in_memory = config.text("token_accounting.store.type") == "memory";
    if (in_memory || config.has("state.directory")) return;
    report.warning("token_accounting.enabled",
                   "what is used is kept in memory and lost at a restart; set state.directory = /var/lib/loom");
}

}  // namespace loom::app
