// How often keys were asked for of late, in a few bits each: what decides who may stay (TinyLFU; Einziger, Friedman,
// Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 2017).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "loom/cache/fingerprint.h"

namespace loom::cache {

/// A count-min sketch of counters up to 15, all of which are halved after ten times as many notes as it has words: what
/// was popular and is not any more is forgotten.
class Frequency {
  public:
    /// entries  about so many keys are told apart; memory_bytes() says what that takes.
    explicit Frequency(size_t entries);
    void note(const Key& key) noexcept;
    /// 0 … 15; never less than what was noted since the last halving, up to 15.
    [[nodiscard]] uint32_t of(const Key& key) const noexcept;

    [[nodiscard]] static size_t memory_bytes(size_t entries) noexcept;
    static constexpr size_t words_max = 65'536;

  private:
    [[nodiscard]] size_t word_of(const Key& key, unsigned row) const noexcept;
    [[nodiscard]] static unsigned shift_of(const Key& key, unsigned row) noexcept;
    void halve() noexcept;

    std::vector<uint64_t> words_;  // of sixteen counters
    uint32_t notes_ = 0;
    uint32_t notes_max_;
};

}  // namespace loom::cache
