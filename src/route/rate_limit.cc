#include "loom/route/rate_limit.h"

#include <algorithm>
#include <utility>

namespace loom::route {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;

}  // namespace

bool ProviderLimits::admits(uint64_t now_ms, uint64_t token_count) const noexcept {
    const uint32_t most = concurrency();
    if (most != 0 && state->concurrent.load(std::memory_order_relaxed) >= most) return false;
    return state->requests.admits(requests, now_ms, 1) && state->tokens.admits(tokens, now_ms, token_count);
}

uint64_t ProviderLimits::wait_ms(uint64_t now_ms, uint64_t token_count) const noexcept {
    const uint32_t most = concurrency();
    const bool full = most != 0 && state->concurrent.load(std::memory_order_relaxed) >= most;
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
    const uint32_t most = limits.concurrency();
    uint32_t under_way = state.concurrent.load(std::memory_order_relaxed);
    do {
        if (most != 0 && under_way >= most) return false;
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
