#include "loom/route/target_state.h"

#include <algorithm>

namespace loom::route {

void TargetState::measure() {
    if (latency_home_ != nullptr) return;
    latency_home_ = std::make_unique<TargetLatency>();
    latency_.store(latency_home_.get(), std::memory_order_release);
}

void TargetState::rest_until(uint64_t at_ms) noexcept {
    uint64_t before = rests_until_ms_.load(std::memory_order_relaxed);
    while (before < at_ms && !rests_until_ms_.compare_exchange_weak(before, at_ms, std::memory_order_relaxed)) {
    }
}

void TargetState::note_room(uint64_t now_ms, const Headroom& room) noexcept {
    uint64_t latest_ms = 0;
    for (const Quota quota : {Quota::tokens, Quota::input_tokens, Quota::output_tokens}) {
        const Headroom::One& said = room.of(quota);
        const uint64_t reset_ms = said.remaining ? std::min(said.reset_ms.value_or(0), room_kept_ms) : 0;
        Room& kept = room_[static_cast<size_t>(quota)];
        kept.left.store(said.remaining.value_or(0), std::memory_order_relaxed);
        kept.until_ms.store(now_ms + reset_ms, std::memory_order_relaxed);
        latest_ms = std::max(latest_ms, now_ms + reset_ms);
    }
    room_until_ms_.store(latest_ms, std::memory_order_relaxed);
}

bool TargetState::fits(uint64_t now_ms, uint64_t input_tokens, uint64_t output_tokens) const noexcept {
    const auto has = [this, now_ms](Quota quota, uint64_t tokens) {
        const Room& kept = room_[static_cast<size_t>(quota)];
        return kept.until_ms.load(std::memory_order_relaxed) <= now_ms ||
               tokens <= kept.left.load(std::memory_order_relaxed);
    };
    return has(Quota::tokens, input_tokens + output_tokens) && has(Quota::input_tokens, input_tokens) &&
           has(Quota::output_tokens, output_tokens);
}

void TargetState::note_failure(uint64_t now_ms, const char* what) noexcept {
    failed_ms_.store(now_ms, std::memory_order_relaxed);
    failure_.store(what, std::memory_order_relaxed);
}

std::shared_ptr<TargetState> TargetTable::row(std::string_view identity, bool measured) {
    std::erase_if(rows_, [](const auto& one) { return one.second.expired(); });
    if (const auto it = rows_.find(identity); it != rows_.end()) {
        if (auto found = it->second.lock()) {
            if (measured) found->measure();
            return found;
        }
    }
    auto made = std::make_shared<TargetState>(measured);
    rows_[std::string(identity)] = made;
    return made;
}

std::shared_ptr<LimitState> TargetTable::limits(std::string_view provider) {
    std::erase_if(limits_, [](const auto& one) { return one.second.expired(); });
    if (const auto it = limits_.find(provider); it != limits_.end())
        if (auto found = it->second.lock()) return found;
    auto made = std::make_shared<LimitState>();
    limits_[std::string(provider)] = made;
    return made;
}

std::shared_ptr<RegionState> TargetTable::region(std::string_view name) {
    std::erase_if(regions_, [](const auto& one) { return one.second.expired(); });
    if (const auto it = regions_.find(name); it != regions_.end())
        if (auto found = it->second.lock()) return found;
    auto made = std::make_shared<RegionState>();
    regions_[std::string(name)] = made;
    return made;
}

std::shared_ptr<ProviderControl> TargetTable::control(std::string_view provider, uint32_t weight) {
    std::erase_if(controls_, [](const auto& one) { return one.second.expired(); });
    if (const auto it = controls_.find(provider); it != controls_.end())
        if (auto found = it->second.lock(); found != nullptr) return found;
    auto made = std::make_shared<ProviderControl>(weight);
    controls_[std::string(provider)] = made;
    return made;
}

}  // namespace loom::route
