#include "strategies.h"

namespace loom::route {

/// Smooth weighted turns (nginx): each gains its weight, the richest is chosen and pays for all. With 5, 1, 1 that is
/// a a b a c a a, and not five in a row.
size_t pick_weighted(const Field& field) noexcept {
    int64_t total = 0;
    size_t best = 0;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        int64_t& credit = field.turn.credits[field.eligible[i]];
        const uint32_t weight = field.at(i).weight_now();
        credit += weight;
        total += weight;
        if (credit > field.turn.credits[field.eligible[best]]) best = i;
    }
    field.turn.credits[field.eligible[best]] -= total;
    return best;
}

}  // namespace loom::route
