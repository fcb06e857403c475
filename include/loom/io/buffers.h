// Buffers that the kernel fills and the shard reads in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/base/assert.h"
#include "loom/io/completion.h"

namespace loom::io {

class BufferPool;
class Ring;

/// Bytes in a pool's buffer. The buffer goes back to the kernel when its last lease is gone. Move only, shard-local.
class BufferLease {
  public:
    BufferLease() noexcept = default;
    BufferLease(BufferLease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), data_(other.data_), bytes_(other.bytes_), id_(other.id_) {}
    BufferLease& operator=(BufferLease&& other) noexcept {
        if (this == &other) return *this;
        release();
        pool_ = std::exchange(other.pool_, nullptr);
        data_ = other.data_;
        bytes_ = other.bytes_;
        id_ = other.id_;
        return *this;
    }
    ~BufferLease() { release(); }

    explicit operator bool() const noexcept { return pool_ != nullptr; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, pool_ == nullptr ? 0 : bytes_}; }
    void remove_prefix(size_t count) noexcept {
        LOOM_ASSERT(count <= bytes_);
        data_ += count;
        bytes_ -= static_cast<uint32_t>(count);
    }
    /// The bytes, to be written over: they are this lease's alone (TLS puts plaintext in their place).
    [[nodiscard]] std::span<char> room() noexcept { return {data_, pool_ == nullptr ? 0 : bytes_}; }
    void keep_prefix(size_t count) noexcept {
        LOOM_ASSERT(count <= bytes_);
        bytes_ = static_cast<uint32_t>(count);
    }
    inline void release() noexcept;

  private:
    friend class BufferPool;
    BufferLease(BufferPool& pool, uint16_t id, char* data, uint32_t bytes) noexcept
        : pool_(&pool), data_(data), bytes_(bytes), id_(id) {}

    BufferPool* pool_ = nullptr;
    char* data_ = nullptr;
    uint32_t bytes_ = 0;
    uint16_t id_ = 0;
};

/// `count` buffers of `buffer_bytes`, in one mapping with `tail_bytes` readable behind the last (SIMD readers look
/// ahead). In incremental mode one buffer serves several receives, each with a lease of its own; it is free when the
/// kernel has moved on and every lease is back. A buffer is accounted for by count at both ends.
///
/// The kernel takes buffers in the order they were given, so with all of them in its hands each receive would land in
/// the one that left the cache longest ago. It has as many as the last ticks needed twice over; the others wait on a
/// stack, and what has not been needed for long gives its memory back.
class BufferPool {
  public:
    static constexpr size_t tail_bytes = 4096;
    static constexpr uint16_t depth_min = 8;       // buffers in the kernel's hands when nothing goes on
    static constexpr uint64_t window_ms = 250;     // after which the depth may shrink by half

    /// count: a power of two, at most 32768.
    BufferPool(uint16_t count, uint32_t buffer_bytes);
    ~BufferPool();
    BufferPool(const BufferPool&) = delete;

    /// Hands all buffers to `ring`. Without a ring the pool is a plain one: `take` hands out whole buffers.
    void attach(Ring& ring, bool incremental);
    /// A whole buffer of a plain pool; an empty lease when all are out.
    [[nodiscard]] BufferLease take() noexcept;
    [[nodiscard]] bool incremental() const noexcept { return incremental_; }

    /// The bytes of a receive. `cqe.has_buffer()` must hold; res > 0.
    [[nodiscard]] BufferLease lease(Cqe cqe) noexcept;
    /// A receive that took a buffer and brought no bytes.
    void recycle(Cqe cqe) noexcept;
    /// Before the loop waits: gives the kernel what the next tick may need, by what the last ones did.
    void replenish(uint64_t now_ms) noexcept {
        if (taken_count_ > 0) adapt();
        if (now_ms >= window_end_ms_) end_window(now_ms);
        while (kernel_count_ < depth_ && !reserve_.empty()) provide_reserve();
    }

    [[nodiscard]] char* buffer(uint16_t id) noexcept { return memory_ + size_t{id} * buffer_bytes_; }
    [[nodiscard]] uint16_t count() const noexcept { return count_; }
    [[nodiscard]] uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }
    [[nodiscard]] uint32_t leased_count() const noexcept { return leased_count_; }
    /// How many buffers the kernel is to have between two ticks.
    [[nodiscard]] uint16_t depth() const noexcept { return depth_; }

  private:
    friend class BufferLease;
    struct State {
        uint32_t offset = 0;  // of the next receive, in incremental mode
        uint16_t leases = 0;
        bool kernel_has = false;
        bool touched = false;  // it holds pages
    };
    void give_back(uint16_t id) noexcept;
    void fill_reserve();
    void leave_kernel(State& state) noexcept;
    void come_home(uint16_t id) noexcept;
    void provide(uint16_t id) noexcept;
    void provide_reserve() noexcept;
    void adapt() noexcept;
    void end_window(uint64_t now_ms) noexcept;

    Ring* ring_ = nullptr;
    char* memory_ = nullptr;
    size_t mapping_bytes_ = 0;
    std::vector<State> states_;
    uint32_t buffer_bytes_;
    uint16_t count_;
    bool incremental_ = false;
    uint32_t leased_count_ = 0;
    std::vector<uint16_t> reserve_;  // not out; the last that came home goes out first, while it is in the cache
    uint16_t depth_ = 0;
    uint16_t kernel_count_ = 0;
    uint16_t taken_count_ = 0;  // by the kernel's receives, in this tick
    uint16_t taken_most_ = 0;   // in one tick of this window
    uint64_t window_end_ms_ = 0;
};

inline void BufferLease::release() noexcept {
    if (pool_ != nullptr) std::exchange(pool_, nullptr)->give_back(id_);
}

}  // namespace loom::io
