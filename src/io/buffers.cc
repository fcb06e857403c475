#include "loom/io/buffers.h"

#include <sys/mman.h>

#include "loom/io/ring.h"

namespace loom::io {

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
    if (leased_count_ == 0 && free_.empty()) {
        free_.reserve(count_);
        for (uint16_t id = count_; id > 0; --id) free_.push_back(static_cast<uint16_t>(id - 1));
    }
    if (free_.empty()) return {};
    const uint16_t id = free_.back();
    free_.pop_back();
    states_[id].leases = 1;
    leased_count_ += 1;
    return BufferLease(*this, id, buffer(id), buffer_bytes_);
}

void BufferPool::attach(Ring& ring, bool incremental) {
    ring_ = &ring;
    incremental_ = incremental;
    for (uint16_t id = 0; id < count_; ++id) ring.provide_buffer(id);
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
    state.kernel_has = incremental_ && cqe.buffer_more();
    state.leases += 1;
    leased_count_ += 1;
    return BufferLease(*this, id, data, bytes);
}

void BufferPool::recycle(Cqe cqe) noexcept {
    State& state = states_[cqe.buffer_id()];
    if (incremental_ && cqe.buffer_more()) return;  // the kernel goes on filling it
    state.kernel_has = false;
    if (state.leases > 0) return;
    state.offset = 0;
    state.kernel_has = true;
    ring_->provide_buffer(cqe.buffer_id());
}

void BufferPool::give_back(uint16_t id) noexcept {
    LOOM_ASSERT(id < count_ && leased_count_ > 0);
    State& state = states_[id];
    LOOM_ASSERT(state.leases > 0);
    leased_count_ -= 1;
    state.leases -= 1;
    if (ring_ == nullptr) return free_.push_back(id);
    if (state.leases > 0 || state.kernel_has) return;
    state.offset = 0;
    state.kernel_has = true;
    ring_->provide_buffer(id);
}

}  // namespace loom::io
