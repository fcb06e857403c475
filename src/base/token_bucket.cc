#include "loom/base/token_bucket.h"

#include <algorithm>

namespace loom {
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

BucketTerms BucketTerms::per_window(uint64_t limit, uint64_t window_ms, uint64_t burst) noexcept {
    if (limit == 0) return {};
    // Of more than the limit, which no window sees, the time to fill would be no number any more.
    return {.unit_ns = (window_ms * ns_per_ms + limit - 1) / limit, .capacity = std::clamp<uint64_t>(burst, 1, limit)};
}

uint64_t Bucket::latest_ns(const BucketTerms& terms, uint64_t now_ns) noexcept {
    return now_ns + std::max(debt_ns_max, terms.capacity_ns());
}

uint64_t Bucket::cut_to(uint64_t latest_ns) const noexcept {
    uint64_t full_at_ns = full_at_ns_.load(std::memory_order_relaxed);
    while (full_at_ns > latest_ns)
        if (full_at_ns_.compare_exchange_weak(full_at_ns, latest_ns, std::memory_order_relaxed)) return latest_ns;
    return full_at_ns;
}

uint64_t Bucket::wait_ns(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t after_ns = std::max(cut_to(latest_ns(terms, now_ns)), now_ns) + terms.cost_ns(units) - now_ns;
    return after_ns > terms.capacity_ns() ? after_ns - terms.capacity_ns() : 0;
}

uint64_t Bucket::wait_ms(const BucketTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
    return terms.limits() ? (wait_ns(terms, now_ms, units) + ns_per_ms - 1) / ns_per_ms : 0;
}

bool Bucket::take(const BucketTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    if (!terms.limits()) return true;
    const uint64_t now_ns = now_ms * ns_per_ms;
    const uint64_t cost_ns = terms.cost_ns(units);
    uint64_t full_at_ns = cut_to(latest_ns(terms, now_ns));
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
    const uint64_t latest = latest_ns(terms, now_ns);
    const uint64_t cost_ns = std::min(units, (latest - now_ns) / terms.unit_ns + 1) * terms.unit_ns;
    uint64_t full_at_ns = cut_to(latest);
    for (;;) {
        const uint64_t next_ns = std::min(std::max(full_at_ns, now_ns) + cost_ns, latest);
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

}  // namespace loom
