// A limit as a bucket that fills evenly: full, it holds what may come at once; empty, it lets in what has come in
// since. So of a limit L by the window W and a bucket of B, what is taken in any span of time t, less what is given
// back of it, is no more than B + L·t/W, and whoever always has something to send gets all of L. What turns out to be
// used beyond what was taken is owed, and paid before more is let in: of what is used, a span sees no more than that
// and the excess of those that were under way at once. Debts end after ten minutes. GCRA (ATM Forum, Traffic
// Management 4.0): the one word is the time at which the bucket will be full again.
#pragma once

#include <atomic>
#include <cstdint>

namespace loom {

/// A bucket of a configuration: how fast it fills, and how much it holds.
struct BucketTerms {
    uint64_t unit_ns = 0;   // in which one unit comes in; 0: there is no limit
    uint64_t capacity = 0;  // units

    static constexpr uint64_t limit_max = 100'000'000;  // a minute; what is more is no limit
    /// limit     units by the minute; 0: none.
    /// burst_ms  how much of it may come at once, 1ms..1m: at least one unit.
    [[nodiscard]] static BucketTerms per_minute(uint64_t limit, uint64_t burst_ms) noexcept;
    /// limit  units by the window; 0: none.      burst  units that may come at once: 1..limit.
    [[nodiscard]] static BucketTerms per_window(uint64_t limit, uint64_t window_ms, uint64_t burst) noexcept;
    [[nodiscard]] bool limits() const noexcept { return unit_ns != 0; }
    /// What is more than a bucket holds goes when it is full, and empties it: the provider knows better.
    [[nodiscard]] uint64_t cost_ns(uint64_t units) const noexcept {
        return (units < capacity ? units : capacity) * unit_ns;
    }
    [[nodiscard]] uint64_t capacity_ns() const noexcept { return capacity * unit_ns; }
    bool operator==(const BucketTerms&) const = default;
};

/// Shared by all shards. Times are a monotonic clock's milliseconds, the same for all.
class Bucket {
  public:
    [[nodiscard]] bool admits(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
        return !terms.limits() || wait_ns(terms, now_ms, units) == 0;
    }
    /// False, and nothing taken, where it does not hold so many.
    [[nodiscard]] bool take(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept;
    /// What was taken and not used: `units` of one take. They are there at once, for those who have come since too:
    /// where the bucket had filled up meanwhile and was drawn from again, more than it holds was in it for that time.
    void give_back(const BucketTerms& terms, uint64_t units) noexcept;
    /// What was used beyond what was taken, all of it: the bucket owes what it does not hold, until debt_ms_max from
    /// now at the latest, or as long as it takes to fill.
    void charge(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept;
    /// Until it admits so many, if nobody else comes; 0: now.
    [[nodiscard]] uint64_t wait_ms(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept;
    /// Units that it holds now.
    [[nodiscard]] uint64_t level(const BucketTerms& terms, uint64_t now_ms) const noexcept;
    /// Its terms are others from now on: it is empty at worst, and owes nothing, which it would by those before.
    void forgive(const BucketTerms& terms, uint64_t now_ms) noexcept;
    /// It is full, whatever was taken.
    void refill() noexcept { full_at_ns_.store(0, std::memory_order_relaxed); }

    static constexpr uint64_t debt_ms_max = 600'000;

  private:
    [[nodiscard]] uint64_t wait_ns(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept;
    /// The word, if it is no later than that, else that, which it is then: a clock that jumps must not close it for
    /// ever.
    uint64_t cut_to(uint64_t latest_ns) const noexcept;
    [[nodiscard]] static uint64_t latest_ns(const BucketTerms& terms, uint64_t now_ns) noexcept;

    mutable std::atomic<uint64_t> full_at_ns_{0};
};

}  // namespace loom
