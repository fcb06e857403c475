#include "strategies.h"

namespace loom::route {
namespace {

LatencyWindow& of_its_kind(const Field& field, TargetLatency& latency) noexcept {
    return latency.of(field.terms.stream);
}

}  // namespace

uint64_t latency_of(const Field& field, const Candidate& candidate) noexcept {
    return score_of(field, candidate, field.options.latency, of_its_kind);
}

size_t pick_latency(const Field& field, bool& explored) noexcept {
    return pick_fastest(field, field.options.latency, of_its_kind, explored);
}

}  // namespace loom::route
