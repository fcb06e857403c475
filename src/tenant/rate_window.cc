#include "loom/tenant/rate_window.h"

#include <algorithm>

namespace loom::tenant {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint64_t units_max = UINT32_MAX;  // that a slice counts

constexpr uint64_t word_of(uint32_t slice, uint64_t units) noexcept {
    return uint64_t{slice} << 32 | std::min(units, units_max);
}
constexpr uint32_t slice_of(uint64_t word) noexcept { return static_cast<uint32_t>(word >> 32); }
constexpr uint64_t units_of(uint64_t word) noexcept { return word & units_max; }

/// Numbers wrap, after four years of a window of a second.
constexpr uint32_t later_of(uint32_t a, uint32_t b) noexcept { return static_cast<int32_t>(a - b) > 0 ? a : b; }
/// The slice at hand: a clock that lags counts as the one that has opened the newest. A word of 0 was never used.
constexpr uint32_t current_of(uint64_t at, uint64_t open) noexcept {
    return open == 0 ? static_cast<uint32_t>(at) : later_of(static_cast<uint32_t>(at), slice_of(open));
}
constexpr bool is_later(uint32_t a, uint32_t b) noexcept { return static_cast<int32_t>(a - b) > 0; }

constexpr uint64_t slice_at(const WindowTerms& terms, uint64_t now_ms) noexcept {
    return now_ms * ns_per_ms / terms.slice_ns;
}

}  // namespace

WindowTerms WindowTerms::of(uint64_t limit, uint64_t window_ms) noexcept {
    if (limit == 0) return {};
    // Rounded up: by less than a microsecond a window, it lets in less.
    return {.limit = std::min(limit, limit_max),
            .slice_ns = (window_ms * ns_per_ms + RateWindow::slice_count - 1) / RateWindow::slice_count};
}

/// open  as the word was read: slices before it are all closed.
uint64_t RateWindow::closed_units(uint64_t open, uint32_t slice) const noexcept {
    uint64_t sum = 0;
    for (const std::atomic<uint64_t>& kept : slices_) {
        const uint64_t word = kept.load(std::memory_order_relaxed);
        const uint32_t age = slice - slice_of(word);
        if (age - 1 < slice_count && slice_of(word) != slice_of(open)) sum += units_of(word);
    }
    return sum;
}

/// What counts in `slice`, which is not before the one that is open.
uint64_t RateWindow::used_at(uint64_t open, uint32_t slice) const noexcept {
    if (slice_of(open) != slice) {
        const bool counts = slice - slice_of(open) <= slice_count;
        return closed_units(open, slice) + (counts ? units_of(open) : 0);
    }
    // Closed slices only get less, by what is given back, which wipes the sum: found once, it is never too small.
    const uint64_t known = closed_.load(std::memory_order_relaxed);
    if (slice_of(known) == slice) return units_of(known) + units_of(open);
    const uint64_t sum = closed_units(open, slice);
    closed_.store(word_of(slice, sum), std::memory_order_relaxed);
    return sum + units_of(open);
}

/// Before the word leaves its slice: whoever sees it gone finds its units here. Others may be at it with what they have
/// read, and one of them will be right, the one with the most: units that are given back at that very moment may count
/// a window longer.
void RateWindow::close(uint64_t open) noexcept {
    std::atomic<uint64_t>& kept = slices_[slice_of(open) % kept_count];
    uint64_t before = kept.load(std::memory_order_relaxed);
    for (;;) {
        if (before != 0 && is_later(slice_of(before), slice_of(open))) return;  // a word of 0 was never used
        if (slice_of(before) == slice_of(open) && units_of(before) >= units_of(open)) return;
        if (kept.compare_exchange_weak(before, open, std::memory_order_release, std::memory_order_relaxed)) return;
    }
}

bool RateWindow::advance(uint64_t& open, uint32_t slice, uint64_t units) noexcept {
    const bool same = slice_of(open) == slice;
    if (!same) close(open);
    const uint64_t next = word_of(slice, (same ? units_of(open) : 0) + units);
    return open_.compare_exchange_weak(open, next, std::memory_order_seq_cst, std::memory_order_acquire);
}

void RateWindow::share() {
    if (lease_ == nullptr) lease_ = std::make_unique<Lease>();
}

/// The lease is written before what is used is read, as a take reads it after it has taken (lease.h).
uint64_t RateWindow::set_lease(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    lease_->granted.store(units, std::memory_order_seq_cst);
    const uint64_t open = open_.load(std::memory_order_seq_cst);
    return std::max(units, used_at(open, current_of(slice_at(terms, now_ms), open)));
}

