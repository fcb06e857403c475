// Where an exchange asks the guards: of its document before anything is made of it, so that whoever comes later, the
// providers, their stand-ins, shadows and the ledger, sees what is left of it; and of its answer, whole as its provider
// has written it, or event by event as its client reads it.
#pragma once

#include <string_view>

#include "answer_stream.h"
#include "audit_notes.h"
#include "body_budget.h"
#include "collected_answer.h"
#include "guard_visit.h"
#include "loom/io/shard.h"
#include "masked_values.h"
#include "request_guard.h"

namespace loom::proxy {

class Exchange;

/// Of one exchange, from the first turn of its scan. As a Runnable it is the next turn.
class Guarding final : public io::Runnable {
  public:
    explicit Guarding(Exchange& exchange) noexcept;
    /// Of a second exchange for the same request, which was looked through.
    Guarding(Exchange& exchange, const Guarding& first);
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

    // The answer.
    [[nodiscard]] bool guards_answer() const noexcept { return values_ != nullptr; }
    /// Values of the request may stand in it.
    [[nodiscard]] bool has_originals() const noexcept { return values_ != nullptr && values_->table.keeps_any(); }
    /// Does its user say words of its instructions too? Then its answer may hold them, and is for nobody else.
    [[nodiscard]] bool exempts_instructions() const noexcept { return values_ != nullptr && values_->system.exempts(); }
    /// Is the answer at hand one that is needed whole?
    [[nodiscard]] static bool collects(const Exchange& x) noexcept;
    /// A turn of the scan of the answer that was collected. True: there are more.
    [[nodiscard]] bool answer_turn();
    /// The answer is what is left of it.
    /// Errors  bad_message (downstream: it may not be told; upstream: it cannot be read), exhausted (internal).
    [[nodiscard]] Result<void> end_answer();
    /// A relay begins.
    void watch(RelayOptions& options);
    /// It held what may not be told.
    [[nodiscard]] bool blocked_answer() const noexcept;
    /// It came, and its client was refused it: it was paid for all the same.
    [[nodiscard]] bool refused_answer() const noexcept { return refused_answer_; }
    /// May clients get something else than was answered? Who only counts refuses nothing.
    [[nodiscard]] bool acts_on_answers() const noexcept;
    /// Once, when all is over.
    void book_answer();
    /// Behind it: a line, where somebody wants it and something was found.
    void write_audit(uint16_t status);

  private:
    [[nodiscard]] Result<void> expect_answer();
    [[nodiscard]] Result<void> keep_for_answer(bool is_final);
    [[nodiscard]] Result<bool> read_answer();
    [[nodiscard]] bool expects_json() const noexcept;
    [[nodiscard]] CollectedAnswer* collected() const noexcept;
    [[nodiscard]] bool holds_answer() noexcept;
    void read_passed_usage();
    void note_counts() noexcept;
    void add_to_summary(std::string_view name, uint32_t count);
    [[nodiscard]] AuditNotes* begin_notes();
    [[nodiscard]] Result<bool> go_on();
    Result<void> end();
    void begin_visit();
    [[nodiscard]] bool visit_turn();
    void withhold();
    Result<void> end_visit();
    bool stop(const Error& why);
    [[nodiscard]] bool holds(bool more) noexcept;
    void let_go() noexcept;

    /// Two exchanges may look at two answers to one request, each by itself.
    struct ScanHold final : BodyHold {
        using BodyHold::BodyHold;
        void on_room() noexcept override {}
    };

    static thread_local const Guarding* unasked_;
    Exchange& x_;
    std::shared_ptr<MaskedValues> values_;  // null where answers stay as they are
    std::optional<RequestGuard> guard_;     // of the request, then of the answer
    std::unique_ptr<GuardVisit> visit_;     // with guards that stand outside of Loom, once its own are through
    ScanHold scan_hold_;                    // of the answer's
    std::unique_ptr<AnswerStream> stream_;
    std::optional<Error> answer_error_;
    std::array<uint32_t, pii_type_count> answer_counts_{};
    guard::PiiTypes answer_blocked_;
    std::array<uint32_t, leak_kind_count> leak_counts_{};
    uint8_t leaks_blocked_ = 0;
    bool answer_begun_ = false;
    bool refused_answer_ = false;
    std::string_view code_, summary_;  // in the exchange's text
    std::optional<AuditNotes> notes_;  // nothing: none are kept
    uint64_t waits_from_ns_ = 0;       // for guards outside; 0: for nobody
    bool would_refuse_ = false;        // in a dry run
    bool would_end_ = false;           // likewise, of a stream
    bool over_ = false;
    bool gave_up_ = false;  // a scan that only counts, and has no memory to go on
    /// In a dry run: guards outside of Loom would see what its own have found, or may have.
    bool withholds_ = false;
};

}  // namespace loom::proxy
