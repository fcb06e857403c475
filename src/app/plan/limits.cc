#include "plan/limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/clock.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

/// concurrent_max  0: none is set.
route::AdaptiveTerms adaptive_terms(uint32_t concurrent_max, uint64_t min) {
    const uint32_t max = concurrent_max != 0 ? concurrent_max : route::AdaptiveTerms::max_default;
    const uint32_t least = static_cast<uint32_t>(min);
    if (concurrent_max == 0) return {.min = least, .max = std::max(least, max)};
    return {.min = std::min(least, max), .max = max};
}

}  // namespace

void fill_provider_limits(const config::Config& config, proxy::Plan& plan, route::TargetTable& targets) {
    for (proxy::ProviderPlan& provider : plan.providers) {
        const std::string prefix = fmt::format("provider.{}.rate_limit.", provider.name);
        provider.reads_room = config.boolean(prefix + "headers");
        const auto count = [&](const char* key) { return static_cast<uint64_t>(config.integer(prefix + key)); };
        const auto burst_ms = ms(config, prefix + "burst");
        route::ProviderLimits limits{.requests = route::BucketTerms::per_minute(count("requests_per_minute"), burst_ms),
                                     .tokens = route::BucketTerms::per_minute(count("tokens_per_minute"), burst_ms),
                                     .concurrent_max = static_cast<uint32_t>(count("concurrent_requests"))};
        if (config.boolean(prefix + "adaptive"))
            limits.adaptive = adaptive_terms(limits.concurrent_max, count("adaptive_min"));
        const bool any = limits.requests.limits() || limits.tokens.limits() || limits.concurrent_max != 0;
        if (!any && !limits.adaptive.on()) continue;
        limits.state = targets.limits(provider.name);
        limits.state->configure(limits.requests, limits.tokens, monotonic_ns() / 1'000'000);
        provider.limits = std::make_shared<const route::ProviderLimits>(std::move(limits));
    }
}

void fill_queue_and_overload(const config::Config& config, proxy::Plan& plan) {
    plan.queue = {.max = static_cast<uint32_t>(config.integer("routing.queue.max")),
                  .timeout_ms = ms(config, "routing.queue.timeout")};
    plan.overload = {.lag_ms = ms(config, "overload.lag"),
                     .exchanges = static_cast<uint32_t>(config.integer("overload.exchanges")),
                     .bodies_share = config.decimal("overload.bodies")};
}

}  // namespace loom::app
