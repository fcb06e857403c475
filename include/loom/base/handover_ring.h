// Records on their way from one thread to another, by value.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace loom {

/// One thread puts in, another one takes out; neither waits.
template <class Record, uint32_t record_count>
class HandoverRing {
  public:
    static constexpr uint32_t size = record_count;
    static_assert((size & (size - 1)) == 0, "its places go on when a count has come round");

    /// False where there is no room.
    bool put(const Record& record) noexcept {
        const uint32_t at = put_.load(std::memory_order_relaxed);
        if (at - taken_.load(std::memory_order_acquire) == size) return false;
        slots_[at % size] = record;
        put_.store(at + 1, std::memory_order_release);
        return true;
    }
    /// False where there is none.
    bool take(Record& record) noexcept {
        const uint32_t at = taken_.load(std::memory_order_relaxed);
        if (at == put_.load(std::memory_order_acquire)) return false;
        record = slots_[at % size];
        taken_.store(at + 1, std::memory_order_release);
        return true;
    }

  private:
    std::array<Record, size> slots_;
    alignas(64) std::atomic<uint32_t> put_{0};
    alignas(64) std::atomic<uint32_t> taken_{0};
};

}  // namespace loom
