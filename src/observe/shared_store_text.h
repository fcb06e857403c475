// What several Looms share, in Prometheus' text format.
#pragma once

#include <cstdint>

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

/// Requests refused by a shared limit that may have room.
struct LeaseRefusals {
    uint64_t drawing = 0;  // more of it was being drawn
    uint64_t lost = 0;     // the store did not answer
};

/// Families loom_ai_shared_limits, loom_ai_lease_*, loom_ai_limit_store_*.
void write_leases(TextFormat& out, const LeaseFacts& facts, const LeaseRefusals& refused);
/// Families loom_shared_store_*.
void write_shared_store(TextFormat& out, const SharedStoreFacts& facts);

}  // namespace loom::observe
