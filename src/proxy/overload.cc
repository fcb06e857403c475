#include "overload.h"

#include <algorithm>

namespace loom::proxy {
namespace {

constexpr double ns_per_ms = 1e6;

}  // namespace

void Overload::set_plan(const OverloadPlan& plan) noexcept {
    plan_ = plan;
    if (!plan.watches()) level_ = 0;
}

/// The lag is what somebody who comes at any time has to wait for the turn at hand, at the longest: turns of T that
/// follow each other without a pause make T, and half of that with as much idle time between them.
double Overload::pressure(const ShardLoad& load, uint64_t elapsed_ms) const noexcept {
    const auto share = [](double have, double may) { return may > 0 ? have / may : 0; };
    const double lag_ms = turned_ns2_ / ns_per_ms / (static_cast<double>(elapsed_ms) * ns_per_ms);
    const double bodies_may = plan_.bodies_share * static_cast<double>(load.body_bytes_part);
    return std::max({share(lag_ms, static_cast<double>(plan_.lag_ms)), share(load.exchanges, plan_.exchanges),
                     share(static_cast<double>(load.body_bytes), bodies_may)});
}

void Overload::on_turn(uint64_t turn_ns, uint64_t now_ms, const ShardLoad& load) noexcept {
    if (!plan_.watches()) return;
    turned_ns2_ += static_cast<double>(turn_ns) * static_cast<double>(turn_ns);
    const uint64_t elapsed_ms = now_ms - period_ms_;
    if (elapsed_ms < period_ms) return;
    const double now = pressure(load, elapsed_ms);
    if (now > 2)
        level_ = std::min(level_ + steps, level_max);
    else if (now > 1)
        level_ = std::min(level_ + 1, level_max);
    else if (now < 0.5)
        level_ -= std::min(level_, static_cast<uint32_t>(std::min<uint64_t>(elapsed_ms / period_ms, level_max)));
    period_ms_ = now_ms;
    turned_ns2_ = 0;
}

/// A loop that slept through whole periods was idle in them, and nobody has said so yet.
void Overload::fall_until(uint64_t now_ms) noexcept {
    if (now_ms < period_ms_ + 2 * period_ms || plan_.exchanges != 0 || plan_.bodies_share != 0) return;
    const uint64_t idle = (now_ms - period_ms_) / period_ms - 1;
    level_ -= std::min(level_, static_cast<uint32_t>(std::min<uint64_t>(idle, level_max)));
    period_ms_ += idle * period_ms;
}

bool Overload::sheds_at_level(uint8_t priority, route::Random& random) const noexcept {
    const uint32_t reached = priority * steps;
    if (level_ <= reached) return false;
    const uint32_t over = level_ - reached;
    return over >= steps || (random.next() >> 32) % steps < over;
}

}  // namespace loom::proxy
