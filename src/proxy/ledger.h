// What an exchange has in the ledger: the attempt under way, from its intent to its settlement.
#pragma once

#include <cstdint>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/cache/exact_store.h"
#include "loom/store/ledger_log.h"

namespace loom::proxy {

class Exchange;

/// In a block of the shard's own, from the first attempt to the end.
struct LedgerEntry final : store::LedgerLog::Waiter {
    LedgerEntry(Written on_intent_written, Exchange& x, Block block) noexcept
        : Waiter(on_intent_written), exchange(x), home(std::move(block)) {}

    Exchange& exchange;
    uint64_t id = 0;       // of the attempt; 0: its intent had no room in the log
    uint64_t request = 0;  // the first attempt's id; 0: that is this one, or it had no room
    uint64_t time_us = 0;
    uint64_t input_tokens = 0;      // as they were counted or estimated
    bool input_counted = false;     // by the tokenizer of whom it is asked of
    uint64_t output_tokens = 0;     // that are to be expected
    Money cost = -1;                // of these
    uint64_t took_tokens = 0;       // all attempts that are settled
    Money took_cost = -1;           // likewise, as far as there are prices; -1: there was none
    uint64_t waits_from_ms = 0;     // the last wait for its intent began
    uint16_t status = 0;            // of the provider's answer; 0: none came
    bool open = false;              // it has an intent, or should have, and no settlement
    bool written = false;           // the intent is in the file
    Money cost_told = 0;            // of its exchange's cost: what the answers of all attempts have told
    tenant::LedgerSettlement last;  // of the attempt that was settled last
    Block home;
};

/// What an exchange writes down: an intent for each attempt before it is sent, and one settlement of it, however it
/// ends. A way to say it, with nothing of its own.
class Booking {
  public:
    explicit Booking(Exchange& exchange) noexcept : x_(exchange) {}

    /// Refuses where the disk takes nothing, and the conf wants nothing served without the ledger.
    Result<void> check() const;
    /// The entry of a second attempt beside another one's: the request is one.
    void go_on_with(const Exchange& first);
    /// The same again on another connection is the same attempt.
    void begin_attempt();
    /// Nothing leaves before its intent is in the file; true: it is waited for, and then sent.
    [[nodiscard]] bool waits_for_intent();
    /// The disk began to fail after the request was admitted.
    [[nodiscard]] bool refuses_unwritten() const noexcept;
    /// The attempt's connection is given up.
    void leave_intent() noexcept;
    void note_status(int status) noexcept;
    void settle(tenant::LedgerExit exit);
    /// As the last attempt has ended.
    void settle_last();
    /// Of two attempts side by side this one is out: what it came to is part of the other's request.
    void hand_over_to(Exchange& other) noexcept;
    /// What the request has cost: its attempts as they are settled, also what no provider has told, and all else that
    /// was made for it. -1: no price is known. What the ledger has of it, once its last attempt is settled.
    [[nodiscard]] Money cost() const noexcept;
    /// Are the tokens of the model that is asked those of the one that its client named, by which the prompt was
    /// counted? A rule, an experiment, a budget or a refusal may have led the request on.
    [[nodiscard]] bool counts_as_asked() const noexcept;
    void end() noexcept;

    // ledger_local.cc: what no provider is asked for
    /// The client has got this answer from the cache. No allocation, and no wait.
    void note_cached(tenant::LedgerLocalExit layer, const cache::Answer& answer) noexcept;
    /// The client is about to be told that it is refused, with this status. Nothing where a provider was asked before,
    /// nor of those who were not let in: strangers write nothing.
    void note_refused(const Error& why, int status) noexcept;
    void note_refused(tenant::LedgerLocalExit why, int status) noexcept;

  private:
    [[nodiscard]] bool is_booked() const noexcept;
    [[nodiscard]] bool books_locally() const noexcept;
    [[nodiscard]] tenant::LedgerLocalExit refusal_of(const Error& why) const noexcept;
    /// Whose it is: into a record that has these fields.
    template <class Record>
    void put_owner(Record& record) const noexcept;
    void make_entry(uint64_t request);
    void write_intent();
    [[nodiscard]] std::string_view asked_model() const noexcept;
    static void on_intent_written(store::LedgerLog::Waiter& waiter) noexcept;
    [[nodiscard]] tenant::LedgerExit last_exit() const noexcept;
    [[nodiscard]] tenant::LedgerSettlement settlement_of(tenant::LedgerExit exit) const;
    void add_untold(tenant::LedgerSettlement& settlement, bool tells) const noexcept;

    Exchange& x_;
};

}  // namespace loom::proxy
