#include "body_budget.h"

namespace loom::proxy {

bool BodyHold::try_hold(uint64_t bytes) noexcept {
    LOOM_ASSERT(!linked());
    if (bytes <= held_bytes_) return true;
    const bool may_pass = budget_.waiting_.empty() || budget_.beyond_ == this;
    if (!may_pass || !budget_.admits(*this, bytes)) return false;
    budget_.count(*this, bytes);
    return true;
}

bool BodyHold::hold(uint64_t bytes) noexcept {
    if (try_hold(bytes)) return true;
    wanted_bytes_ = bytes;
    budget_.waiting_.push_back(*this);
    budget_.metrics_.bodies_waited.add();
    return false;
}

void BodyHold::hold_less(uint64_t bytes) noexcept {
    LOOM_ASSERT(!linked());
    if (bytes >= held_bytes_) return;
    budget_.set(*this, bytes);
    if (budget_.beyond_ == this && budget_.held_bytes_ <= budget_.part_bytes_) budget_.beyond_ = nullptr;
    budget_.serve();
}

void BodyHold::let_go() noexcept {
    const bool was_waiting = linked();
    unlink();
    if (budget_.beyond_ == this) budget_.beyond_ = nullptr;
    const bool held_some = held_bytes_ > 0;
    budget_.count(*this, 0);
    if (held_some || was_waiting) budget_.serve();  // the first of the queue may have stood in the others' way
}

bool BodyBudget::admits(const BodyHold& hold, uint64_t bytes) const noexcept {
    return held_bytes_ - hold.held_bytes_ + bytes <= part_bytes_ || beyond_ == nullptr || beyond_ == &hold;
}

void BodyBudget::set(BodyHold& hold, uint64_t bytes) noexcept {
    metrics_.body_memory_bytes.add(static_cast<int64_t>(bytes) - static_cast<int64_t>(hold.held_bytes_));
    held_bytes_ = held_bytes_ - hold.held_bytes_ + bytes;
    hold.held_bytes_ = bytes;
}

void BodyBudget::count(BodyHold& hold, uint64_t bytes) noexcept {
    set(hold, bytes);
    if (bytes > 0 && held_bytes_ > part_bytes_) beyond_ = &hold;
}

void BodyBudget::set_part(uint64_t bytes) noexcept {
    part_bytes_ = bytes;
    serve();
}

void BodyBudget::serve() noexcept {
    while (!waiting_.empty() && admits(waiting_.front(), waiting_.front().wanted_bytes_)) {
        BodyHold& first = *waiting_.pop_front();
        count(first, first.wanted_bytes_);
        first.on_room();
    }
}

}  // namespace loom::proxy
