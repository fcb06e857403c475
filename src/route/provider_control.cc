#include "loom/route/provider_control.h"

#include "loom/base/assert.h"

namespace loom::route {

uint64_t ProviderControl::pack(const ProviderTerms& terms) noexcept {
    LOOM_ASSERT(terms.configured <= weight_max && terms.given <= weight_max);
    return terms.configured | uint64_t{terms.given} << weight_bits | (terms.is_given ? given_bit : 0) |
           (terms.drained ? drained_bit : 0) | (terms.disabled ? disabled_bit : 0);
}

template <class Change>
ProviderTerms ProviderControl::change(Change what) noexcept {
    uint64_t before = word_.load(std::memory_order_relaxed);
    for (;;) {
        ProviderTerms terms = unpack(before);
        what(terms);
        if (word_.compare_exchange_weak(before, pack(terms), std::memory_order_relaxed)) return terms;
    }
}

ProviderTerms ProviderControl::set_drained(bool drained) noexcept {
    return change([drained](ProviderTerms& terms) { terms.drained = drained; });
}

ProviderTerms ProviderControl::set_disabled(bool disabled) noexcept {
    return change([disabled](ProviderTerms& terms) { terms.disabled = disabled; });
}

ProviderTerms ProviderControl::set_weight(uint32_t weight) noexcept {
    return change([weight](ProviderTerms& terms) {
        terms.given = weight;
        terms.is_given = true;
    });
}

void ProviderControl::configure(uint32_t weight) noexcept {
    change([weight](ProviderTerms& terms) {
        if (terms.configured != weight) terms = {.configured = weight};
    });
}

}  // namespace loom::route
