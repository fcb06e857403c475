// One request with the guards that stand outside of Loom: what they are asked, that they are waited for, and what comes
// of what they say. They see what Loom's own guards have left of it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "audit_notes.h"
#include "guard_desk.h"
#include "guard_edits.h"
#include "guard_questions.h"
#include "loom/base/arena.h"
#include "loom/proxy/guard_plan.h"

namespace loom::proxy {

class GuardVisit {
  public:
    /// All of it is borrowed. waiting  runs when an answer has come; where step() says so, its owner lets it run.
    GuardVisit(GuardDesk& desk, observe::ShardMetrics& metrics, io::Shard& shard, const GuardPlan& plan,
               std::string_view document, const GuardSubject& subject, io::Runnable& waiting);
    ~GuardVisit();

    enum class Step : uint8_t {
        again,  // there is more to do: in another turn
        wait,   // until `waiting` has run
        over
    };
    /// Errors  bad_message (downstream): its texts cannot be read.
    [[nodiscard]] Result<Step> step();
    /// What it holds now, beside the document and what is asked at the moment.
    [[nodiscard]] size_t memory_bytes() const noexcept;
    /// There is no memory to go on with: whom it has not asked yet has failed, and where one has said what is to be
    /// masked the request does not go on.
    void give_up();

    // Once it is over.
    /// The guard that the request is refused for; null: none.
    [[nodiscard]] const ExternalGuardPlan* blocked_by() const noexcept { return blocked_by_; }
    /// The guard without which it does not go on; null: none.
    [[nodiscard]] const ExternalGuardPlan* missed() const noexcept { return missed_; }
    /// Where neither is: the request as it goes on; empty where nothing is to change.
    [[nodiscard]] ByteBuffer* changed() noexcept { return edits_ ? &edits_->changed() : nullptr; }
    /// One would have refused it, were this no dry run.
    [[nodiscard]] bool would_block() const noexcept;
    /// What was said, for the audit log.
    void note(AuditNotes& notes, Arena& arena) const;
    /// "lakera" or "lakera: jailbreak", of blocked_by() or missed(). In the arena.
    [[nodiscard]] std::string_view told(Arena& arena) const;
    /// "guard.lakera:block guard.openai:timeout": of all that did not say allow. In the arena.
    [[nodiscard]] std::string_view summary(Arena& arena) const;

  private:
    class Inquiry final : public GuardWaiter {
      public:
        Inquiry(GuardVisit& visit, std::shared_ptr<const ExternalGuardPlan> plan)
            : visit_(visit), plan(std::move(plan)) {}
        [[nodiscard]] std::span<const uint32_t> text_bytes() const noexcept override;
        void on_guard_answer(GuardResult answer, guard::ExternalVerdict said) noexcept override;

      private:
        GuardVisit& visit_;

      public:
        std::shared_ptr<const ExternalGuardPlan> plan;
        GuardResult result = GuardResult::allow;
        guard::ExternalVerdict verdict;
        bool acts = false;      // and not only counts
        bool is_unfit = false;  // what it names cannot be masked
        bool is_counted = true;

        [[nodiscard]] bool masks() const noexcept { return acts && result == GuardResult::mask; }
    };

    /// mask: all that was named; sort: what each has named by itself, to see whose cannot be.
    enum class Phase : uint8_t { write, wait, mask, sort, over };
    void ask_all();
    void judge();
    void begin_masking();
    void end_masking();
    void sort_next();
    void end_sorting();
    void judge_spans(Inquiry& one, const GuardEdits& edits);
    void refuse_unfit();
    void block(const Inquiry& one);

    GuardDesk& desk_;
    observe::ShardMetrics& metrics_;
    io::Shard& shard_;
    BlockPool& blocks_;
    std::string_view document_;
    io::Runnable& waiting_;
    std::optional<GuardQuestions> questions_;
    std::vector<std::unique_ptr<Inquiry>> inquiries_;
    std::vector<guard::ExternalSpan> spans_;
    std::optional<GuardEdits> edits_;
    std::vector<Inquiry*> maskers_;  // who act, in order
    size_t sorted_ = 0;              // of those
    size_t awaited_ = 0;
    Phase phase_ = Phase::write;
    const ExternalGuardPlan* blocked_by_ = nullptr;
    const ExternalGuardPlan* missed_ = nullptr;
};

}  // namespace loom::proxy
