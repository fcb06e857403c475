// An exchange's place in its shard's line (waiting_line.h).
#pragma once

#include "loom/route/choose.h"
#include "waiting_line.h"

namespace loom::proxy {

class Exchange;

/// Counted at the providers that it waits for, so that who comes later, on whatever shard, does not pass it.
class LinePlace final : public Waiter {
  public:
    /// The exchange outlives it.
    LinePlace(Exchange& exchange, WaitingLine& line, const route::ChoiceTerms& terms) noexcept
        : exchange_(exchange), line_(line), terms_(terms) {}
    ~LinePlace();

    [[nodiscard]] bool join(uint8_t priority, uint64_t timeout_ms) noexcept;
    [[nodiscard]] bool waits() const noexcept { return linked(); }
    /// Why it waits no more; nothing where it has its candidate.
    [[nodiscard]] std::optional<LineEnd> end() const noexcept { return end_; }
    [[nodiscard]] const route::ChoiceTerms& terms() const noexcept { return terms_; }

  private:
    std::optional<uint64_t> try_to_go(LineWalk& walk) noexcept override;
    void give_up(LineEnd why) noexcept override;
    [[nodiscard]] bool goes(const LineWalk& walk) noexcept;
    [[nodiscard]] uint64_t wait_ms(const LineWalk& walk) const noexcept;
    void count(int by) noexcept;
    template <class Do>
    void each_limits(Do what) const noexcept;

    Exchange& exchange_;
    WaitingLine& line_;
    route::ChoiceTerms terms_;
    std::optional<LineEnd> end_;
    uint8_t priority_ = 0;
    bool counted_ = false;
};

}  // namespace loom::proxy
