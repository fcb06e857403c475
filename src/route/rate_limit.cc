#include "loom/route/rate_limit.h"

#include <algorithm>
#include <utility>

namespace loom::route {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint64_t minute_ms = 60'000;
constexpr uint64_t debt_ns_max = Bucket::debt_ms_max * ns_per_ms;

}  // namespace

BucketTerms BucketTerms::per_minute(uint64_t limit, uint64_t burst_ms) noexcept {
    if (limit == 0) return {};
    limit = std::min(limit, limit_max);
    // Rounded up: by a nanosecond a unit, it lets in less.
    return {.unit_ns = (minute_ms * ns_per_ms + limit - 1) / limit,
            .capacity = std::max<uint64_t>(1, limit * std::min(burst_ms, minute_ms) / minute_ms)};
}

uint64_t Bucket::cut_to(uint64_t latest_ns) const noexcept {
    uint64_t full_at_ns = full_at_ns_.load(std::memory_order_relaxed);
    while (full_at_ns > latest_ns)
        if (full_at_ns_.compare_exchange_weak(full_at_ns, latest_ns, std::memory_order_relaxed)) return latest_ns;
    return full_at_ns;
}

uint64_t Bucket::wait_ns(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t after_ns = std::max(cut_to(now_ns + debt_ns_max), now_ns) + terms.cost_ns(units) - now_ns;
    return after_ns > terms.capacity_ns() ? after_ns - terms.capacity_ns() : 0;
}

uint64_t Bucket::wait_ms(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
    return terms.limits() ? (wait_ns(terms, now_ms, units) + ns_per_ms - 1) / ns_per_ms : 0;
}

bool Bucket::take(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    if (!terms.limits()) return true;
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t cost_ns = terms.cost_ns(units);
    uint64_t full_at_ns = cut_to(now_ns + debt_ns_max);
    for (;;) {
        const uint64_t next_ns = std::max(full_at_ns, now_ns) + cost_ns;
        if (next_ns - now_ns > terms.capacity_ns()) return false;
        if (full_at_ns_.compare_exchange_weak(full_at_ns, next_ns, std::memory_order_relaxed)) return true;
    }
}

/// A word in the past is a full bucket, however far it lies there. One that was cut may be less than all that was
/// taken.
void Bucket::give_back(const BucketTerms& terms, uint64_t units) noexcept {
    if (!terms.limits()) return;
    const uint64_t cost_ns = terms.cost_ns(units);
    uint64_t full_at_ns = full_at_ns_.load(std::memory_order_relaxed);
    while (!full_at_ns_.compare_exchange_weak(full_at_ns, full_at_ns - std::min(full_at_ns, cost_ns),
                                              std::memory_order_relaxed)) {
    }
}

void Bucket::charge(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    if (!terms.limits()) return;
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t latest_ns = now_ns + debt_ns_max;
    const uint64_t cost_ns = std::min(units, debt_ns_max / terms.unit_ns + 1) * terms.unit_ns;
    uint64_t full_at_ns = cut_to(latest_ns);
    for (;;) {
        const uint64_t next_ns = std::min(std::max(full_at_ns, now_ns) + cost_ns, latest_ns);
        if (next_ns <= full_at_ns) return;
        if (full_at_ns_.compare_exchange_weak(full_at_ns, next_ns, std::memory_order_relaxed)) return;
    }
}

uint64_t Bucket::level(const BucketTerms& terms, uint64_t now_ms) const noexcept {
    if (!terms.limits()) return 0;
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t missing_ns = std::max(full_at_ns_.load(std::memory_order_relaxed), now_ns) - now_ns;
    return missing_ns < terms.capacity_ns() ? (terms.capacity_ns() - missing_ns) / terms.unit_ns : 0;
}

void Bucket::forgive(const BucketTerms& terms, uint64_t now_ms) noexcept {
    cut_to(now_ms * ns_per_ms + terms.capacity_ns());
}

bool ProviderLimits::admits(uint64_t now_ms, uint64_t token_count) const noexcept {
    if (concurrent_max != 0 && state->concurrent.load(std::memory_order_relaxed) >= concurrent_max) return false;
    return state->requests.admits(requests, now_ms, 1) && state->tokens.admits(tokens, now_ms, token_count);
}

uint64_t ProviderLimits::wait_ms(uint64_t now_ms, uint64_t token_count) const noexcept {
    const bool full = concurrent_max != 0 && state->concurrent.load(std::memory_order_relaxed) >= concurrent_max;
    return std::max(bucket_wait_ms(now_ms, token_count, 0), full ? concurrency_wait_ms : 0);
}

uint64_t ProviderLimits::bucket_wait_ms(uint64_t now_ms, uint64_t token_count, uint64_t ahead) const noexcept {
    return std::max(state->requests.wait_ms(requests, now_ms, 1) + ahead * requests.unit_ns / ns_per_ms,
                    state->tokens.wait_ms(tokens, now_ms, token_count));
}

void LimitState::wait(uint8_t priority, int by) noexcept {
    waiting_[priority].fetch_add(static_cast<uint32_t>(by), std::memory_order_relaxed);
    waiting_count_.fetch_add(static_cast<uint32_t>(by), std::memory_order_relaxed);
}

void LimitState::configure(const BucketTerms& requests_terms, const BucketTerms& tokens_terms,
                           uint64_t now_ms) noexcept {
    if (requests_terms != std::exchange(requests_terms_, requests_terms)) requests.forgive(requests_terms, now_ms);
    if (tokens_terms != std::exchange(tokens_terms_, tokens_terms)) tokens.forgive(tokens_terms, now_ms);
}

bool LimitState::waited_for_from(uint8_t from_class) const noexcept {
    return std::any_of(waiting_.begin() + std::min(from_class, priority_classes), waiting_.end(),
                       [](const auto& count) { return count.load(std::memory_order_relaxed) != 0; });
}

bool enter(const ProviderLimits& limits, uint64_t now_ms, uint64_t token_count, LimitPass& pass) noexcept {
    LimitState& state = *limits.state;
    uint32_t under_way = state.concurrent.load(std::memory_order_relaxed);
    do {
        if (limits.concurrent_max != 0 && under_way >= limits.concurrent_max) return false;
    } while (!state.concurrent.compare_exchange_weak(under_way, under_way + 1, std::memory_order_relaxed));
    if (state.requests.take(limits.requests, now_ms, 1)) {
        if (state.tokens.take(limits.tokens, now_ms, token_count)) {
            pass = {.of = &limits, .tokens = token_count};
            return true;
        }
        state.requests.give_back(limits.requests, 1);
    }
    state.concurrent.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

void leave(LimitPass& pass, uint64_t now_ms, Spent spent) noexcept {
    const ProviderLimits* const limits = std::exchange(pass.of, nullptr);
    if (limits == nullptr) return;
    LimitState& state = *limits->state;
    state.concurrent.fetch_sub(1, std::memory_order_relaxed);
    if (!spent.asked) {
        state.requests.give_back(limits->requests, 1);
        return state.tokens.give_back(limits->tokens, pass.tokens);
    }
    if (!spent.tokens || !limits->tokens.limits()) return;
    const uint64_t taken = std::min(pass.tokens, limits->tokens.capacity);
    if (*spent.tokens < taken)
        state.tokens.give_back(limits->tokens, taken - *spent.tokens);
    else
        state.tokens.charge(limits->tokens, now_ms, *spent.tokens - taken);
}

}  // namespace loom::route
