// Deadlines by the thousand: arming, moving and disarming are O(1) and touch no kernel object.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "loom/base/list.h"

namespace loom::io {

struct TimerTag;
class TimerWheel;

/// One deadline. Calls `on_expiry` once, from the loop, not before its time and at most a slot's width after it.
/// Moving a deadline further away only writes it down: the wheel finds out when the old place comes up. That makes the
/// usual "pushed back with every event" free.
class Timer : public ListLink<TimerTag> {
  public:
    using Handler = void (*)(Timer&) noexcept;
    explicit Timer(Handler handler) noexcept : on_expiry_(handler) {}

    [[nodiscard]] bool armed() const noexcept { return deadline_ms_ != never; }
    void disarm() noexcept { deadline_ms_ = never; }

  private:
    friend class TimerWheel;
    static constexpr uint64_t never = std::numeric_limits<uint64_t>::max();
    uint64_t deadline_ms_ = never;
    uint64_t filed_ms_ = 0;  // the time of the slot it lies in, while linked
    Handler on_expiry_;
};

/// Four levels of 64 slots: 1 ms, 64 ms, 4.1 s and 4.4 min wide; what lies further is filed again when its slot comes
/// up.
class TimerWheel {
  public:
    explicit TimerWheel(uint64_t now_ms) noexcept : now_ms_(now_ms), clock_ms_(now_ms) {}
    ~TimerWheel();

    /// `delay_ms` from now; 0 means the next expiry. Arming again moves the deadline.
    void arm(Timer& timer, uint64_t delay_ms) noexcept { arm_at(timer, clock_ms_ + delay_ms); }
    void arm_at(Timer& timer, uint64_t deadline_ms) noexcept;

    /// Calls all that is due at `now_ms`, which never runs backwards.
    void expire(uint64_t now_ms) noexcept;

    /// Milliseconds until the next slot that holds anything; `none` when the wheel is empty.
    static constexpr uint64_t none = std::numeric_limits<uint64_t>::max();
    [[nodiscard]] uint64_t next_delay_ms() const noexcept;
    [[nodiscard]] uint64_t due_ms(uint64_t delay_ms) const noexcept { return now_ms_ + delay_ms; }
    /// Time has gone on, and what is due is to be called later in the tick: deadlines count from here already.
    void set_clock(uint64_t now_ms) noexcept { clock_ms_ = now_ms; }
    [[nodiscard]] uint64_t now_ms() const noexcept { return clock_ms_; }

  private:
    static constexpr int levels = 4;
    static constexpr int slot_bits = 6;
    static constexpr int slots = 1 << slot_bits;
    using Slot = List<Timer, TimerTag>;

    void file(Timer& timer) noexcept;
    void visit(int level) noexcept;
    void fire_or_refile(Slot& due) noexcept;

    uint64_t now_ms_;    // how far the wheel has turned
    uint64_t clock_ms_;  // what time it is
    std::array<uint64_t, levels> occupied_{};  // may say yes for a slot emptied by unlink, never no for a full one
    std::array<std::array<Slot, slots>, levels> wheel_;
};

}  // namespace loom::io
