#include "loom/io/shard.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

#include "loom/base/clock.h"

namespace loom::io {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint64_t longest_wait_ns = 1'000 * ns_per_ms;

/// A counter that one thread writes and others read: no locked instruction.
void add(std::atomic<uint64_t>& counter, uint64_t amount) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

void pin_to(int core) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // a refusal (cpuset) costs speed, not correctness
}

}  // namespace

MemoryTerms shard_memory(const ShardOptions& options) {
    const uint64_t buffers = uint64_t{options.buffer_count} * options.buffer_bytes;
    return {{"receive buffers", buffers, "buffer.count, buffer.size"},
            {"the ring", ring_memory_bytes(options.ring_entries, options.buffer_count), "loop.ring_entries"},
            {"blocks kept for the next request", BlockPool::idle_bytes_max(), ""}};
}

thread_local Shard* Shard::current_ = nullptr;

Shard::Shard(uint32_t index, const ShardOptions& options)
    : index_(index),
      options_(options),
      buffers_(options.buffer_count, options.buffer_bytes),
      timers_(monotonic_ns() / ns_per_ms),
      now_ns_(monotonic_ns()) {}

Shard::~Shard() {
    LOOM_ASSERT(urgent_.empty() && bulk_.empty() && next_tick_.empty() && last_.empty() && doomed_ == nullptr);
    if (current_ == this) current_ = nullptr;
}

Result<void> Shard::open() {
    if (options_.core >= 0) pin_to(options_.core);
    auto ring = make_uring(RingOptions{.entries = options_.ring_entries, .features = options_.features}, buffers_);
    if (!ring) return std::unexpected(ring.error());
    enter(std::move(*ring));
    return {};
}

void Shard::open_on(std::unique_ptr<Ring> ring, bool incremental_buffers) {
    buffers_.attach(*ring, incremental_buffers);
    enter(std::move(ring));
}

void Shard::enter(std::unique_ptr<Ring> ring) {
    current_ = this;
    ring_ = std::move(ring);
    now_ns_ = ring_->now_ns();
    timers_.expire(now_ns_ / ns_per_ms);
    mailbox_.arm(*ring_);
}

void Shard::tick() {
    buffers_.replenish(timers_.now_ms());
    ring_->wait(wait_ns());
    now_ns_ = ring_->now_ns();  // before the handlers: what they measure and arm begins now
    timers_.set_clock(now_ns_ / ns_per_ms);
    const uint32_t count = ring_->dispatch();
    const uint64_t woke_ns = now_ns_;
    timers_.expire(now_ns_ / ns_per_ms);
    run_ready();
    free_doomed();

    turn_ns_ = ring_->now_ns() - woke_ns;
    add(stats_.ticks, 1);
    add(stats_.completions, count);
}

void Shard::run_ready() noexcept {
    ReadyList deferred;
    next_tick_.move_to(deferred);
    for (;;) {
        Runnable* work = urgent_.pop_front();
        if (work == nullptr) work = bulk_.pop_front();
        if (work == nullptr) work = deferred.pop_front();
        if (work == nullptr) work = last_.pop_front();
        if (work == nullptr) return;
        work->run(*work);
    }
}

void Shard::free_doomed() noexcept {
    while (Doomed* const object = doomed_) {
        doomed_ = object->next_doomed;
        object->free(*object);
    }
}

uint64_t Shard::wait_ns() const noexcept {
    if (!next_tick_.empty() || !urgent_.empty() || !bulk_.empty() || !last_.empty())
        return 0;  // a dying object may leave work behind
    const uint64_t delay_ms = timers_.next_delay_ms();
    if (delay_ms == TimerWheel::none) return longest_wait_ns;
    // The wheel counts whole milliseconds; waking at the boundary rather than a fraction before it saves an empty tick.
    const uint64_t due_ns = timers_.due_ms(delay_ms) * ns_per_ms;
    const uint64_t now = now_ns_;
    return due_ns <= now ? 1 : std::min(due_ns - now, longest_wait_ns);
}

void Shard::close() {
    mailbox_.stop();
    while (!mailbox_.stopped()) tick();
}

}  // namespace loom::io
