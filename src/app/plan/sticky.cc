#include "plan/sticky.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::app {

void fill_sticky(const config::Config& config, proxy::Plan& plan) {
    plan.sticky = {.prefix_bytes = static_cast<uint32_t>(config.bytes("routing.sticky.prefix_bytes")),
                   .adds_cache_key = config.boolean("routing.sticky.prompt_cache_key")};
    for (proxy::RoutePlan& route : plan.routes) {
        const auto own = fmt::format("route.{}.sticky", route.name);
        const auto terms = route::parse_affinity(config.text(config.has(own) ? own : "routing.sticky"));
        if (terms && route.ai) route.sticky = *terms;  // what is none was refused by the checks
    }
}

bool any_sticky(const proxy::Plan& plan) {
    return std::ranges::any_of(plan.routes,
                               [](const auto& route) { return route.sticky.by != route::AffinityBy::off; });
}

}  // namespace loom::app
