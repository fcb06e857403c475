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
[[nodiscard]] size_t pick_cost(const Field& field) noexcept;

/// By terms.affinity, among those that the strategy would take first.
[[nodiscard]] size_t pick_sticky(const Field& field, bool& explored) noexcept;

// What strategies go by.
/// Infinite where there is no price.
[[nodiscard]] double cost_of(const Field& field, const Candidate& candidate) noexcept;
/// Microseconds; 0 where nothing is known.
[[nodiscard]] uint64_t latency_us_of(const Field& field, const Candidate& candidate) noexcept;

}  // namespace loom::route
