#include "loom/io/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace loom::io {

TimerWheel::~TimerWheel() {
    for (auto& level : wheel_)
        for (auto& slot : level)
            while (slot.pop_front() != nullptr) {
            }
}

void TimerWheel::arm_at(Timer& timer, uint64_t deadline_ms) noexcept {
    timer.deadline_ms_ = std::max(deadline_ms, now_ms_ + 1);
    if (timer.linked() && timer.filed_ms_ <= timer.deadline_ms_) return;  // found again when its slot comes up
    timer.unlink();
    file(timer);
}

void TimerWheel::file(Timer& timer) noexcept {
    const uint64_t distance = timer.deadline_ms_ - now_ms_;
    int level = 0;
    while (level < levels - 1 && distance >= uint64_t{slots} << (slot_bits * level)) ++level;
    const uint64_t farthest = now_ms_ + ((uint64_t{slots} - 1) << (slot_bits * level));
    const uint64_t at = std::min(timer.deadline_ms_, farthest);
    const int shift = slot_bits * level;
    const auto index = static_cast<size_t>(at >> shift) & (slots - 1);
    timer.filed_ms_ = (at >> shift) << shift;
    wheel_[level][index].push_back(timer);
    occupied_[level] |= uint64_t{1} << index;
}

void TimerWheel::expire(uint64_t now_ms) noexcept {
    clock_ms_ = now_ms;
    while (now_ms_ < now_ms) {
        const uint64_t delay = next_delay_ms();
        if (delay == none || now_ms_ + delay > now_ms) {
            now_ms_ = now_ms;
            return;
        }
        now_ms_ += delay;
        for (int level = levels - 1; level >= 0; --level)
            if ((now_ms_ & ((uint64_t{1} << (slot_bits * level)) - 1)) == 0) visit(level);
    }
}

void TimerWheel::visit(int level) noexcept {
    const auto index = static_cast<size_t>(now_ms_ >> (slot_bits * level)) & (slots - 1);
    if ((occupied_[level] & uint64_t{1} << index) == 0) return;
    occupied_[level] &= ~(uint64_t{1} << index);
    Slot due;
    wheel_[level][index].move_to(due);
    fire_or_refile(due);
}

void TimerWheel::fire_or_refile(Slot& due) noexcept {
    while (Timer* const timer = due.pop_front()) {
        if (timer->deadline_ms_ == Timer::never) continue;  // disarmed since
        if (timer->deadline_ms_ > now_ms_) {
            file(*timer);
            continue;
        }
        timer->deadline_ms_ = Timer::never;
        timer->on_expiry_(*timer);
    }
}

uint64_t TimerWheel::next_delay_ms() const noexcept {
    uint64_t nearest = none;
    for (int level = 0; level < levels; ++level) {
        if (occupied_[level] == 0) continue;
        const int shift = slot_bits * level;
        const auto here = static_cast<int>((now_ms_ >> shift) & (slots - 1));
        const uint64_t ahead = std::rotr(occupied_[level], (here + 1) & (slots - 1));
        const auto steps = static_cast<uint64_t>(std::countr_zero(ahead)) + 1;
        const uint64_t at = ((now_ms_ >> shift) + steps) << shift;
        nearest = std::min(nearest, at - now_ms_);
    }
    return nearest;
}

}  // namespace loom::io
