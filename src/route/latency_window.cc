#include "loom/route/latency_window.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loom::route {
namespace {

constexpr uint64_t low_half = 0xffff'ffff;

}  // namespace

/// From 1: a count of slice 0 is one that was never written.
uint32_t LatencyWindow::slice_of(const LatencyOptions& options, uint64_t now_ms) noexcept {
    const uint64_t slice_ms = std::max<uint64_t>(1, options.window_ms / (slices - 1));  // one is only begun
    return static_cast<uint32_t>(now_ms / slice_ms) + 1;
}

void LatencyWindow::count(uint32_t slice, size_t bucket) noexcept {
    std::atomic<uint64_t>& cell = counts_[slice % slices][bucket];
    uint64_t before = cell.load(std::memory_order_relaxed);
    uint64_t after;
    do {
        const auto held = static_cast<uint32_t>(before >> 32);
        if (static_cast<int32_t>(held - slice) > 0) return;  // a thread that slept for a window: its sample is history
        after = held == slice ? before + 1 : (uint64_t{slice} << 32 | 1);
    } while (!cell.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

/// A sample above the average takes its place at once; one below draws it down as fast as time allows.
void LatencyWindow::average(uint64_t now_ms, uint64_t us) noexcept {
    uint64_t word = average_.load(std::memory_order_relaxed);
    uint64_t next;
    do {
        auto average = std::bit_cast<Average>(word);
        const auto sample = static_cast<float>(us);
        const uint32_t elapsed_ms = static_cast<uint32_t>(now_ms) - average.at_ms;
        const float weight = std::exp(-static_cast<float>(elapsed_ms) / static_cast<float>(decay_ms));
        const bool first = word == 0;
        average.us = first || sample > average.us ? sample : average.us * weight + sample * (1 - weight);
        average.at_ms = static_cast<uint32_t>(now_ms);
        next = std::bit_cast<uint64_t>(average);
    } while (!average_.compare_exchange_weak(word, next, std::memory_order_relaxed));
}

void LatencyWindow::record(const LatencyOptions& options, uint64_t now_ms, uint64_t us) noexcept {
    us = std::max<uint64_t>(us, 1);
    count(slice_of(options, now_ms), Shape::index_of(us));
    average(now_ms, us);
    sampled_ms_.store(std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed);
}

uint64_t LatencyWindow::percentile(const LatencyOptions& options, uint64_t now_ms, uint32_t which) const noexcept {
    return measure(options, now_ms, which).us;
}

uint64_t LatencyWindow::settled(const LatencyOptions& options, uint64_t now_ms, uint32_t which) noexcept {
    uint64_t made_ms = settled_ms_.load(std::memory_order_relaxed);
    const bool stale = made_ms == 0 || now_ms >= made_ms + refresh_ms;
    if (stale &&
        settled_ms_.compare_exchange_strong(made_ms, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed)) {
        const Measured now = measure(options, now_ms, which);
        settled_us_.store(now.samples < samples_for(which) ? 0 : now.upper_us, std::memory_order_relaxed);
    }
    return settled_us_.load(std::memory_order_relaxed);
}

LatencyWindow::Measured LatencyWindow::measure(const LatencyOptions& options, uint64_t now_ms,
                                               uint32_t which) const noexcept {
    const uint32_t now = slice_of(options, now_ms);
    std::array<uint64_t, Shape::bucket_count> sums{};
    uint64_t total = 0;
    for (const auto& slice : counts_) {
        for (size_t bucket = 0; bucket < sums.size(); ++bucket) {
            const uint64_t cell = slice[bucket].load(std::memory_order_relaxed);
            if (cell == 0 || now - static_cast<uint32_t>(cell >> 32) >= slices) continue;
            sums[bucket] += cell & low_half;
            total += cell & low_half;
        }
    }
    if (total == 0) return {};
    const uint64_t rank = std::max<uint64_t>(1, (total * which + 99) / 100);
    uint64_t below = 0;
    for (size_t bucket = 0; bucket < sums.size(); ++bucket) {
        below += sums[bucket];
        if (below < rank) continue;
        // The middle of the bucket: it is known to within one part in four.
        const uint64_t low = Shape::lower_bound(bucket);
        const uint64_t end = Shape::lower_bound(bucket + 1);
        return {.us = std::max<uint64_t>(1, (low + end) / 2), .upper_us = std::max<uint64_t>(1, end), .samples = total};
    }
    const uint64_t longest = Shape::lower_bound(sums.size() - 1);
    return {.us = longest, .upper_us = longest, .samples = total};
}

uint64_t LatencyWindow::score(const LatencyOptions& options, uint64_t now_ms) noexcept {
    const uint64_t sampled_ms = sampled_ms_.load(std::memory_order_relaxed);
    if (sampled_ms == 0) return 0;
    uint64_t refreshed_ms = refreshed_ms_.load(std::memory_order_relaxed);
    const bool stale = refreshed_ms == 0 || now_ms >= refreshed_ms + refresh_ms;
    if (stale &&
        refreshed_ms_.compare_exchange_strong(refreshed_ms, std::max<uint64_t>(now_ms, 1), std::memory_order_relaxed))
        percentile_us_.store(percentile(options, now_ms, options.percentile), std::memory_order_relaxed);
    const uint64_t percentile_us = percentile_us_.load(std::memory_order_relaxed);
    if (percentile_us == 0) return 0;  // all of it is older than the window
    const auto average = std::bit_cast<Average>(average_.load(std::memory_order_relaxed));
    const uint32_t elapsed_ms = static_cast<uint32_t>(now_ms) - average.at_ms;
    if (elapsed_ms > 4 * decay_ms) return percentile_us;
    const float faded = average.us * (1 - static_cast<float>(elapsed_ms) / static_cast<float>(4 * decay_ms));
    return std::max(percentile_us, static_cast<uint64_t>(faded));
}

uint64_t LatencyWindow::idle_ms(uint64_t now_ms) const noexcept {
    const uint64_t sampled_ms = sampled_ms_.load(std::memory_order_relaxed);
    return sampled_ms == 0 ? UINT64_MAX : now_ms - std::min(now_ms, sampled_ms);
}

}  // namespace loom::route
