// What a conf file says of requests that belong together, as the proxy takes it.
#pragma once

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Fills plan.sticky and what each of plan.routes goes by.
void fill_sticky(const config::Config& config, proxy::Plan& plan);
/// Does any route keep requests together?
[[nodiscard]] bool any_sticky(const proxy::Plan& plan);

}  // namespace loom::app
