#include <limits>

#include "strategies.h"

namespace loom::route {

double cost_of(const Field& field, const Candidate& candidate) noexcept {
    if (!candidate.price) return std::numeric_limits<double>::infinity();
    return static_cast<double>(field.terms.input_tokens) * candidate.price->input_per_1k +
           static_cast<double>(field.terms.output_tokens) * candidate.price->output_per_1k;
}

/// Who has no price comes behind all who have; of equals the first.
size_t pick_cost(const Field& field) noexcept {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const double cost = cost_of(field, field.at(i));
        if (cost >= least) continue;
        best = i;
        least = cost;
    }
    return best;
}

}  // namespace loom::route
