#include "loom/route/instances.h"

#include <algorithm>
#include <array>
#include <utility>

namespace loom::route {
namespace {

constexpr InstanceMask bit(size_t index) noexcept { return InstanceMask{1} << index; }

int64_t load_of(const Instance& one) noexcept { return one.own->in_flight.load(std::memory_order_relaxed); }

/// Of `count` (at least one) instances, by two draws.
size_t pick(const InstanceSet& set, const std::array<uint8_t, instances_max>& fit, size_t count,
            uint64_t random) noexcept {
    if (count == 1) return fit[0];
    const size_t first = (random & UINT32_MAX) % count;
    const size_t other = (first + 1 + (random >> 32) % (count - 1)) % count;
    const bool other_is_freer = load_of(set.instances[fit[other]]) < load_of(set.instances[fit[first]]);
    return fit[other_is_freer ? other : first];
}

bool enter(const InstanceSet& set, const Instance& one, uint64_t now_ms, InstancePassage& passage) noexcept {
    if (!one.place->breaker.enter(set.breaker, now_ms, passage.place)) return false;
    if (one.own->breaker.enter(set.breaker, now_ms, passage.own)) return true;
    one.place->breaker.leave(set.breaker, now_ms, passage.place, BreakerOutcome::none);
    return false;
}

InstanceChoice count(const InstanceSet& set, size_t index, InstancePassage passage) noexcept {
    set.instances[index].own->in_flight.fetch_add(1, std::memory_order_relaxed);
    passage.counted = true;
    return {.index = index, .passage = passage};
}

}  // namespace

InstanceStanding standing_of(const InstanceSet& set, size_t index, uint64_t now_ms, uint32_t draw) noexcept {
    const Instance& one = set.instances[index];
    const auto admits = [&](const TargetState& row) { return row.breaker.admits(set.breaker, now_ms); };
    if (one.own->probe.unhealthy()) return InstanceStanding::broken;
    if (!admits(*one.place) || !admits(*one.own)) return InstanceStanding::broken;
    if (one.key->rests(now_ms)) return InstanceStanding::resting;
    const auto takes_its_share = [&](const TargetState& row) { return row.breaker.share(set.breaker, now_ms) > draw; };
    const bool well = takes_its_share(*one.place) && takes_its_share(*one.own);
    return well ? InstanceStanding::well : InstanceStanding::recovering;
}

InstanceStanding best_standing(const InstanceSet& set, uint64_t now_ms, InstanceMask out, uint32_t draw) noexcept {
    InstanceStanding best = InstanceStanding::broken;
    for (size_t i = 0; i < set.instances.size() && best != InstanceStanding::well; ++i)
        if ((out & bit(i)) == 0) best = std::min(best, standing_of(set, i, now_ms, draw));
    return best;
}

std::optional<InstanceChoice> choose_instance(const InstanceSet& set, uint64_t now_ms, InstanceMask out,
                                              uint64_t random) noexcept {
    // A race for the last probe may be lost: then that one is out.
    InstanceMask lost = 0;
    const auto draw = static_cast<uint32_t>(random >> 56);
    std::array<uint8_t, instances_max> fit;
    for (size_t n = 0; n < set.instances.size(); ++n) {
        const InstanceStanding best = best_standing(set, now_ms, out | lost, draw);
        if (best == InstanceStanding::broken) break;
        size_t fit_count = 0;
        for (size_t i = 0; i < set.instances.size(); ++i)
            if (((out | lost) & bit(i)) == 0 && standing_of(set, i, now_ms, draw) == best)
                fit[fit_count++] = static_cast<uint8_t>(i);
        if (fit_count == 0) break;  // it has been broken meanwhile
        const size_t index = pick(set, fit, fit_count, random);
        InstancePassage passage;
        if (enter(set, set.instances[index], now_ms, passage)) return count(set, index, passage);
        lost |= bit(index);
    }
    size_t fit_count = 0;
    for (size_t i = 0; i < set.instances.size(); ++i)
        if ((out & bit(i)) == 0) fit[fit_count++] = static_cast<uint8_t>(i);
    if (fit_count == 0) return std::nullopt;
    return count(set, pick(set, fit, fit_count, random), {});
}

void judge_instance(const InstanceSet& set, size_t index, uint64_t now_ms, InstancePassage& passage,
                    InstanceVerdicts verdicts) noexcept {
    const Instance& one = set.instances[index];
    one.place->breaker.leave(set.breaker, now_ms, passage.place, verdicts.place);
    one.own->breaker.leave(set.breaker, now_ms, passage.own, verdicts.own);
}

void leave_instance(const InstanceSet& set, size_t index, uint64_t now_ms, InstancePassage& passage) noexcept {
    judge_instance(set, index, now_ms, passage, {});
    if (std::exchange(passage.counted, false))
        set.instances[index].own->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

InstanceMask of_same_place(const InstanceSet& set, size_t index) noexcept {
    InstanceMask mask = 0;
    for (size_t i = 0; i < set.instances.size(); ++i)
        if (set.instances[i].place == set.instances[index].place) mask |= bit(i);
    return mask;
}

InstanceMask of_same_key(const InstanceSet& set, size_t index) noexcept {
    InstanceMask mask = 0;
    for (size_t i = 0; i < set.instances.size(); ++i)
        if (set.instances[i].key == set.instances[index].key) mask |= bit(i);
    return mask;
}

uint64_t rest_ms(const InstanceSet& set, uint64_t now_ms) noexcept {
    uint64_t least = UINT64_MAX;
    for (const Instance& one : set.instances) {
        const uint64_t until_ms = one.key->rests_until_ms();
        least = std::min(least, until_ms > now_ms ? until_ms - now_ms : 0);
    }
    return least;
}

}  // namespace loom::route
