#include "strategies.h"

namespace loom::route {
namespace {

LatencyWindow& per_token(const Field&, TargetLatency& latency) noexcept { return latency.per_token; }

}  // namespace

uint64_t pace_of(const Field& field, const Candidate& candidate) noexcept {
    return score_of(field, candidate, field.options.throughput, per_token);
}

/// The one whose streams bring their tokens fastest, whether or not this request is one.
size_t pick_throughput(const Field& field, bool& explored) noexcept {
    return pick_fastest(field, field.options.throughput, per_token, explored);
}

}  // namespace loom::route
