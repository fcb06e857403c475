// One core, one ring, nothing shared: the loop that everything of a shard runs on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "loom/base/block_pool.h"
#include "loom/base/list.h"
#include "loom/base/memory_term.h"
#include "loom/base/result.h"
#include "loom/io/buffers.h"
#include "loom/io/mailbox.h"
#include "loom/io/ring.h"
#include "loom/io/timer_wheel.h"
#include "loom/io/uring.h"

namespace loom::io {

struct ReadyTag;

/// Work for this tick that a completion found: it runs after all completions are in, so that no byte layer ever resumes
/// a request in the middle of its own bookkeeping, and so that many completions of one connection cost one send.
struct Runnable : ListLink<ReadyTag> {
    using Run = void (*)(Runnable&) noexcept;
    explicit Runnable(Run function) noexcept : run(function) {}
    Run run;
};

/// An object that dies at the end of the tick, when no handler can meet it any more.
struct Doomed {
    using Free = void (*)(Doomed&) noexcept;
    explicit Doomed(Free function) noexcept : free(function) {}
    Doomed* next_doomed = nullptr;
    Free free;
};

struct ShardOptions {
    uint32_t ring_entries = 1024;
    uint16_t buffer_count = 256;
    uint32_t buffer_bytes = 16 * 1024;
    RingFeatures features;
    int core = -1;  // pinned when ≥ 0
};

/// What a shard takes whatever it serves: rings, buffers, and what its pool of blocks keeps.
[[nodiscard]] MemoryTerms shard_memory(const ShardOptions& options);

/// Sums that an observer may read from other threads; written by the shard alone.
struct LoopStats {
    std::atomic<uint64_t> ticks{0};
    std::atomic<uint64_t> completions{0};
    std::atomic<uint64_t> buffer_starvations{0};
};

class Shard {
  public:
    Shard(uint32_t index, const ShardOptions& options);
    ~Shard();
    Shard(const Shard&) = delete;

    /// Opens the ring. On the thread that will run the shard.
    [[nodiscard]] Result<void> open();
    /// The same on a ring that was made elsewhere, for this shard's buffers: a simulated one.
    void open_on(std::unique_ptr<Ring> ring, bool incremental_buffers);
    /// Runs until `stop` was called and `idle()` says that everything came home. `turned` is told how long each turn
    /// took, from its waking to its next wait.
    template <class Idle, class Turned>
    void run(Idle&& idle, Turned&& turned) {
        while (!stopping_ || !idle()) {
            tick();
            turned(turn_ns_);
        }
    }
    void tick();
    void stop() noexcept { stopping_ = true; }
    [[nodiscard]] bool stopping() const noexcept { return stopping_; }
    /// Ends the mailbox and waits for what the loop itself has in flight.
    void close();

    [[nodiscard]] uint32_t index() const noexcept { return index_; }
    [[nodiscard]] Ring& ring() noexcept { return *ring_; }
    [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
    [[nodiscard]] BlockPool& blocks() noexcept { return blocks_; }
    [[nodiscard]] TimerWheel& timers() noexcept { return timers_; }
    [[nodiscard]] Mailbox& mailbox() noexcept { return mailbox_; }
    [[nodiscard]] LoopStats& stats() noexcept { return stats_; }

    /// Ticks that have ended: the number of the one at hand.
    [[nodiscard]] uint64_t tick_count() const noexcept { return stats_.ticks.load(std::memory_order_relaxed); }
    /// The time at which this tick's completions were taken.
    [[nodiscard]] uint64_t now_ns() const noexcept { return now_ns_; }
    /// The time now, later than now_ns() by what the tick has done since.
    [[nodiscard]] uint64_t read_clock_ns() const noexcept { return ring_->now_ns(); }

    /// New requests and answers' heads.
    void schedule(Runnable& work) noexcept {
        if (!work.linked()) urgent_.push_back(work);
    }
    /// Bytes that flow already: after all urgent work of the tick.
    void schedule_bulk(Runnable& work) noexcept {
        if (!work.linked()) bulk_.push_back(work);
    }
    /// The next tick: for work that has had its quantum, and receives that found no buffer.
    void schedule_next_tick(Runnable& work) noexcept {
        if (!work.linked()) next_tick_.push_back(work);
    }
    /// This tick, when all else of it is done: what it has gathered goes to the kernel together.
    void schedule_last(Runnable& work) noexcept {
        if (!work.linked()) last_.push_back(work);
    }
    void free_later(Doomed& object) noexcept {
        object.next_doomed = doomed_;
        doomed_ = &object;
    }

    /// The shard that runs on this thread.
    [[nodiscard]] static Shard& current() noexcept { return *current_; }

  private:
    using ReadyList = List<Runnable, ReadyTag>;
    void enter(std::unique_ptr<Ring> ring);
    void run_ready() noexcept;
    void free_doomed() noexcept;
    [[nodiscard]] uint64_t wait_ns() const noexcept;

    static thread_local Shard* current_;

    uint32_t index_;
    ShardOptions options_;
    BufferPool buffers_;
    BlockPool blocks_;
    std::unique_ptr<Ring> ring_;
    TimerWheel timers_;
    Mailbox mailbox_;
    ReadyList urgent_;
    ReadyList bulk_;
    ReadyList next_tick_;
    ReadyList last_;
    Doomed* doomed_ = nullptr;
    LoopStats stats_;
    uint64_t now_ns_;
    uint64_t turn_ns_ = 0;  // that the last turn took
    bool stopping_ = false;
};

}  // namespace loom::io
