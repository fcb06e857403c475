// How far the region of a provider is, from the time that connections to it take: name, TCP and TLS.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace loom::route {

/// What is known of the way to a region. One for all shards; a reload finds it again by its name.
class RegionState {
  public:
    /// A connection was made, which took so many microseconds. No way is longer than the shortest time it was gone in:
    /// what is more (a cold name, a busy loop) counts a sixteenth of the way, what is less at once.
    void note_connect(uint64_t now_ms, uint64_t us) noexcept {
        us = std::clamp<uint64_t>(us, 1, connect_us_max);
        uint64_t before = connect_us_.load(std::memory_order_relaxed);
        uint64_t after;
        do {
            after = before == 0 || us < before ? us : before + (us - before) / connect_share;
        } while (!connect_us_.compare_exchange_weak(before, after, std::memory_order_relaxed));
        heard_ms_.store(now_ms, std::memory_order_relaxed);
        looks_.store(0, std::memory_order_relaxed);
    }
    /// 0 before the first.
    [[nodiscard]] uint64_t connect_us() const noexcept { return connect_us_.load(std::memory_order_relaxed); }
    /// Is it time to look how far it is? True for one request.
    [[nodiscard]] bool may_explore(uint64_t now_ms) noexcept;

    static constexpr uint64_t first_look_ms = 1'000;  // between two looks at who is not known; doubled by each in vain
    static constexpr uint64_t look_ms = 300'000;      // at who was not heard of for so long

  private:
    static constexpr uint64_t connect_us_max = uint64_t{1} << 40;
    static constexpr uint64_t connect_share = 16;

    std::atomic<uint64_t> connect_us_{0};
    std::atomic<uint32_t> looks_{0};  // since one was heard of
    std::atomic<uint64_t> heard_ms_{0};
    std::atomic<uint64_t> explored_ms_{0};
};

}  // namespace loom::route
