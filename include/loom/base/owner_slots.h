// Whose a request is, as counters know it: indices that a configuration gives to names, so that nobody looks a name up
// on the way of a request.
#pragma once

#include <cstdint>

namespace loom {

/// By observe::Metrics; good for the life of the process.
struct OwnerSlots {
    static constexpr uint16_t other = 0;          // it has one that has no counters of its own
    static constexpr uint16_t none = UINT16_MAX;  // it has no such owner, and is counted for none
    uint16_t team = none;
    uint16_t tenant = none;
};

}  // namespace loom
