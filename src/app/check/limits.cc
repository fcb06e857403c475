// Checks of what bounds the requests of providers.
#include <algorithm>

#include "check/report.h"

namespace loom::app {
namespace {

constexpr int64_t tokens_expected = 512;  // of an answer whose request sets no bound

bool has_limits(const config::Config& config, const std::string& prefix) {
    return config.integer(prefix + "requests_per_minute") > 0 || config.integer(prefix + "tokens_per_minute") > 0 ||
           config.integer(prefix + "concurrent_requests") > 0 || config.boolean(prefix + "adaptive");
}

void check_adaptive(Report& report, const std::string& prefix) {
    const config::Config& config = report.config;
    if (!config.has(prefix + "adaptive_min")) return;
    const int64_t max = config.integer(prefix + "concurrent_requests");
    const int64_t min = config.integer(prefix + "adaptive_min");
    if (!config.boolean(prefix + "adaptive"))
        report.warning(prefix + "adaptive_min", fmt::format("means nothing without {}adaptive = on", prefix));
    else if (max > 0 && min > max)
        report.warning(prefix + "adaptive_min",
                       fmt::format("is more than concurrent_requests = {}, which it never exceeds", max));
}

}  // namespace

void check_limits(Report& report) {
    const config::Config& config = report.config;
    bool any = false;
    for (const auto& name : config.names("provider")) {
        const auto prefix = fmt::format("provider.{}.rate_limit.", name);
        any = any || has_limits(config, prefix);
        const int64_t tokens = config.integer(prefix + "tokens_per_minute");
        if (config.has(prefix + "burst") && tokens == 0 && config.integer(prefix + "requests_per_minute") == 0)
            report.warning(prefix + "burst", "means nothing without requests_per_minute or tokens_per_minute");
        check_adaptive(report, prefix);
        if (tokens > 0 && tokens < tokens_expected)
            report.warning(
                prefix + "tokens_per_minute",
                fmt::format("a request that sets no max_tokens is expected to take {} and more: one a minute "
                            "goes, when none of these is spent",
                            tokens_expected));
    }
    if (config.integer("routing.queue.max") > 0 && !any)
        report.warning("routing.queue.max", "nobody waits: no provider has a rate_limit");
}

}  // namespace loom::app
