#pragma once
// A log-linear histogram of nanoseconds: 64 steps to each doubling, so a percentile is right within 1.6 %.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace bench {

class Histogram {
  public:
    void add(int64_t ns) {
        const uint64_t value = uint64_t(std::max<int64_t>(ns, 0));
        counts_[index_of(value)] += 1;
        count_ += 1;
        sum_ += value;
        max_ = std::max(max_, value);
    }
    uint64_t count() const { return count_; }
    uint64_t max_ns() const { return max_; }
    double mean_ns() const { return count_ == 0 ? 0 : double(sum_) / double(count_); }

    /// The smallest value that at least `share` (0..1) of all values do not exceed.
    uint64_t percentile_ns(double share) const {
        const uint64_t wanted = std::max<uint64_t>(1, uint64_t(share * double(count_) + 0.5));
        uint64_t seen = 0;
        for (size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen >= wanted) return std::min(top_of(i), max_);
        }
        return max_;
    }

  private:
    static constexpr int step_bits = 6;
    static constexpr uint64_t steps = 1 << step_bits;

    static size_t index_of(uint64_t value) {
        if (value < steps) return size_t(value);
        const int shift = std::bit_width(value) - 1 - step_bits;
        return size_t(uint64_t(shift + 1) * steps + ((value >> shift) - steps));
    }
    static uint64_t top_of(size_t index) {
        if (index < steps) return index;
        const int shift = int(index / steps) - 1;
        return ((index % steps + steps + 1) << shift) - 1;
    }

    std::vector<uint64_t> counts_ = std::vector<uint64_t>(64 * steps);
    uint64_t count_ = 0;
    uint64_t sum_ = 0;
    uint64_t max_ = 0;
};

}  // namespace bench
