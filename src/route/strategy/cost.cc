#include <limits>

#include "strategies.h"

namespace loom::route {

/// Who has no price comes behind all who have; of equals the first.
size_t pick_cost(const Field& field) noexcept {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    const auto input = static_cast<double>(field.terms.input_tokens);
    const auto output = static_cast<double>(field.terms.output_tokens);
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const std::optional<Price>& price = field.at(i).price;
        if (!price) continue;
        const double cost = input * price->input_per_1k + output * price->output_per_1k;
        if (cost >= least) continue;
        best = i;
        least = cost;
    }
    return best;
}

}  // namespace loom::route
