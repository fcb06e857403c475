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
/// What it goes by; 0 where nothing is known.
[[nodiscard]] uint64_t score_of(const Field& field, const Candidate& candidate, const LatencyOptions& options,
                                WindowOf window_of) noexcept;

/// By terms.affinity, among those that the strategy would take first.
[[nodiscard]] size_t pick_sticky(const Field& field, bool& explored) noexcept;

/// Where it would be taken, were it idle. Looks and explores nothing.
[[nodiscard]] size_t sticky_home(const Field& field) noexcept;

/// Would a strategy that goes by order take this one as soon as the first? The others only spread.
[[nodiscard]] inline bool stands_first(const ChoiceTerms& terms, const Candidate& one,
                                       const Candidate& first) noexcept {
    if (!goes_by_order(terms.strategy)) return true;
    return terms.order.empty() ? one.priority == first.priority : &one == &first;
}

// What strategies go by, of one that may take the request.
/// Nothing where there is no price.
[[nodiscard]] std::optional<Money> cost_of(const Field& field, const Candidate& candidate) noexcept;
/// Microseconds to the first token, or to the answer; 0 where nothing is known.
[[nodiscard]] uint64_t latency_of(const Field& field, const Candidate& candidate) noexcept;
/// Nanoseconds for a token; 0 likewise.
[[nodiscard]] uint64_t pace_of(const Field& field, const Candidate& candidate) noexcept;

}  // namespace loom::route
