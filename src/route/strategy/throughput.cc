#include "strategies.h"

namespace loom::route {

/// The one whose streams bring their tokens fastest, whether or not this request is one.
size_t pick_throughput(const Field& field, bool& explored) noexcept {
    const auto per_token = [](const Field&, TargetLatency& latency) noexcept -> LatencyWindow& {
        return latency.per_token;
    };
    return pick_fastest(field, field.options.throughput, per_token, explored);
}

}  // namespace loom::route
