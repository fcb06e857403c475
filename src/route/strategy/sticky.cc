#include <algorithm>
#include <array>

#include "strategies.h"

namespace loom::route {
namespace {

constexpr uint64_t nearly_percent = 150;  // of the least latency: what is as good as that

/// Positions in a field, in its order.
struct Positions {
    std::array<uint16_t, candidates_max> at;
    size_t count = 0;

    template <class Fits>
    void keep(const Field& field, Fits fits) noexcept {
        for (size_t i = 0; i < field.eligible.size(); ++i)
            if (fits(field.at(i))) at[count++] = static_cast<uint16_t>(i);
    }
};

/// Those that the strategy would take first.
void keep_first(const Field& field, bool& explored, Positions& first) noexcept {
    switch (field.terms.strategy) {
        case Strategy::priority: {
            const int32_t priority = field.at(0).priority;
            return first.keep(field, [priority](const Candidate& one) { return one.priority == priority; });
        }
        case Strategy::cost: {
            const double least = cost_of(field, field.at(pick_cost(field)));
            return first.keep(field, [&](const Candidate& one) { return cost_of(field, one) == least; });
        }
        case Strategy::latency: {
            const size_t fastest = pick_latency(field, explored);
            const uint64_t least_us = latency_us_of(field, field.at(fastest));
            if (explored) {
                first.at[0] = static_cast<uint16_t>(fastest);
                first.count = 1;
                return;
            }
            return first.keep(field, [&](const Candidate& one) {
                const uint64_t us = latency_us_of(field, one);
                return least_us == 0 || (us != 0 && us <= least_us * nearly_percent / 100);
            });
        }
        default: return first.keep(field, [](const Candidate&) { return true; });
    }
}

}  // namespace

size_t pick_sticky(const Field& field, bool& explored) noexcept {
    Positions first;
    keep_first(field, explored, first);
    if (first.count == 1) return first.at[0];
    std::array<AffinityMember, candidates_max> members;
    for (size_t i = 0; i < first.count; ++i) {
        const Candidate& one = field.at(first.at[i]);
        const TargetState* const state = one.provider_state.get();
        const int64_t load = state == nullptr ? 0 : state->in_flight.load(std::memory_order_relaxed);
        // An operator may have drained it since it was found eligible.
        members[i] = {.identity = one.identity, .weight = std::max(1u, one.weight_now()), .load = load};
    }
    const size_t chosen =
        pick_by_affinity(field.terms.affinity, {members.data(), first.count}, field.options.load_factor);
    return first.at[chosen];
}

}  // namespace loom::route
