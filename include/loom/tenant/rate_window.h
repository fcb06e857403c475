// So many units in a window of time, exactly: in no span as long as the window are more taken than the limit, whoever
// takes them on however many threads, and whoever always has something to send gets 31 of 32 parts of it.
//
// The window is cut into slices. What was taken in each is kept until no span of a window's length reaches it any more,
// and a take looks at all of those together. Only the slice at hand is ever added to: it is one word, its number and
// its units, so that a take is one compare and swap, which fails when anybody else has taken anything since the sum was
// made. A slice is closed by writing its units where the others are, before the word goes on to the next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "loom/tenant/lease.h"

namespace loom::tenant {

/// A window of a configuration.
struct WindowTerms {
    uint64_t limit = 0;     // units in any span of the window's length; 0: there is no limit
    uint64_t slice_ns = 0;  // a part of it

    static constexpr uint64_t limit_max = 1'000'000'000;
    static constexpr uint64_t window_ms_min = 1'000;
    static constexpr uint64_t window_ms_max = 86'400'000;
    /// limit  0: none; at most limit_max.      window_ms  window_ms_min..window_ms_max.
    [[nodiscard]] static WindowTerms of(uint64_t limit, uint64_t window_ms) noexcept;
    [[nodiscard]] bool limits() const noexcept { return limit != 0; }
    /// What is more than the limit goes where nothing else was taken, and takes all of it.
    [[nodiscard]] uint64_t cost(uint64_t units) const noexcept { return units < limit ? units : limit; }
    bool operator==(const WindowTerms&) const = default;
};

/// Shared by all shards; one as long as its window stays the same. Times are a monotonic clock's milliseconds, the same
/// for all: one that lags behind another's counts as that one.
class RateWindow {
  public:
    static constexpr uint32_t slice_count = 31;  // of a window

    /// The slice that they were taken in, for give_back; nothing, and nothing taken, where the limit leaves no room.
    [[nodiscard]] std::optional<uint32_t> take(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept;
    /// What was taken in this slice and not used: it is there at once for others, as far as it still counts.
    void give_back(uint32_t slice, uint64_t units) noexcept;
    /// What was used beyond what was taken, all of it, over the limit too: nobody takes more until it has gone by. The
    /// slice that it counts in, as take's.
    uint32_t charge(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept;

    /// What counts now. May be more than the limit: after a charge, or where the limit was higher before.
    [[nodiscard]] uint64_t used(const WindowTerms& terms, uint64_t now_ms) const noexcept;
    [[nodiscard]] uint64_t left(const WindowTerms& terms, uint64_t now_ms) const noexcept {
        const uint64_t now_used = used(terms, now_ms);
        return now_used < terms.limit ? terms.limit - now_used : 0;
    }
    /// The same where other Looms share it: without what these have.
    [[nodiscard]] uint64_t left_of_all(const WindowTerms& terms, uint64_t now_ms) const noexcept;
    /// Until it has room for so many, if nobody else comes: exact. 0: now. Of the limit, shared or not.
    [[nodiscard]] uint64_t wait_ms(const WindowTerms& terms, uint64_t now_ms, uint64_t units) const noexcept;
    /// Nothing was ever taken. Of whoever hands it to another owner; who takes at the same time may count for either.
    void clear() noexcept;

    /// Other Looms share it: from now on no more is taken than a lease allows, which begins at nothing. Before anybody
    /// takes; again is nothing.
    void share();
    /// Null: it is this Loom's alone.
    [[nodiscard]] Lease* lease() const noexcept { return lease_.get(); }
    /// Of the one thread that draws. No more is taken beyond so many from now on. Returns what the store may be told:
    /// no less than what counts. Lease::open: the limit alone counts.
    uint64_t set_lease(const WindowTerms& terms, uint64_t now_ms, uint64_t units) noexcept;

  private:
    static constexpr size_t kept_count = 32;  // slice_count, and the one that is being closed
    [[nodiscard]] uint64_t used_at(uint64_t open, uint32_t slice) const noexcept;
    [[nodiscard]] uint64_t closed_units(uint64_t open, uint32_t slice) const noexcept;
    [[nodiscard]] bool advance(uint64_t& open, uint32_t slice, uint64_t units) noexcept;
    void close(uint64_t open) noexcept;
    [[nodiscard]] uint64_t room_of(const WindowTerms& terms) const noexcept;

    // Each word: the slice's number in the upper half, its units in the lower.
    std::atomic<uint64_t> open_{0};            // the slice that is added to
    mutable std::atomic<uint64_t> closed_{0};  // the units of all before that slice: what the last sum has found
    std::array<std::atomic<uint64_t>, kept_count> slices_{};  // closed ones, by number
    std::unique_ptr<Lease> lease_;
};

}  // namespace loom::tenant
