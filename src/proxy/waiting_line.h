// Requests of a shard that wait for a provider at its limit: the highest class first, within a class first come first
// served, nobody longer than is of use. One timer for all of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "loom/base/list.h"
#include "loom/io/timer_wheel.h"
#include "loom/observe/metrics.h"
#include "loom/route/rate_limit.h"

namespace loom::proxy {

struct LineTag;
class WaitingLine;

/// One walk along the line. Whoever may not go yet is not passed by those behind who want of the same providers: what
/// they would take is what it waits for.
class LineWalk {
  public:
    explicit LineWalk(uint64_t now) noexcept : now_ms(now) {}
    /// How many before this one want of that provider.
    [[nodiscard]] uint32_t ahead(const route::LimitState* row) const noexcept;
    void want(const route::LimitState* row) noexcept;

    static constexpr size_t rows_max = 64;
    const uint64_t now_ms;

  private:
    struct Wanted {
        const route::LimitState* row;
        uint32_t count;
    };
    std::array<Wanted, rows_max> rows_;
    size_t row_count_ = 0;
    bool full_ = false;  // too many to tell apart: nobody else goes this time
};

enum class LineEnd : uint8_t {
    late,       // it cannot be served in time
    displaced,  // by one of a higher class, in a full line
    closing,    // the shard takes no more requests
};

/// A request in line.
class Waiter : public ListLink<LineTag> {
  public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;

    /// Goes, where a provider lets it: nothing. Else tells the walk what it wants, and returns how many milliseconds
    /// that takes at the least; 0: nobody knows. Runs inside the line's walk: notes what it has got, and goes on later.
    [[nodiscard]] virtual std::optional<uint64_t> try_to_go(LineWalk& walk) noexcept = 0;
    /// It is in line no more. Likewise.
    virtual void give_up(LineEnd why) noexcept = 0;

  protected:
    ~Waiter() = default;

  private:
    friend class WaitingLine;
    uint64_t since_ms_ = 0;
    uint64_t deadline_ms_ = 0;
    uint8_t priority_ = 0;
};

class WaitingLine {
  public:
    WaitingLine(io::TimerWheel& timers, observe::ShardMetrics& metrics) noexcept : timers_(timers), metrics_(metrics) {}
    ~WaitingLine();
    WaitingLine(const WaitingLine&) = delete;

    /// How many may wait; more than that are let wait to their end.
    void set_max(uint32_t count) noexcept { max_ = count; }
    /// False where there is no room, and nobody of a lower class to give way.
    [[nodiscard]] bool join(Waiter& waiter, uint8_t priority, uint64_t timeout_ms) noexcept;
    /// It goes without having been served. Again is nothing.
    void leave(Waiter& waiter) noexcept;
    /// Something was given back: in a moment, the line is walked.
    void nudge() noexcept;
    /// All give up, and nobody joins any more.
    void close() noexcept;
    [[nodiscard]] uint32_t size() const noexcept { return size_; }

  private:
    struct Timer : io::Timer {
        explicit Timer(WaitingLine& l) noexcept : io::Timer(&WaitingLine::on_timer), line(l) {}
        WaitingLine& line;
    };
    static constexpr uint64_t poll_ms = 25;  // other shards give back without a word
    static void on_timer(io::Timer& timer) noexcept;
    void walk() noexcept;
    void end_late(Waiter& waiter) noexcept;
    void remove(Waiter& waiter) noexcept;
    [[nodiscard]] bool displace_below(uint8_t priority) noexcept;

    io::TimerWheel& timers_;
    observe::ShardMetrics& metrics_;
    std::array<List<Waiter, LineTag>, route::priority_classes> classes_;
    uint32_t size_ = 0;
    uint32_t max_ = 0;
    bool closed_ = false;
    Timer timer_{*this};
};

}  // namespace loom::proxy
