// How much memory the request bodies of a shard hold together, for limit.bodies_in_memory.
#pragma once

#include <cstdint>

#include "loom/base/list.h"
#include "loom/observe/metrics.h"

namespace loom::proxy {

struct BodyTag;
class BodyBudget;

/// What one body holds of its shard's budget.
class BodyHold : public ListLink<BodyTag> {
  public:
    explicit BodyHold(BodyBudget& budget) noexcept : budget_(budget) {}
    BodyHold(const BodyHold&) = delete;

    /// Counts `bytes` for this body instead of what it held. False: there is no room, and it waits for its turn, first
    /// come first served; on_room tells when they are counted. Not while it waits.
    [[nodiscard]] bool hold(uint64_t bytes) noexcept;
    /// The same for one that cannot wait: where there is no room, it holds what it held.
    [[nodiscard]] bool try_hold(uint64_t bytes) noexcept;
    /// Counts fewer bytes than it held. Not while it waits.
    void hold_less(uint64_t bytes) noexcept;
    /// Gives back what it holds, or leaves the queue.
    void let_go() noexcept;
    [[nodiscard]] bool waits_for_room() const noexcept { return linked(); }

  protected:
    ~BodyHold() { let_go(); }
    /// Runs inside another body's let_go: notes it, and goes on later.
    virtual void on_room() noexcept = 0;

  private:
    friend class BodyBudget;
    BodyBudget& budget_;
    uint64_t held_bytes_ = 0;
    uint64_t wanted_bytes_ = 0;  // while it waits
};

/// A shard's part of the budget. One body at a time may go beyond it, to its end: bodies that each hold a part of what
/// they need would otherwise wait for each other until they all time out. So what is held never passes the part and one
/// body as large as limit.body_size with its decoder, and somebody always gets on, however small the part is.
class BodyBudget {
  public:
    explicit BodyBudget(observe::ShardMetrics& metrics) noexcept : metrics_(metrics) {}
    ~BodyBudget() { LOOM_ASSERT(held_bytes_ == 0); }

    /// A larger part lets bodies that wait go on; a smaller one takes nothing from those that are there.
    void set_part(uint64_t bytes) noexcept;
    /// For so many bytes more, with nobody waiting.
    [[nodiscard]] bool has_room(uint64_t bytes) const noexcept {
        return waiting_.empty() && held_bytes_ + bytes <= part_bytes_;
    }
    [[nodiscard]] uint64_t held_bytes() const noexcept { return held_bytes_; }

  private:
    friend class BodyHold;
    [[nodiscard]] bool admits(const BodyHold& hold, uint64_t bytes) const noexcept;
    void count(BodyHold& hold, uint64_t bytes) noexcept;
    void set(BodyHold& hold, uint64_t bytes) noexcept;
    void serve() noexcept;

    observe::ShardMetrics& metrics_;
    List<BodyHold, BodyTag> waiting_;
    const BodyHold* beyond_ = nullptr;  // the one that may exceed the part
    uint64_t part_bytes_ = 0;
    uint64_t held_bytes_ = 0;
};

}  // namespace loom::proxy
