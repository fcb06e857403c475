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
    /// What no more than their share have taken longer than: the upper end of what is known of the percentile, whose
    /// middle may lie below the half of all. Made anew every refresh_ms; 0 as long as the window holds too few samples
    /// for it (samples_for).
    /// which  always the same: one is kept.
    [[nodiscard]] uint64_t settled(const LatencyOptions& options, uint64_t now_ms, uint32_t which) noexcept;
    /// Fewer say nothing of this percentile: one in so many lies above it.
    [[nodiscard]] static constexpr uint64_t samples_for(uint32_t which) noexcept {
        constexpr uint64_t least = 20;
        const uint64_t one_above = 100 / (100 - (which < 100 ? which : 99));
        return one_above > least ? one_above : least;
    }
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
    struct Measured {
        uint64_t us = 0;        // the middle of its bucket
        uint64_t upper_us = 0;  // that bucket's end
        uint64_t samples = 0;
    };
    [[nodiscard]] Measured measure(const LatencyOptions& options, uint64_t now_ms, uint32_t which) const noexcept;
    void count(uint32_t slice, size_t bucket) noexcept;
    void average(uint64_t now_ms, uint64_t us) noexcept;

    // The score's own line: what choosing reads.
    alignas(64) std::atomic<uint64_t> average_{0};  // an Average
    std::atomic<uint64_t> percentile_us_{0};
    std::atomic<uint64_t> refreshed_ms_{0};
    std::atomic<uint64_t> sampled_ms_{0};  // 0: never
    std::atomic<uint64_t> settled_us_{0};
    std::atomic<uint64_t> settled_ms_{0};  // when that was made; 0: never
    // slice number:32 count:32
    alignas(64) std::array<std::array<std::atomic<uint64_t>, Shape::bucket_count>, slices> counts_{};
};

}  // namespace loom::route
