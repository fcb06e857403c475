#include <algorithm>

#include "strategies.h"

namespace loom::route {
namespace {

constexpr uint64_t output_tokens_unknown = 512;  // of a model that has not answered yet, where its client sets no bound

/// What the model's answers have taken of late, as far as its client lets it.
uint64_t expected_output(const ChoiceTerms& terms, const Candidate& candidate) noexcept {
    const uint64_t bound = terms.output_tokens_max;
    const uint64_t learned = candidate.model_state != nullptr ? candidate.model_state->output_tokens.value() : 0;
    if (learned == 0) return bound != 0 ? bound : output_tokens_unknown;
    return bound != 0 ? std::min(learned, bound) : learned;
}

}  // namespace

std::optional<Money> cost_of(const Field& field, const Candidate& candidate) noexcept {
    const Price* const price = candidate.price_for(field.terms.model);
    if (price == nullptr) return std::nullopt;
    const uint64_t output = expected_output(field.terms, candidate);
    return price->cost({.input = field.terms.input_tokens, .output = output});
}

/// Who has no price comes behind all who have; of equals the first.
size_t pick_cost(const Field& field) noexcept {
    size_t best = 0;
    std::optional<Money> least;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const std::optional<Money> cost = cost_of(field, field.at(i));
        if (!cost || (least && *cost >= *least)) continue;
        best = i;
        least = cost;
    }
    return best;
}

}  // namespace loom::route
