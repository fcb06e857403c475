// The bytes between one shard and the writer of the log: one producer, one consumer, whole lines only.
//
// A line is contiguous. Where the rest of the ring might not hold the longest one, the producer puts a NUL and goes on
// at the start; JSON has no NUL, so the consumer takes the first one near the end as the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "loom/base/histogram.h"
#include "loom/observe/line_log.h"

namespace loom::observe {

struct ShardLines::Ring {
    explicit Ring(size_t bytes);
    ~Ring();
    Ring(const Ring&) = delete;

    // The producer's half.
    /// Room for the longest line, or null when the consumer is behind.
    [[nodiscard]] char* reserve() noexcept;
    /// Publishes what was written from the pointer that reserve() gave up to `end`.
    void commit(const char* end) noexcept;
    [[nodiscard]] bool half_full() noexcept {
        if ((write_at_ - read_seen_) * 2 <= bytes_) return false;
        read_seen_ = read_.load(std::memory_order_acquire);  // what was seen last may be long gone
        return (write_at_ - read_seen_) * 2 > bytes_;
    }

    // The consumer's half.
    /// Whole lines not yet consumed, as far as they are contiguous; empty when there are none. What was consumed of the
    /// first one is left out.
    [[nodiscard]] std::string_view readable() noexcept;
    void consume(size_t bytes) noexcept;

    Counter dropped;  // the producer's

  private:
    const size_t bytes_;
    char* memory_;
    alignas(64) std::atomic<uint64_t> written_{0};  // positions only grow; modulo bytes_ they are offsets
    uint64_t write_at_ = 0;   // written_, and the padding that a reservation may have put before itself
    uint64_t read_seen_ = 0;  // what the producer last saw of read_: looked up only when the ring seems full
    alignas(64) std::atomic<uint64_t> read_{0};
};

}  // namespace loom::observe
