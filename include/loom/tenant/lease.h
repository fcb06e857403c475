// What several Looms share of one limit. Each has a lease of it: so many units are its own to use. All leases of a
// limit together are never more than the limit, and no lease is below what its Loom has used already; so nobody asks
// anybody on the way of a request, and the limit holds however late or lost the place is where leases are kept.
#pragma once

#include <cstdint>
#include <string>

namespace loom::tenant {

/// What a Loom asks of the place where leases are kept.
struct LeaseDraw {
    std::string key;      // of the limit, and of its period where it has one: the same in all Looms
    uint64_t limit = 0;   // of all Looms together
    uint64_t floor = 0;   // used already here: the lease is never less, over the limit too
    uint64_t want = 0;    // floor and above; less than the lease at hand gives the rest back
    uint64_t ttl_ms = 0;  // the lease is nobody's so long after its last draw, where its Loom is gone
};

/// What it was given: max(floor, min(want, limit - others)).
struct LeaseGrant {
    uint64_t granted = 0;  // the lease, whole, from now on
    uint64_t others = 0;   // what the others have together
    uint32_t looms = 1;    // that have a lease of it, this one too
};

}  // namespace loom::tenant
