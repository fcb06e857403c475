// What is told of sudden changes, in Prometheus' text format.
#pragma once

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

/// Families loom_anomaly_*.
void write_anomalies(TextFormat& out, const AnomalyCounts& counts);

}  // namespace loom::observe
