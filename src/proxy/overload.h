// Whether a shard has more to do than it can: then some requests are refused before anything is spent on them, so that
// the others are served in time. The least important go first, and all come back by degrees.
#pragma once

#include <cstdint>

#include "loom/proxy/plan.h"
#include "loom/route/choose.h"

namespace loom::proxy {

/// What a shard holds at the moment, against what it may (OverloadPlan).
struct ShardLoad {
    uint32_t exchanges = 0;
    uint64_t body_bytes = 0;
    uint64_t body_bytes_part = 0;  // of limit.bodies_in_memory
};

/// Ten times a second it looks at the pressure: the lag of the loop, or what is held, as a share of its threshold.
/// Above 1 the level rises, below a half it falls, between them it stays. Classes below the level are refused, and of
/// the class that it has reached a share: level 5.25 refuses classes 0 to 4 and a quarter of class 5.
class Overload {
  public:
    explicit Overload(uint64_t now_ms) noexcept : period_ms_(now_ms) {}

    void set_plan(const OverloadPlan& plan) noexcept;
    /// How long a turn of the loop took, from its waking to its next wait. At its end.
    void on_turn(uint64_t turn_ns, uint64_t now_ms, const ShardLoad& load) noexcept;
    /// Is a request of this class to be refused?
    [[nodiscard]] bool sheds(uint8_t priority, uint64_t now_ms, route::Random& random) noexcept {
        if (level_ == 0) return false;
        fall_until(now_ms);
        return level_ > 0 && sheds_at_level(priority, random);
    }
    /// In quarters of a class: 0 refuses nobody, level_max everybody.
    [[nodiscard]] uint32_t level() const noexcept { return level_; }

    static constexpr uint64_t period_ms = 100;
    static constexpr uint32_t steps = 4;  // of a class
    static constexpr uint32_t level_max = route::priority_classes * steps;

  private:
    [[nodiscard]] bool sheds_at_level(uint8_t priority, route::Random& random) const noexcept;
    [[nodiscard]] double pressure(const ShardLoad& load, uint64_t elapsed_ms) const noexcept;
    void fall_until(uint64_t now_ms) noexcept;

    OverloadPlan plan_;
    uint64_t period_ms_;     // when the period at hand began
    double turned_ns2_ = 0;  // the squares of its turns
    uint32_t level_ = 0;
};

}  // namespace loom::proxy
