// What an operator says of a provider while Loom runs, beside what the conf says: its weight, and whether it takes
// requests. One word for all shards; a reload finds it again by the provider's name.
#pragma once

#include <atomic>
#include <cstdint>

namespace loom::route {

/// All that is said of a provider, unpacked.
struct ProviderTerms {
    uint32_t configured = 1;  // provider.NAME.weight
    uint32_t given = 0;       // by an operator, where is_given
    bool is_given = false;
    bool drained = false;   // by an operator: it takes no new requests
    bool disabled = false;  // it is asked nothing at all, not even for what it stores

    /// That it has when it takes requests; 0: the conf or an operator has drained it.
    [[nodiscard]] uint32_t wanted_weight() const noexcept { return is_given ? given : configured; }
    [[nodiscard]] uint32_t weight() const noexcept { return drained || disabled ? 0 : wanted_weight(); }
    bool operator==(const ProviderTerms&) const = default;
};

class ProviderControl {
  public:
    static constexpr uint32_t weight_max = 1'000'000;  // the range of provider.NAME.weight

    explicit ProviderControl(uint32_t configured) noexcept : word_(pack({.configured = configured})) {}

    [[nodiscard]] ProviderTerms terms() const noexcept { return unpack(word_.load(std::memory_order_relaxed)); }
    /// For the request path. 0: it takes no new request.
    [[nodiscard]] uint32_t weight() const noexcept { return terms().weight(); }

    // For the operator. Each takes effect at once, for every shard, and returns what is in force then.
    ProviderTerms set_drained(bool drained) noexcept;
    ProviderTerms set_disabled(bool disabled) noexcept;
    ProviderTerms set_weight(uint32_t weight) noexcept;
    /// After a reload: a weight that the conf has changed is the last word, and ends what an operator has said. One
    /// that it has not leaves that as it is.
    void configure(uint32_t weight) noexcept;

  private:
    template <class Change>
    ProviderTerms change(Change what) noexcept;
    [[nodiscard]] static uint64_t pack(const ProviderTerms& terms) noexcept;
    [[nodiscard]] static ProviderTerms unpack(uint64_t word) noexcept {
        return {.configured = static_cast<uint32_t>(word & weight_mask),
                .given = static_cast<uint32_t>(word >> weight_bits & weight_mask),
                .is_given = (word & given_bit) != 0,
                .drained = (word & drained_bit) != 0,
                .disabled = (word & disabled_bit) != 0};
    }

    static constexpr uint32_t weight_bits = 20;
    static constexpr uint64_t weight_mask = (uint64_t{1} << weight_bits) - 1;
    static_assert(weight_max <= weight_mask);
    static constexpr uint64_t given_bit = uint64_t{1} << 40;
    static constexpr uint64_t drained_bit = uint64_t{1} << 41;
    static constexpr uint64_t disabled_bit = uint64_t{1} << 42;

    std::atomic<uint64_t> word_;
};

}  // namespace loom::route
