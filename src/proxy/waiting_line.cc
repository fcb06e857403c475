#include "waiting_line.h"

#include <algorithm>

namespace loom::proxy {

uint32_t LineWalk::ahead(const route::LimitState* row) const noexcept {
    for (size_t i = 0; i < row_count_; ++i)
        if (rows_[i].row == row) return rows_[i].count;
    return full_ ? 1 : 0;
}

void LineWalk::want(const route::LimitState* row) noexcept {
    for (size_t i = 0; i < row_count_; ++i)
        if (rows_[i].row == row) {
            rows_[i].count += 1;
            return;
        }
    if (row_count_ == rows_max)
        full_ = true;
    else
        rows_[row_count_++] = {row, 1};
}

WaitingLine::~WaitingLine() {
    LOOM_ASSERT(size_ == 0);
    timer_.disarm();
    timer_.unlink();
}

bool WaitingLine::join(Waiter& waiter, uint8_t priority, uint64_t timeout_ms) noexcept {
    LOOM_ASSERT(priority < route::priority_classes && !waiter.linked());
    if (closed_ || max_ == 0 || (size_ >= max_ && !displace_below(priority))) {
        metrics_.queue_full.add();
        return false;
    }
    waiter.since_ms_ = timers_.now_ms();
    waiter.deadline_ms_ = waiter.since_ms_ + timeout_ms;
    waiter.priority_ = priority;
    classes_[priority].push_back(waiter);
    size_ += 1;
    metrics_.queue_length.add();
    nudge();
    return true;
}

/// The one that came last of the lowest class.
bool WaitingLine::displace_below(uint8_t priority) noexcept {
    for (uint8_t lower = 0; lower < priority; ++lower) {
        if (classes_[lower].empty()) continue;
        Waiter& last = classes_[lower].back();
        remove(last);
        last.give_up(LineEnd::displaced);
        return true;
    }
    return false;
}

void WaitingLine::remove(Waiter& waiter) noexcept {
    static_cast<ListLink<LineTag>&>(waiter).unlink();
    size_ -= 1;
    metrics_.queue_length.sub();
}

void WaitingLine::leave(Waiter& waiter) noexcept {
    if (!waiter.linked()) return;
    remove(waiter);
    nudge();  // it may have stood in the others' way
}

void WaitingLine::nudge() noexcept {
    if (size_ > 0) timers_.arm(timer_, 0);
}

void WaitingLine::close() noexcept {
    closed_ = true;
    for (auto& waiting : classes_)
        while (!waiting.empty()) {
            Waiter& first = waiting.front();
            remove(first);
            first.give_up(LineEnd::closing);
        }
}

void WaitingLine::on_timer(io::Timer& timer) noexcept { static_cast<Timer&>(timer).line.walk(); }

void WaitingLine::end_late(Waiter& waiter) noexcept {
    remove(waiter);
    metrics_.queue_timeouts.add();
    waiter.give_up(LineEnd::late);
}

void WaitingLine::walk() noexcept {
    LineWalk walk(timers_.now_ms());
    uint64_t next_ms = poll_ms;
    for (size_t i = classes_.size(); i-- > 0;)
        classes_[i].for_each([&](Waiter& waiter) {
            if (walk.now_ms >= waiter.deadline_ms_) return end_late(waiter);
            const auto wait_ms = waiter.try_to_go(walk);
            if (!wait_ms) {
                remove(waiter);
                return metrics_.queue_wait((walk.now_ms - waiter.since_ms_) * 1000);
            }
            const uint64_t left_ms = waiter.deadline_ms_ - walk.now_ms;
            if (*wait_ms >= left_ms) return end_late(waiter);
            next_ms = std::min({next_ms, left_ms, *wait_ms > 0 ? *wait_ms : poll_ms});
        });
    if (size_ > 0) timers_.arm(timer_, next_ms);
}

}  // namespace loom::proxy
