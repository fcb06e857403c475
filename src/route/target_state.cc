#include "loom/route/target_state.h"

namespace loom::route {

TargetState::TargetState(bool measured) : latency_(measured ? std::make_unique<TargetLatency>() : nullptr) {}

void TargetState::rest_until(uint64_t at_ms) noexcept {
    uint64_t before = rests_until_ms_.load(std::memory_order_relaxed);
    while (before < at_ms && !rests_until_ms_.compare_exchange_weak(before, at_ms, std::memory_order_relaxed)) {
    }
}

void TargetState::note_failure(uint64_t now_ms, const char* what) noexcept {
    failed_ms_.store(now_ms, std::memory_order_relaxed);
    failure_.store(what, std::memory_order_relaxed);
}

std::shared_ptr<TargetState> TargetTable::row(std::string_view identity, bool measured) {
    std::erase_if(rows_, [](const auto& one) { return one.second.expired(); });
    if (const auto it = rows_.find(identity); it != rows_.end()) {
        auto found = it->second.lock();
        if (found != nullptr && (found->latency() != nullptr || !measured)) return found;
    }
    auto made = std::make_shared<TargetState>(measured);
    rows_[std::string(identity)] = made;
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
