// How long a target has taken of late: a percentile over a sliding window, and a peak-sensitive moving average that
// notices sooner. Written and read by all shards, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "loom/base/histogram.h"

namespace loom::route {

struct LatencyOptions {
    uint64_t window_ms = 300'000;
    uint32_t percentile = 95;
    bool operator==(const LatencyOptions&) const = default;
};

/// Method  Buckets of a log-linear histogram for each of some slices of the window. A count carries the slice's number
///         it belongs to, so an old one is found to be old where it is next met: nothing is cleared, and no sample is
///         lost between shards. The percentile is made anew at most every `refresh_ms`, by one of them.
class LatencyWindow {
  public:
    /// A sample, in microseconds.
    void record(const LatencyOptions& options, uint64_t now_ms, uint64_t us) noexcept;
    /// Microseconds; the larger of the percentile and the moving average, which falls as time passes without samples.
    /// 0: nothing was seen within the window.
    [[nodiscard]] uint64_t score(const LatencyOptions& options, uint64_t now_ms) noexcept;
    /// The percentile as of now. Walks the window.
    [[nodiscard]] uint64_t percentile(const LatencyOptions& options, uint64_t now_ms, uint32_t which) const noexcept;
    /// Since the last sample; UINT64_MAX before the first.
    [[nodiscard]] uint64_t idle_ms(uint64_t now_ms) const noexcept;

    static constexpr uint64_t refresh_ms = 100;
    static constexpr uint64_t decay_ms = 10'000;  // in which the moving average forgets 63 % of a peak

  private:
    using Shape = LogLinearShape<2, 30>;  // up to 18 minutes, within a quarter
    static constexpr uint32_t slices = 6;
    struct Average {
        float us;
        uint32_t at_ms;
    };
    [[nodiscard]] static uint32_t slice_of(const LatencyOptions& options, uint64_t now_ms) noexcept;
    void count(uint32_t slice, size_t bucket) noexcept;
    void average(uint64_t now_ms, uint64_t us) noexcept;

    // The score's own line: what choosing reads.
    alignas(64) std::atomic<uint64_t> average_{0};  // an Average
    std::atomic<uint64_t> percentile_us_{0};
    std::atomic<uint64_t> refreshed_ms_{0};
    std::atomic<uint64_t> sampled_ms_{0};  // 0: never
    // slice number:32 count:32
    alignas(64) std::array<std::array<std::atomic<uint64_t>, Shape::bucket_count>, slices> counts_{};
};

}  // namespace loom::route
