// Checks of what bounds the requests of providers.
#include <algorithm>

#include "check_report.h"

namespace loom::app {
namespace {

constexpr int64_t tokens_expected = 512;  // of an answer whose request sets no bound

bool has_limits(const config::Config& config, const std::string& prefix) {
    return config.integer(prefix + "requests_per_minute") > 0 || config.integer(prefix + "tokens_per_minute") > 0 ||
           config.integer(prefix + "concurrent_requests") > 0;
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
