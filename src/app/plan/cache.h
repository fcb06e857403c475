// What a conf file says of answers that are kept, as the proxy takes it.
#pragma once

#include <memory>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Null where none are.
[[nodiscard]] std::shared_ptr<const proxy::CachePlan> cache_plan(const config::Config& config);

}  // namespace loom::app
