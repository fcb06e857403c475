#include "loom/route/proximity.h"

#include <algorithm>
#include <bit>

#include "loom/base/assert.h"
#include "loom/route/residency.h"

namespace loom::route {
namespace {

constexpr uint64_t near_us = 5'000;

uint8_t class_of(uint64_t us, uint64_t least_us) noexcept {
    if (us <= std::max(least_us + least_us / 2, least_us + near_us)) return 1;
    return static_cast<uint8_t>(1 + std::bit_width(us / least_us));
}

}  // namespace

bool RegionState::may_explore(uint64_t now_ms) noexcept {
    const uint64_t heard_ms = heard_ms_.load(std::memory_order_relaxed);
    const uint32_t looks = std::clamp(looks_.load(std::memory_order_relaxed), 1u, 20u);
    const uint64_t pause_ms = heard_ms == 0 ? std::min(first_look_ms << (looks - 1), look_ms) : look_ms;
    if (heard_ms != 0 && now_ms < heard_ms + pause_ms) return false;
    uint64_t before = explored_ms_.load(std::memory_order_relaxed);
    if (before != 0 && now_ms < before + pause_ms) return false;
    if (!explored_ms_.compare_exchange_strong(before, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed))
        return false;
    looks_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

RegionPreference::RegionPreference(std::span<const std::string> regions,
                                   std::span<const std::string> provider_regions) {
    for (const std::string& region : provider_regions) {
        const auto first =
            std::ranges::find_if(regions, [&region](const auto& wider) { return lies_in(region, wider); });
        ranks_.push_back(static_cast<uint8_t>(std::min<ptrdiff_t>(first - regions.begin(), unknown)));
    }
}

void RegionPreference::rank(std::span<const Candidate> candidates, const Tried& unfit, bool keyed, uint64_t now_ms,
                            std::span<uint8_t> ranks) const noexcept {
    LOOM_ASSERT(ranks.size() == candidates.size());
    uint64_t least_us = UINT64_MAX;
    for (const Candidate& one : candidates)
        if (const RegionState* const state = row(one.provider_ix); state != nullptr && state->connect_us() != 0)
            least_us = std::min(least_us, state->connect_us());
    bool explored = false;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& one = candidates[i];
        RegionState* const state = row(one.provider_ix);
        if (state == nullptr) {
            ranks[i] = one.provider_ix < ranks_.size() ? ranks_[one.provider_ix] : unknown;
            continue;
        }
        const uint64_t us = state->connect_us();
        ranks[i] = us == 0 ? unknown : class_of(us, std::min(us, least_us));
        if (explored || unfit[i] || (keyed && us != 0) || one.fallback || one.weight_now() == 0) continue;
        if (!state->may_explore(now_ms)) continue;
        ranks[i] = 0;
        explored = true;
    }
}

}  // namespace loom::route
