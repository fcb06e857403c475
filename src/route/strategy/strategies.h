// One function for each strategy: which of those who may take a request does.
#pragma once

#include <span>

#include "loom/route/choose.h"

namespace loom::route {

/// Who may take a request, and what a strategy may look at.
struct Field {
    const ChoiceOptions& options;
    const ChoiceTerms& terms;
    std::span<const Candidate> candidates;
    std::span<const uint16_t> eligible;  // of the candidates, in their order; never empty
    Turn& turn;
    Random& random;

    [[nodiscard]] const Candidate& at(size_t position) const noexcept { return candidates[eligible[position]]; }
};

// Each returns a position in `eligible`.
[[nodiscard]] size_t pick_round_robin(const Field& field) noexcept;
[[nodiscard]] size_t pick_weighted(const Field& field) noexcept;
[[nodiscard]] size_t pick_random(const Field& field) noexcept;
[[nodiscard]] size_t pick_least_connections(const Field& field) noexcept;
/// explored  set when the choice is to see how it does.
[[nodiscard]] size_t pick_latency(const Field& field, bool& explored) noexcept;
[[nodiscard]] size_t pick_throughput(const Field& field, bool& explored) noexcept;
[[nodiscard]] size_t pick_cost(const Field& field) noexcept;

/// The one with the lowest score in the window that `window_of` finds; now and then one that was not heard of for long.
using WindowOf = LatencyWindow& (*)(const Field&, TargetLatency&) noexcept;
[[nodiscard]] size_t pick_fastest(const Field& field, const LatencyOptions& options, WindowOf window_of,
                                  bool& explored) noexcept;

}  // namespace loom::route
