// Where an exchange asks the guards: before anything is made of its document. Whoever comes later, the providers, their
// stand-ins, shadows and the ledger, sees what is left of it.
#pragma once

#include <string_view>

#include "loom/io/shard.h"
#include "request_guard.h"

namespace loom::proxy {

class Exchange;

/// Of one exchange, from the first turn of its scan. As a Runnable it is the next turn.
class Guarding final : public io::Runnable {
  public:
    explicit Guarding(Exchange& exchange) noexcept;
    ~Guarding() {
        unlink();
        let_go();
    }

    /// A turn of the scan. True: there are more, and the exchange will be woken. At the end the body is what is left of
    /// it, or the exchange has its error.
    [[nodiscard]] static bool turn(Exchange& x);
    /// Does a body pass here that nobody reads?
    [[nodiscard]] static Result<void> check_unread(Exchange& x);

    /// Behind the scan.
    [[nodiscard]] std::string_view refusal_code() const noexcept { return code_; }
    [[nodiscard]] std::string_view summary() const noexcept { return summary_; }

  private:
    [[nodiscard]] Result<bool> go_on();
    Result<void> end();
    [[nodiscard]] bool holds(bool more) noexcept;
    void let_go() noexcept;

    static thread_local const Guarding* unasked_;
    Exchange& x_;
    std::optional<RequestGuard> guard_;
    std::string_view code_, summary_;  // in the exchange's text
    bool over_ = false;
    bool gave_up_ = false;  // a scan that only counts, and has no memory to go on
};

}  // namespace loom::proxy
