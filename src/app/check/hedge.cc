// Checks of hedged requests: where they cannot be, and what would keep them from it.
#include <algorithm>

#include "check/report.h"
#include "plan/hedge.h"

namespace loom::app {
namespace {

constexpr const char* after_key = "routing.hedge.after";

/// Who may be asked for a client: not a shadow or whoever else takes nothing, not the one that is asked last, not the
/// embedded model.
size_t provider_count(const config::Config& config) {
    const auto counts = [&config](const std::string& name) {
        return config.integer(fmt::format("provider.{}.weight", name)) > 0 &&
               config.text(fmt::format("provider.{}.type", name)) != "echo" &&
               name != config.text("routing.fallback.provider");
    };
    const auto names = config.names("provider");
    return static_cast<size_t>(std::ranges::count_if(names, counts));
}

/// Of the time that an attempt has anyway.
void check_against_timeouts(Report& report, uint64_t after_ms) {
    for (const char* const key : {"routing.failover.timeout", "timeout.response_header", "timeout.first_token"}) {
        const auto limit_ms = static_cast<uint64_t>(report.config.milliseconds(key).count());
        if (limit_ms == 0 || after_ms < limit_ms) continue;
        return report.warning(after_key, fmt::format("never comes: {} ends the attempt before", key));
    }
}

/// A stream that keep-alives have opened has its head, and no other answer can follow it.
void check_against_keepalives(Report& report, uint64_t after_ms) {
    for (const auto& name : report.config.names("route")) {
        const auto key = fmt::format("route.{}.keepalive", name);
        const auto keepalive_ms = static_cast<uint64_t>(report.config.milliseconds(key).count());
        if (keepalive_ms == 0 || after_ms < keepalive_ms) continue;
        report.warning(after_key, fmt::format("never comes to the streams that {} opens before", key));
    }
}

}  // namespace

void check_hedge(Report& report) {
    const config::Config& config = report.config;
    const auto after = parse_hedge_after(config.text(after_key));
    if (!after)
        return report.error(after_key,
                            "expected off, a duration from 1ms on such as 800ms, or a percentile from p1 to "
                            "p99");
    if (after->off()) {
        for (const char* const other : {"routing.hedge.budget", "routing.hedge.max_in_flight"})
            if (!config.settings(other).empty()) report.warning(other, "means nothing without routing.hedge.after");
        return;
    }
    if (!config.boolean("routing.failover.enabled"))
        return report.error(after_key,
                            "needs routing.failover.enabled = on: an answer's start is held there until its "
                            "first content");
    if (!config.boolean("routing.failover.retry_sent"))
        report.warning(after_key, "sends requests twice, which routing.failover.retry_sent = off is to keep them from");
    if (provider_count(config) < 2) report.warning(after_key, "nobody is there to be asked beside the one provider");
    if (config.decimal("routing.hedge.budget") == 0)
        report.warning("routing.hedge.budget", "0 leaves nothing to hedge");
    if (after->percentile != 0) return;
    check_against_timeouts(report, after->ms);
    check_against_keepalives(report, after->ms);
}

}  // namespace loom::app
