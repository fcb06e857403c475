// How much a provider may be asked: requests and tokens by the minute, and requests at once. One row for all shards, in
// words that are changed by compare and swap.
//
// A limit by the minute is a bucket that fills evenly (base/token_bucket.h), as providers keep it themselves (OpenAI,
// Anthropic).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "loom/base/token_bucket.h"
#include "loom/route/adaptive_limit.h"

namespace loom::route {

using loom::Bucket;
using loom::BucketTerms;

/// Classes of requests: 9 goes first, 0 last.
inline constexpr uint8_t priority_classes = 10;
inline constexpr uint8_t priority_default = 5;
inline constexpr uint8_t priority_lowest = 0;

/// Lines of its own: what is written for each request, in the first of them, keeps no other's reader waiting. A reload
/// finds it again.
struct alignas(64) LimitState {
    Bucket requests;
    Bucket tokens;
    std::atomic<uint32_t> concurrent{0};  // under way, of all shards
    alignas(64) AdaptiveLimit adaptive;   // of those, where a configuration has it learned
    TimeBaselines times;                  // of requests that name no model

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
    AdaptiveTerms adaptive;
    std::shared_ptr<LimitState> state;

    /// Under way at once, as it is now; 0: any number.
    [[nodiscard]] uint32_t concurrency() const noexcept {
        return adaptive.on() ? state->adaptive.limit(adaptive) : concurrent_max;
    }

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
