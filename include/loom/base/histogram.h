// Counts that one thread writes and any thread reads. The writer loads and stores instead of fetch_add: with a single
// writer no increment is lost, and there is no lock prefix on the way of a request. A reader sees every value whole,
// though values of one moment may be an instant apart.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loom {

/// A count that only grows. One writer.
class Counter {
  public:
    void add(uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};

/// A level that rises and falls. One writer.
class Gauge {
  public:
    void add(int64_t n = 1) noexcept { set(value() + n); }
    void sub(int64_t n = 1) noexcept { set(value() - n); }
    void set(int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<int64_t> value_{0};
};

/// The shape of a log-linear histogram: 2^sub_bits equal buckets in each octave, so that a value is known to within one
/// part in 2^sub_bits, whatever its size. Values of 2^value_bits and more land in the last bucket.
template <unsigned sub_bits, unsigned value_bits>
struct LogLinearShape {
    static_assert(sub_bits >= 1 && sub_bits < value_bits && value_bits <= 64);
    static constexpr size_t bucket_count = (size_t{1} << sub_bits) * (value_bits - sub_bits + 1);

    [[nodiscard]] static constexpr size_t index_of(uint64_t value) noexcept {
        constexpr uint64_t sub_count = uint64_t{1} << sub_bits;
        if (value < sub_count) return static_cast<size_t>(value);
        const unsigned octave = static_cast<unsigned>(std::bit_width(value)) - 1 - sub_bits;
        const size_t index = (size_t{octave} << sub_bits) + static_cast<size_t>(value >> octave);
        return std::min(index, bucket_count - 1);
    }
    /// The least value of a bucket.
    [[nodiscard]] static constexpr uint64_t lower_bound(size_t index) noexcept {
        constexpr size_t sub_count = size_t{1} << sub_bits;
        if (index < 2 * sub_count) return index;
        const size_t octave = (index >> sub_bits) - 1;
        return (uint64_t{sub_count} + (index & (sub_count - 1))) << octave;
    }
    /// The width of a bucket.
    [[nodiscard]] static constexpr uint64_t width(size_t index) noexcept {
        constexpr size_t sub_count = size_t{1} << sub_bits;
        return index < 2 * sub_count ? 1 : uint64_t{1} << ((index >> sub_bits) - 1);
    }
};

/// Plain counts, for merging and for quantiles; owned by one thread.
template <unsigned sub_bits, unsigned value_bits>
class LogLinearCounts {
  public:
    using Shape = LogLinearShape<sub_bits, value_bits>;

    void add(size_t index, uint64_t n) noexcept { counts_[index] += n; }
    void merge(const LogLinearCounts& other) noexcept {
        for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    }
    /// What was counted since `earlier`, a former state of these same counts.
    [[nodiscard]] LogLinearCounts since(const LogLinearCounts& earlier) const noexcept {
        LogLinearCounts out;
        for (size_t i = 0; i < counts_.size(); ++i) out.counts_[i] = counts_[i] - earlier.counts_[i];
        return out;
    }
    [[nodiscard]] uint64_t count() const noexcept {
        uint64_t n = 0;
        for (const uint64_t c : counts_) n += c;
        return n;
    }
    /// The middle of the bucket that holds rank ceil(q * count). q in [0, 1]; 0 when nothing was counted.
    [[nodiscard]] double quantile(double q) const noexcept {
        const uint64_t total = count();
        if (total == 0) return 0;
        const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
        uint64_t seen = 0;
        size_t last = 0;
        for (size_t i = 0; i < counts_.size(); ++i) {
            if (counts_[i] == 0) continue;
            seen += counts_[i];
            last = i;
            if (static_cast<double>(seen) >= wanted) break;
        }
        return static_cast<double>(Shape::lower_bound(last)) + static_cast<double>(Shape::width(last) - 1) / 2;
    }

  private:
    std::array<uint64_t, Shape::bucket_count> counts_{};
};

/// A log-linear histogram of fixed memory: one writer, readable from any thread. The default tells microseconds up to
/// 71 minutes within 6 %, in 3.7 KiB.
template <unsigned sub_bits = 4, unsigned value_bits = 32>
class Histogram {
  public:
    using Shape = LogLinearShape<sub_bits, value_bits>;
    using Counts = LogLinearCounts<sub_bits, value_bits>;

    void record(uint64_t value) noexcept { counts_[Shape::index_of(value)].add(); }
    void add_to(Counts& sum) const noexcept {
        for (size_t i = 0; i < counts_.size(); ++i) {
            if (const uint64_t n = counts_[i].value()) sum.add(i, n);
        }
    }

  private:
    std::array<Counter, Shape::bucket_count> counts_;
};

/// A histogram over given inclusive upper bounds, as Prometheus' `le`: counts per bucket (the last is +Inf) and a sum.
/// Bounds live with the caller, so that thousands of series share them.
template <size_t bound_count>
class BoundedHistogram {
  public:
    using Bounds = std::array<uint64_t, bound_count>;

    void record(const Bounds& bounds, uint64_t value) noexcept {
        size_t index = 0;
        for (const uint64_t bound : bounds) index += value > bound;  // no branch: a handful of vector compares
        counts_[index].add();
        sum_.add(value);
    }
    [[nodiscard]] uint64_t bucket(size_t index) const noexcept { return counts_[index].value(); }
    [[nodiscard]] uint64_t sum() const noexcept { return sum_.value(); }

  private:
    std::array<Counter, bound_count + 1> counts_;
    Counter sum_;
};

}  // namespace loom
