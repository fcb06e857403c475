#include <algorithm>

#include "strategies.h"

namespace loom::route {

/// Those that are equal take turns: at little traffic all of them are.
size_t pick_least_connections(const Field& field) noexcept {
    const size_t count = field.eligible.size();
    const size_t first = pick_round_robin(field);
    size_t best = first;
    double least = 0;
    for (size_t n = 0; n < count; ++n) {
        const size_t i = first + n < count ? first + n : first + n - count;
        const Candidate& one = field.at(i);
        const int64_t under_way =
            one.provider_state != nullptr ? one.provider_state->in_flight.load(std::memory_order_relaxed) : 0;
        const double load = static_cast<double>(under_way) / std::max(one.weight_now(), 1u);
        if (n > 0 && load >= least) continue;
        best = i;
        least = load;
    }
    return best;
}

}  // namespace loom::route
