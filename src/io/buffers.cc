#include "loom/io/buffers.h"

#include <sys/mman.h>

#include <algorithm>

#include "loom/io/ring.h"

namespace loom::io {
namespace {

constexpr size_t trims_max = 16;  // system calls at the end of a window
constexpr uintptr_t page_bytes = 4096;

/// Whole pages only: the rest of a page is a neighbour's, who may be in use.
void give_up_pages(char* data, size_t bytes) noexcept {
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page_bytes - 1) & ~(page_bytes - 1);
    const uintptr_t end = reinterpret_cast<uintptr_t>(data + bytes) & ~(page_bytes - 1);
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace

BufferPool::BufferPool(uint16_t count, uint32_t buffer_bytes)
    : states_(count), buffer_bytes_(buffer_bytes), count_(count) {
    LOOM_ASSERT(count > 0 && (count & (count - 1)) == 0);
    mapping_bytes_ = size_t{count} * buffer_bytes + tail_bytes;
    void* const memory =
        ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LOOM_ASSERT(memory != MAP_FAILED);
    memory_ = static_cast<char*>(memory);
}

BufferPool::~BufferPool() {
    LOOM_ASSERT(leased_count_ == 0);
    ::munmap(memory_, mapping_bytes_);
}

BufferLease BufferPool::take() noexcept {
    LOOM_ASSERT(ring_ == nullptr);  // the kernel hands out a ring's buffers
    if (leased_count_ == 0 && reserve_.empty()) fill_reserve();
    if (reserve_.empty()) return {};
    const uint16_t id = reserve_.back();
    reserve_.pop_back();
    states_[id].leases = 1;
    leased_count_ += 1;
    return BufferLease(*this, id, buffer(id), buffer_bytes_);
}

void BufferPool::fill_reserve() {
    reserve_.reserve(count_);
    for (uint16_t id = count_; id > 0; --id) reserve_.push_back(static_cast<uint16_t>(id - 1));
}

void BufferPool::attach(Ring& ring, bool incremental) {
    ring_ = &ring;
    incremental_ = incremental;
    depth_ = std::min(depth_min, count_);
    fill_reserve();
    while (kernel_count_ < depth_) provide_reserve();
}

BufferLease BufferPool::lease(Cqe cqe) noexcept {
    const uint16_t id = cqe.buffer_id();
    LOOM_ASSERT(cqe.has_buffer() && id < count_ && cqe.res > 0);
    State& state = states_[id];
    LOOM_ASSERT(state.kernel_has);
    const auto bytes = static_cast<uint32_t>(cqe.res);
    LOOM_ASSERT(state.offset + bytes <= buffer_bytes_);
    char* const data = buffer(id) + state.offset;
    if (incremental_) state.offset += bytes;
    if (!incremental_ || !cqe.buffer_more()) leave_kernel(state);
    state.leases += 1;
    leased_count_ += 1;
    return BufferLease(*this, id, data, bytes);
}

void BufferPool::recycle(Cqe cqe) noexcept {
    State& state = states_[cqe.buffer_id()];
    if (incremental_ && cqe.buffer_more()) return;  // the kernel goes on filling it
    leave_kernel(state);
    if (state.leases == 0) come_home(cqe.buffer_id());
}

void BufferPool::leave_kernel(State& state) noexcept {
    state.kernel_has = false;
    kernel_count_ -= 1;
    taken_count_ += 1;
}

void BufferPool::give_back(uint16_t id) noexcept {
    LOOM_ASSERT(id < count_ && leased_count_ > 0);
    State& state = states_[id];
    LOOM_ASSERT(state.leases > 0);
    leased_count_ -= 1;
    state.leases -= 1;
    if (state.leases == 0 && !state.kernel_has) come_home(id);
}

void BufferPool::come_home(uint16_t id) noexcept {
    if (kernel_count_ < depth_)
        provide(id);
    else
        reserve_.push_back(id);
}

void BufferPool::provide(uint16_t id) noexcept {
    states_[id].offset = 0;
    states_[id].kernel_has = true;
    states_[id].touched = true;
    kernel_count_ += 1;
    ring_->provide_buffer(id);
}

void BufferPool::provide_reserve() noexcept {
    const uint16_t id = reserve_.back();
    reserve_.pop_back();
    provide(id);
}

/// A tick that took more than half of what the kernel had was close to finding none.
void BufferPool::adapt() noexcept {
    const uint32_t wanted = std::min<uint32_t>(count_, uint32_t{taken_count_} * 2);
    depth_ = std::max(depth_, static_cast<uint16_t>(wanted));
    taken_most_ = std::max(taken_most_, taken_count_);
    taken_count_ = 0;
}

void BufferPool::end_window(uint64_t now_ms) noexcept {
    window_end_ms_ = now_ms + window_ms;
    const uint16_t taken = std::exchange(taken_most_, 0);
    if (taken * 4 < depth_) depth_ = std::max<uint16_t>(depth_ / 2, std::min(depth_min, count_));
    // The bottom of the stack is what was out longest ago.
    size_t trimmed = 0;
    for (size_t at = 0; at + depth_ < reserve_.size() && trimmed < trims_max; ++at) {
        State& state = states_[reserve_[at]];
        if (!std::exchange(state.touched, false)) continue;
        trimmed += 1;
        give_up_pages(buffer(reserve_[at]), buffer_bytes_);
    }
}

}  // namespace loom::io
