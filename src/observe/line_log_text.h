// Logs of lines, in Prometheus' text format.
#pragma once

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

/// Families loom_access_log_*, loom_audit_log_*.
void write_line_logs(TextFormat& out, const LineLogFacts& access, const LineLogFacts& audit);

}  // namespace loom::observe
