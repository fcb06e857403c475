#include <algorithm>

#include "strategies.h"

namespace loom::route {
namespace {

constexpr uint64_t explorations_per_window = 8;
constexpr uint64_t first_look_ms = 1'000;  // between two requests to one of whom nothing is known yet

/// One request at a time is sent to who has not been heard of for long: the slow one of an hour ago may be the fastest
/// now, and nobody would know.
bool may_explore(const Field& field, const LatencyOptions& options, const LatencyWindow& window,
                 std::atomic<uint64_t>& explored_ms, bool unknown) noexcept {
    const uint64_t now_ms = field.terms.now_ms;
    const uint64_t pause_ms =
        unknown ? first_look_ms : std::max<uint64_t>(1, options.window_ms / explorations_per_window);
    if (!unknown && window.idle_ms(now_ms) < pause_ms) return false;
    uint64_t before = explored_ms.load(std::memory_order_relaxed);
    if (before != 0 && now_ms < before + pause_ms) return false;
    return explored_ms.compare_exchange_strong(before, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed);
}

}  // namespace

uint64_t score_of(const Field& field, const Candidate& candidate, const LatencyOptions& options,
                  WindowOf window_of) noexcept {
    TargetState* const state = candidate.model_state.get();
    if (state == nullptr || state->latency() == nullptr) return 0;
    return window_of(field, *state->latency()).score(options, field.terms.now_ms);
}

size_t pick_fastest(const Field& field, const LatencyOptions& options, WindowOf window_of, bool& explored) noexcept {
    uint64_t least = UINT64_MAX;
    size_t best = 0;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        TargetState* const state = field.at(i).model_state.get();
        if (state == nullptr || state->latency() == nullptr) continue;
        LatencyWindow& window = window_of(field, *state->latency());
        const uint64_t score = window.score(options, field.terms.now_ms);
        if (may_explore(field, options, window, state->explored_ms, score == 0)) {
            explored = true;
            return i;
        }
        if (score == 0 || score >= least) continue;
        best = i;
        least = score;
    }
    return least == UINT64_MAX ? pick_round_robin(field) : best;
}

}  // namespace loom::route
