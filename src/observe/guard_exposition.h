// What guards have found and done, in Prometheus' text format.
#pragma once

#include <span>
#include <string>

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

/// By slot; the first of each is `other`.
struct GuardNames {
    std::span<const std::string> custom_types, external;
};

void write_guards(TextFormat& out, const GuardNames& names, std::span<const ShardMetrics* const> shards);

}  // namespace loom::observe
