// A moving average in one word: every shard adds to the same one, without a lock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace loom {

class MovingAverage {
  public:
    /// One more sample, which moves the average by a sixteenth of the way; the first is the average.
    void record(uint64_t sample) noexcept {
        const uint64_t scaled = std::min(sample, sample_max) * scale;
        uint64_t before = word_.load(std::memory_order_relaxed);
        for (;;) {
            const uint64_t after = before == 0        ? scaled
                                   : scaled >= before ? before + (scaled - before) / share
                                                      : before - (before - scaled) / share;
            const uint64_t kept = std::max<uint64_t>(after, 1);
            if (word_.compare_exchange_weak(before, kept, std::memory_order_relaxed)) return;
        }
    }
    /// 0 before the first.
    [[nodiscard]] uint64_t value() const noexcept {
        return (word_.load(std::memory_order_relaxed) + scale / 2) / scale;
    }

    static constexpr uint64_t share = 16;
    static constexpr uint64_t sample_max = uint64_t{1} << 40;

  private:
    static constexpr uint64_t scale = 256;
    std::atomic<uint64_t> word_{0};
};

}  // namespace loom
