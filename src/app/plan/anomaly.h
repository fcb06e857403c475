// Which sudden changes are told, read from the configuration.
#pragma once

#include <optional>

#include "anomaly_watch.h"
#include "loom/config/config.h"

namespace loom::app {

/// Nothing where nobody looks for them.
[[nodiscard]] std::optional<AnomalyWatchOptions> anomaly_options(const config::Config& config);

}  // namespace loom::app
