#include <algorithm>

#include "strategies.h"

namespace loom::route {

/// By place in the whole set, not among the eligible: who is away for a while does not shift the others' turns.
size_t pick_round_robin(const Field& field) noexcept {
    const uint32_t count = static_cast<uint32_t>(field.candidates.size());
    if (field.turn.next >= count) field.turn.next = 0;
    const auto from = std::ranges::lower_bound(field.eligible, field.turn.next);
    const auto chosen = from == field.eligible.end() ? field.eligible.begin() : from;
    field.turn.next = *chosen + 1u;
    return static_cast<size_t>(chosen - field.eligible.begin());
}

}  // namespace loom::route
