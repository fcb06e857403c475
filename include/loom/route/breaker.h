// A circuit breaker in one word: every shard reads and changes the same one, without a lock.
//
//   closed ──failure_threshold failures in a row──► open ──timeout──► half open ──success_threshold good probes──►
//   closed
//                                                    ▲                   │ one bad probe
//                                                    └───────────────────┘
// The rules are a pure function of a state, an event and a time (`BreakerState`); `Breaker` applies it by compare and
// swap. In health an attempt costs one load: a success changes nothing, so no cache line moves between cores.
#pragma once

#include <atomic>
#include <cstdint>

namespace loom::route {

struct BreakerOptions {
    uint32_t failure_threshold = 5;  // failures in a row that open it; 0: there is no breaker
    uint32_t success_threshold = 3;  // probes that must do well before it closes; as many at once at the most
    uint64_t timeout_ms = 60'000;    // how long it stays open
    uint64_t restore_ms = 10'000;    // after it has closed, its share of the traffic grows over so long; 0: at once
    static constexpr uint32_t threshold_max = 1000;

    bool operator==(const BreakerOptions&) const = default;
};

enum class BreakerPhase : uint8_t { closed, open, half_open };

/// What an attempt was let in as. Its outcome counts only in the era that let it in: what began before the breaker
/// opened says nothing about the recovery.
struct BreakerPass {
    uint8_t era = 0;
    bool probe = false;
    bool entered = false;  // there is an outcome to tell
};

enum class BreakerOutcome : uint8_t {
    success,
    failure,
    none,  // it was broken off from our side: nothing was learned
};

/// All a breaker knows, unpacked.
struct BreakerState {
    BreakerPhase phase = BreakerPhase::closed;
    uint8_t era = 0;           // counts changes of phase
    uint16_t failures = 0;     // in a row, while closed
    uint16_t successes = 0;    // of probes, while half open
    uint16_t probes = 0;       // under way, without those that were written off
    uint32_t since_ms = 0;     // of the phase; wraps after 49 days, as differences may
    bool restored = true;      // closed, and its share is whole again
    bool written_off = false;  // half open, and some of its probes were out for longer than the timeout

    bool operator==(const BreakerState&) const = default;

    /// Would an attempt be let in at `now_ms`? It changes nothing.
    [[nodiscard]] bool admits(const BreakerOptions& options, uint64_t now_ms) const noexcept;
    /// Lets one in, where it may; `pass` is what it was let in as.
    [[nodiscard]] bool enter(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass) noexcept;
    /// How an attempt that was let in ended.
    void leave(const BreakerOptions& options, uint64_t now_ms, BreakerPass pass, BreakerOutcome outcome) noexcept;
    /// Its share of the traffic in 1/256: 256, but for the time after it has closed.
    [[nodiscard]] uint32_t share(const BreakerOptions& options, uint64_t now_ms) const noexcept;

  private:
    void open(uint64_t now_ms) noexcept;
    [[nodiscard]] bool timed_out(const BreakerOptions& options, uint64_t now_ms) const noexcept;
};

/// Shared by all shards. Times are a monotonic clock's milliseconds, the same for all.
class Breaker {
  public:
    [[nodiscard]] bool admits(const BreakerOptions& options, uint64_t now_ms) const noexcept {
        const uint64_t word = word_.load(std::memory_order_relaxed);
        return word == 0 || unpack(word).admits(options, now_ms);
    }
    /// False when another shard took the last probe, or opened it, meanwhile.
    [[nodiscard]] bool enter(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass) noexcept;
    void leave(const BreakerOptions& options, uint64_t now_ms, BreakerPass& pass, BreakerOutcome outcome) noexcept;
    /// See BreakerState::share.
    [[nodiscard]] uint32_t share(const BreakerOptions& options, uint64_t now_ms) const noexcept {
        const uint64_t word = word_.load(std::memory_order_relaxed);
        return word == 0 ? 256 : unpack(word).share(options, now_ms);
    }
    [[nodiscard]] BreakerState state() const noexcept { return unpack(word_.load(std::memory_order_relaxed)); }

    [[nodiscard]] static uint64_t pack(const BreakerState& state) noexcept;
    [[nodiscard]] static BreakerState unpack(uint64_t word) noexcept;

  private:
    std::atomic<uint64_t> word_{0};  // 0 is a closed breaker that has seen nothing
};

}  // namespace loom::route