/// That may be taken in all.
uint64_t RateWindow::room_of(const WindowTerms& terms) const noexcept {
    if (lease_ == nullptr) [[likely]]
        return terms.limit;
    return std::min(terms.limit, lease_->granted.load(std::memory_order_seq_cst));
}

std::optional<uint32_t> RateWindow::take(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    const uint64_t cost = terms.cost(units);
    const uint64_t at = slice_at(terms, now_ms);
    uint64_t open = open_.load(std::memory_order_acquire);
    for (;;) {
        const uint32_t slice = current_of(at, open);
        const uint64_t room = room_of(terms);
        if (used_at(open, slice) + cost > room) {
            if (lease_ != nullptr) lease_->want(cost);
            return std::nullopt;
        }
        if (!advance(open, slice, cost)) continue;
        if (lease_ == nullptr || room_of(terms) >= room) return slice;
        give_back(slice, cost);  // the lease was lowered meanwhile
        open = open_.load(std::memory_order_acquire);
    }
}

uint32_t RateWindow::charge(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept {
    const uint64_t at = slice_at(terms, now_ms);
    uint64_t open = open_.load(std::memory_order_acquire);
    for (;;) {
        const uint32_t slice = current_of(at, open);
        if (advance(open, slice, std::min(units, units_max))) return slice;
    }
}

void RateWindow::give_back(uint32_t slice, uint64_t units) noexcept {
    uint64_t word = open_.load(std::memory_order_acquire);
    while (slice_of(word) == slice) {
        const uint64_t next = word_of(slice, units_of(word) - std::min(units_of(word), units));
        if (open_.compare_exchange_weak(word, next, std::memory_order_acq_rel, std::memory_order_acquire)) return;
    }
    std::atomic<uint64_t>& kept = slices_[slice % kept_count];
    word = kept.load(std::memory_order_relaxed);
    while (slice_of(word) == slice) {
        const uint64_t next = word_of(slice, units_of(word) - std::min(units_of(word), units));
        if (!kept.compare_exchange_weak(word, next, std::memory_order_relaxed)) continue;
        closed_.store(word_of(slice, 0), std::memory_order_relaxed);  // which is no sum that anybody asks for any more
        return;
    }
}

uint64_t RateWindow::used(const WindowTerms& terms, uint64_t now_ms) const noexcept {
    if (!terms.limits()) return 0;
    const uint64_t open = open_.load(std::memory_order_acquire);
    return used_at(open, current_of(slice_at(terms, now_ms), open));
}

uint64_t RateWindow::left_of_all(const WindowTerms& terms, uint64_t now_ms) const noexcept {
    const uint64_t here = left(terms, now_ms);
    if (lease_ == nullptr) return here;
    return here - std::min(here, lease_->others.load(std::memory_order_relaxed));
}

uint64_t RateWindow::wait_ms(const WindowTerms& terms, uint64_t now_ms, uint64_t units) const noexcept {
    if (!terms.limits()) return 0;
    const uint64_t open = open_.load(std::memory_order_acquire);
    const uint64_t at = slice_at(terms, now_ms);
    const uint32_t slice = current_of(at, open);
    const uint64_t wanted = used_at(open, slice) + terms.cost(units);
    if (wanted <= terms.limit) return 0;
    // The oldest go first: which of them has to have gone?
    uint64_t gone = 0;
    uint32_t age = slice_count;
    for (; age > 0; --age) {
        const uint32_t number = slice - age;
        const uint64_t kept = slices_[number % kept_count].load(std::memory_order_relaxed);
        if (number == slice_of(open))
            gone += units_of(open);
        else if (slice_of(kept) == number)
            gone += units_of(kept);
        if (gone >= wanted - terms.limit) break;
    }
    const uint64_t number = at + (slice - static_cast<uint32_t>(at)) - age;
    const uint64_t free_ms = ((number + slice_count + 1) * terms.slice_ns + ns_per_ms - 1) / ns_per_ms;
    return free_ms > now_ms ? free_ms - now_ms : 1;
}

void RateWindow::clear() noexcept {
    for (std::atomic<uint64_t>& kept : slices_) kept.store(0, std::memory_order_relaxed);
    closed_.store(0, std::memory_order_relaxed);
    open_.store(0, std::memory_order_release);
}

}  // namespace loom::tenant
