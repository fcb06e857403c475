// How much a provider may be asked: requests and tokens by the minute, and requests at once. One row for all shards, in
// words that are changed by compare and swap.
//
// A limit by the minute is a bucket that fills evenly, as providers keep it themselves (OpenAI, Anthropic): full, it
// holds what may come at once; empty, it lets in what has come in since. So of a limit L and a bucket of B, what is
// taken in any span of time t, less what is given back of it, is no more than B + L·t/1min, and whoever always has
// something to send gets all of L. What turns out to be used beyond what was taken is owed, and paid before more is let
// in: of what is used, a span sees no more than that and the excess of those that were under way at once. Debts end
// after ten minutes. GCRA (ATM Forum, Traffic Management 4.0): the one word is the time at which the bucket will be
// full again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace loom::route {

/// Classes of requests: 9 goes first, 0 last.
inline constexpr uint8_t priority_classes = 10;
inline constexpr uint8_t priority_default = 5;
inline constexpr uint8_t priority_lowest = 0;

/// A bucket of a configuration: how fast it fills, and how much it holds.
struct BucketTerms {
    uint64_t unit_ns = 0;   // in which one unit comes in; 0: there is no limit
    uint64_t capacity = 0;  // units

    static constexpr uint64_t limit_max = 100'000'000;  // a minute; what is more is no limit
    /// limit     units by the minute; 0: none.
    /// burst_ms  how much of it may come at once, 1ms..1m: at least one unit.
    [[nodiscard]] static BucketTerms per_minute(uint64_t limit, uint64_t burst_ms) noexcept;
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
    /// now at the latest.
    void charge(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept;
    /// Until it admits so many, if nobody else comes; 0: now.
    [[nodiscard]] uint64_t wait_ms(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept;
    /// Units that it holds now.
    [[nodiscard]] uint64_t level(const BucketTerms& terms, uint64_t now_ms) const noexcept;
    /// Its terms are others from now on: it is empty at worst, and owes nothing, which it would by those before.
    void forgive(const BucketTerms& terms, uint64_t now_ms) noexcept;

    static constexpr uint64_t debt_ms_max = 600'000;

  private:
    [[nodiscard]] uint64_t wait_ns(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept;
    /// The word, if it is no later than that, else that, which it is then: a clock that jumps must not close it for
    /// ever.
    uint64_t cut_to(uint64_t latest_ns) const noexcept;

    mutable std::atomic<uint64_t> full_at_ns_{0};
};

/// Lines of its own: what is written for each request, in the first of them, keeps no other's reader waiting. A reload
/// finds it again.
struct alignas(64) LimitState {
    Bucket requests;
    Bucket tokens;
    std::atomic<uint32_t> concurrent{0};  // under way, of all shards

    /// Requests that wait for it, of all shards and of this class: one more, or one less.
    void wait(uint8_t priority, int by) noexcept;
    /// The terms of a configuration that shares it from now on. Of the thread that builds configurations, on the clock
    /// of the shards.
    void configure(const BucketTerms& requests_terms, const BucketTerms& tokens_terms, uint64_t now_ms) noexcept;
    /// Does anybody of this class or a higher one wait?
    [[nodiscard]] bool waited_for(uint8_t from_class) const noexcept {
        return waiting_count_.load(std::memory_order_relaxed) != 0 && waited_for_from(from_class);
    }

  private:
    [[nodiscard]] bool waited_for_from(uint8_t from_class) const noexcept;

    std::atomic<uint32_t> waiting_count_{0};
    std::array<std::atomic<uint32_t>, priority_classes> waiting_{};
    BucketTerms requests_terms_;  // of the newest configuration
    BucketTerms tokens_terms_;
};

/// What a configuration allows of one provider. Immutable, but for the row that it shares with those before it.
struct ProviderLimits {
    BucketTerms requests;
    BucketTerms tokens;
    uint32_t concurrent_max = 0;  // 0: any number
    std::shared_ptr<LimitState> state;

    /// tokens  that the request is expected to take, of prompt and answer.
    [[nodiscard]] bool admits(uint64_t now_ms, uint64_t token_count) const noexcept;
    /// Until it may be asked, if nobody else is before; 0: now. When one of those under way will end, nobody knows: a
    /// second is said then.
    [[nodiscard]] uint64_t wait_ms(uint64_t now_ms, uint64_t token_count) const noexcept;
    static constexpr uint64_t concurrency_wait_ms = 1'000;
    /// The same as far as its buckets tell, and behind so many other requests.
    [[nodiscard]] uint64_t bucket_wait_ms(uint64_t now_ms, uint64_t token_count, uint64_t ahead) const noexcept;
};

/// What an attempt has taken of its provider's limits: to be given back by `leave`, once.
struct LimitPass {
    const ProviderLimits* of = nullptr;  // of the configuration that the attempt holds; null: nothing was taken
    uint64_t tokens = 0;
};

/// What an attempt used.
struct Spent {
    bool asked = false;              // not: the provider has not heard of it, and all is given back
    std::optional<uint64_t> tokens;  // nothing: nobody knows, and what was reserved stays spent
};

/// Takes a request, its tokens and its place among those under way; nothing of it where one of them is not to be had.
[[nodiscard]] bool enter(const ProviderLimits& limits, uint64_t now_ms, uint64_t token_count, LimitPass& pass) noexcept;
/// Gives back the place, and settles what was reserved with what was used. Once for a pass; again is nothing.
void leave(LimitPass& pass, uint64_t now_ms, Spent spent) noexcept;

}  // namespace loom::route
