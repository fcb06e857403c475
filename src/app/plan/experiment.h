// What a conf file says of experiments, as the proxy takes it.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Fills plan.experiments; the catalogue is there. An arm that leads to nobody is told in `messages`.
void fill_experiments(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics,
                      std::vector<std::string>& messages);

/// A share in millionths.
[[nodiscard]] uint32_t share_ppm(double share) noexcept;

/// The arms of all experiments, their controls too.
[[nodiscard]] size_t arm_count(const proxy::Plan& plan);

}  // namespace loom::app
