// What several Looms share of one limit. Each has a lease of it: so many units are its own to use. All leases of a
// limit together are never more than the limit, and no lease is below what its Loom has used already; so nobody asks
// anybody on the way of a request, and the limit holds however late or lost the place is where leases are kept.
//
// The law of a Loom, at every moment: used here <= lease here <= its lease at the store. A take looks at the lease,
// takes, and looks again: where the lease was lowered meanwhile it gives back what it took. Who lowers a lease writes
// it first, looks then at what is used, and tells the store no less than that. One of the two sees the other, since all
// four are sequentially consistent; so nothing that the store hears of as free is taken here afterwards. A lease is
// raised only by what the store has said.
//
// Of a calendar's period the sum over all Looms of what is used is then at most the limit. Of a window it is as well,
// for any span of its length: what counts here at the span's end is all that was taken here within it, and each Loom's
// is at most its lease of that very moment. A lease that moves to another Loom leaves behind no less than what still
// counts, so the same units are never in one span twice. What is booked over the limit (a charge, a settlement of more
// than was held) is over it here as it is without a store, and then a floor: others get the less.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

namespace loom::tenant {

/// What a Loom asks of the place where leases are kept.
struct LeaseDraw {
    std::string key;      // of the limit, and of its period where it has one: the same in all Looms
    uint64_t limit = 0;   // of all Looms together
    uint64_t floor = 0;   // used already here: the lease is never less, over the limit too
    uint64_t want = 0;    // floor and above; less than the lease at hand gives the rest back, 0 lets it go
    uint64_t ttl_ms = 0;  // the lease is nobody's so long after its last draw, where its Loom is gone
    /// What was used is forgotten when the process ends: its lease is of this start alone, and stays until its ttl,
    /// while what it let in still counts. Else a Loom that comes back finds its lease, and knows what it has used.
    bool of_start = false;
    // Which draw it is. Of one start, what comes behind a later one is void: a store that was stopped may find the
    // draws of two connections, and take the older one last.
    uint64_t start = 0;
    uint64_t sequence = 0;  // 0: none
};

/// What it was given: max(floor, min(want, limit - others)).
struct LeaseGrant {
    uint64_t granted = 0;  // the lease, whole, from now on
    uint64_t others = 0;   // what the others have together
    uint32_t looms = 1;    // that have a lease of it, this one too
    /// False while the store, which was empty a moment ago, may not have heard of all leases: then nothing is taken of
    /// it beyond the lease at hand.
    bool settled = true;
};

/// So long a store that was empty is not settled: all who have leases have told it of them by then, or spend none that
/// it does not know.
inline constexpr uint64_t lease_settle_ms = 5'000;

/// Why a lease does not do, as far as its Loom knows.
enum class LeaseLack : uint8_t {
    drawing,  // the limit may have room: more is drawn
    spent,    // the limit has none, or not so much
    lost,     // the store does not answer
};

/// One Loom's part of a limit. Written by one thread, who draws; read by all who take.
struct Lease {
    static constexpr uint64_t open = UINT64_MAX;  // as much as there is: nobody shares at the moment

    std::atomic<uint64_t> granted{0};  // of a budget with the period's number above (BudgetMeter)
    std::atomic<uint64_t> others{0};   // what other Looms have, as it was last told
    std::atomic<uint64_t> wanted{0};   // the most that was refused for want of a lease since it was last looked at
    std::atomic<LeaseLack> lack{LeaseLack::drawing};
    std::atomic<uint64_t> spent_from{0};  // a smaller request may find room where `lack` says spent

    [[nodiscard]] LeaseLack lack_of(uint64_t units) const noexcept {
        const LeaseLack why = lack.load(std::memory_order_relaxed);
        const bool may_do = why == LeaseLack::spent && units < spent_from.load(std::memory_order_relaxed);
        return may_do ? LeaseLack::drawing : why;
    }

    /// So much was not to be had.
    void want(uint64_t units) noexcept {
        if (wanted.load(std::memory_order_relaxed) < units) wanted.store(units, std::memory_order_relaxed);
    }
};

}  // namespace loom::tenant
