#include <algorithm>

#include "strategies.h"

namespace loom::route {
namespace {

constexpr uint64_t explorations_per_window = 8;
constexpr uint64_t first_look_ms = 1'000;  // between two requests to one of whom nothing is known yet

/// One request at a time is sent to who has not been heard of for long: the slow one of an hour ago may be the fastest
/// now, and nobody would know.
bool may_explore(const Field& field, const Candidate& candidate, bool unknown) noexcept {
    const uint64_t now_ms = field.terms.now_ms;
    const uint64_t pause_ms =
        unknown ? first_look_ms : std::max<uint64_t>(1, field.options.latency.window_ms / explorations_per_window);
    if (!unknown && candidate.model_state->latency()->of(field.terms.stream).idle_ms(now_ms) < pause_ms) return false;
    std::atomic<uint64_t>& explored_ms = candidate.model_state->explored_ms;
    uint64_t before = explored_ms.load(std::memory_order_relaxed);
    if (before != 0 && now_ms < before + pause_ms) return false;
    return explored_ms.compare_exchange_strong(before, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed);
}

}  // namespace

uint64_t latency_us_of(const Field& field, const Candidate& candidate) noexcept {
    if (candidate.model_state == nullptr || candidate.model_state->latency() == nullptr) return 0;
    return candidate.model_state->latency()->of(field.terms.stream).score(field.options.latency, field.terms.now_ms);
}

size_t pick_latency(const Field& field, bool& explored) noexcept {
    uint64_t least_us = UINT64_MAX;
    size_t best = 0;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const Candidate& one = field.at(i);
        if (one.model_state == nullptr || one.model_state->latency() == nullptr) continue;
        const uint64_t us = latency_us_of(field, one);
        if (may_explore(field, one, us == 0)) {
            explored = true;
            return i;
        }
        if (us == 0 || us >= least_us) continue;
        best = i;
        least_us = us;
    }
    return least_us == UINT64_MAX ? pick_round_robin(field) : best;
}

}  // namespace loom::route
