#include "strategies.h"

namespace loom::route {

size_t pick_latency(const Field& field, bool& explored) noexcept {
    const auto of_its_kind = [](const Field& asked, TargetLatency& latency) noexcept -> LatencyWindow& {
        return latency.of(asked.terms.stream);
    };
    return pick_fastest(field, field.options.latency, of_its_kind, explored);
}

}  // namespace loom::route
