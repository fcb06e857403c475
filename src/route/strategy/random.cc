#include "strategies.h"

namespace loom::route {

size_t pick_random(const Field& field) noexcept {
    uint64_t total = 0;
    for (size_t i = 0; i < field.eligible.size(); ++i) total += field.at(i).weight_now();
    uint64_t left = total == 0 ? 0 : field.random.next() % total;
    for (size_t i = 0; i < field.eligible.size(); ++i) {
        const uint32_t weight = field.at(i).weight_now();
        if (left < weight) return i;
        left -= weight;
    }
    return 0;
}

}  // namespace loom::route
