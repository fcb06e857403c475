// The instances of one provider: each of its base URLs with each of its keys. A catalogue chooses the provider; which
// of its instances takes the request is chosen here, among those that are well.
//
// Method  Power of two choices (Mitzenmacher): of two at random, the one with fewer attempts under way. Slow places get
//         less by themselves, nothing is remembered between two choices, and shards that all see one old count do not
//         all run to the same instance, as they would to the least loaded of all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/route/target_state.h"

namespace loom::route {

inline constexpr size_t instances_max = 64;  // of one provider
using InstanceMask = uint64_t;               // bit i: instance i
static_assert(instances_max <= sizeof(InstanceMask) * 8);

/// What is known of one, and whose fault it would be. None is null.
struct Instance {
    std::shared_ptr<TargetState> own;    // this base URL with this key: errors, silences, attempts under way
    std::shared_ptr<TargetState> place;  // the base URL, with whatever key: it cannot be reached
    std::shared_ptr<TargetState> key;    // the key, wherever: it is refused, or has asked for rest
};

/// Immutable: part of a configuration snapshot.
struct InstanceSet {
    std::vector<Instance> instances;  // two at the least, at most instances_max
    BreakerOptions breaker;           // also where failover is off: another instance is no other provider
};

/// What was taken of an instance's rows when it was chosen: to be given back by `leave_instance`, once.
struct InstancePassage {
    BreakerPass own;
    BreakerPass place;
    bool counted = false;
};

struct InstanceChoice {
    size_t index = 0;
    InstancePassage passage;
};

/// How well one is, best first.
enum class InstanceStanding : uint8_t { well, recovering, resting, broken };
/// draw  uniform from 0 to 255: one that recovers passes for well as often as its growing share of the requests.
[[nodiscard]] InstanceStanding standing_of(const InstanceSet& set, size_t index, uint64_t now_ms,
                                           uint32_t draw) noexcept;
/// Of the best of those that are not in `out`; broken where all are.
[[nodiscard]] InstanceStanding best_standing(const InstanceSet& set, uint64_t now_ms, InstanceMask out,
                                             uint32_t draw) noexcept;

/// Chooses among the best that are not in `out`, and enters its breakers. Where all are broken, one of them all the
/// same: whether a provider is asked at all was decided before. Nothing only where all are out. No allocation.
/// random  uniform over 64 bits.
[[nodiscard]] std::optional<InstanceChoice> choose_instance(const InstanceSet& set, uint64_t now_ms, InstanceMask out,
                                                            uint64_t random) noexcept;

/// Whose fault an attempt's end was.
struct InstanceVerdicts {
    BreakerOutcome own = BreakerOutcome::none;
    BreakerOutcome place = BreakerOutcome::none;
};
/// Once for a passage; again is nothing.
void judge_instance(const InstanceSet& set, size_t index, uint64_t now_ms, InstancePassage& passage,
                    InstanceVerdicts verdicts) noexcept;
/// The attempt is over; what was not judged was broken off.
void leave_instance(const InstanceSet& set, size_t index, uint64_t now_ms, InstancePassage& passage) noexcept;

/// All that stand at the same base URL, or have the same key, itself included.
[[nodiscard]] InstanceMask of_same_place(const InstanceSet& set, size_t index) noexcept;
[[nodiscard]] InstanceMask of_same_key(const InstanceSet& set, size_t index) noexcept;

/// Until one of them may be asked as far as its key goes; 0: at once.
[[nodiscard]] uint64_t rest_ms(const InstanceSet& set, uint64_t now_ms) noexcept;

}  // namespace loom::route
