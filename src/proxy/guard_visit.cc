#include "guard_visit.h"

#include <algorithm>
#include <utility>

namespace loom::proxy {

std::span<const uint32_t> GuardVisit::Inquiry::text_bytes() const noexcept { return visit_.questions_->text_bytes(); }

void GuardVisit::Inquiry::on_guard_answer(GuardResult answer, guard::ExternalVerdict said) noexcept {
    result = answer;
    is_counted = answer != GuardResult::mask;
    verdict = std::move(said);
    if (--visit_.awaited_ == 0) visit_.shard_.schedule(visit_.waiting_);
}

GuardVisit::GuardVisit(GuardDesk& desk, observe::ShardMetrics& metrics, io::Shard& shard, const GuardPlan& plan,
                       std::string_view document, const GuardSubject& subject, io::Runnable& waiting)
    : desk_(desk),
      metrics_(metrics),
      shard_(shard),
      blocks_(shard.blocks()),
      document_(document),
      waiting_(waiting),
      questions_(std::in_place, shard.blocks(), plan.external, document, subject) {
    for (const auto& guard : plan.external)
        inquiries_.emplace_back(std::make_unique<Inquiry>(*this, guard))->acts = guard->acts && !plan.dry_run;
}

/// What came of a mask is known only now.
GuardVisit::~GuardVisit() {
    for (const auto& one : inquiries_)
        if (!one->is_counted)
            metrics_.external_guard(one->plan->series).results[static_cast<size_t>(one->result)].add();
}

size_t GuardVisit::memory_bytes() const noexcept {
    return (questions_ ? questions_->memory_bytes() : 0) + (edits_ ? edits_->memory_bytes() : 0);
}

Result<GuardVisit::Step> GuardVisit::step() {
    if (phase_ == Phase::write) {
        const bool more = LOOM_TRY(questions_->turn());
        if (more) return Step::again;
        phase_ = Phase::wait;
        ask_all();
    }
    if (phase_ == Phase::wait) {
        if (awaited_ > 0) return Step::wait;
        judge();
    }
    if (phase_ == Phase::mask || phase_ == Phase::sort) {
        if (edits_->turn()) return Step::again;
        phase_ == Phase::mask ? end_masking() : end_sorting();
    }
    return phase_ == Phase::over ? Step::over : Step::again;
}

void GuardVisit::give_up() {
    const bool is_asked = phase_ != Phase::write;
    phase_ = Phase::over;
    questions_.reset();
    edits_.reset();
    for (const auto& one : inquiries_) {
        if (is_asked && one->masks()) {
            desk_.tell(one->plan, "no memory to mask what it has named (limit.bodies_in_memory)");
            if (missed_ == nullptr) missed_ = one->plan.get();  // on_failure is of guards that say nothing
        }
        if (is_asked) continue;
        one->result = GuardResult::busy;
        desk_.note_failure(one->plan, GuardResult::busy, "no memory to ask it with (limit.bodies_in_memory)");
        if (missed_ == nullptr && one->acts && one->plan->is_closed) missed_ = one->plan.get();
    }
}

/// A request without a text is nothing to ask about.
void GuardVisit::ask_all() {
    if (questions_->text_bytes().empty()) return;
    for (size_t i = 0; i < inquiries_.size(); ++i) {
        Inquiry& one = *inquiries_[i];
        if (questions_->is_too_large(i)) {
            one.result = GuardResult::too_large;
            desk_.note_failure(one.plan, GuardResult::too_large, "a request has more text than it is sent (.max_text)");
            continue;
        }
        one.result = desk_.ask(one.plan, std::move(questions_->of(i)), one);
        awaited_ += one.result == GuardResult::allow;
    }
}

/// All have said what they say. Who is first in the configuration is told; a verdict goes before a failure.
void GuardVisit::judge() {
    phase_ = Phase::over;
    const Inquiry* missed = nullptr;
    for (const auto& one : inquiries_) {
        if (one->result == GuardResult::block) block(*one);
        if (is_failure(one->result))
            missed = missed == nullptr && one->acts && one->plan->is_closed ? one.get() : missed;
        if (one->masks()) maskers_.push_back(one.get());
    }
    if (blocked_by_ != nullptr) return;
    if (missed != nullptr) {
        missed_ = missed->plan.get();
        return;
    }
    questions_.reset();
    if (!maskers_.empty()) begin_masking();
}

/// A request is refused once, by the first.
void GuardVisit::block(const Inquiry& one) {
    observe::GuardSeries& series = metrics_.external_guard(one.plan->series);
    if (!one.acts) return series.would_block.add();
    if (blocked_by_ != nullptr) return;
    series.blocked.add();
    blocked_by_ = one.plan.get();
}

/// Of several guards: what any of them has named goes.
void GuardVisit::begin_masking() {
    spans_.clear();
    for (const Inquiry* const one : maskers_)
        spans_.insert(spans_.end(), one->verdict.spans.begin(), one->verdict.spans.end());
    guard::join_spans(spans_);
    edits_.emplace(blocks_, document_, spans_);
    phase_ = Phase::mask;
}

void GuardVisit::end_masking() {
    phase_ = Phase::over;
    if (!edits_->is_misplaced() && !edits_->is_unfit()) return;
    if (maskers_.size() > 1 && sorted_ == 0) return sort_next();
    // What goes well one by one goes well together; were it not so, nothing of it would go on.
    for (Inquiry* const one : maskers_)
        if (sorted_ > 0)
            one->is_unfit = true;
        else
            judge_spans(*one, *edits_);
    edits_.reset();
    refuse_unfit();
}

/// One guard that names nonsense takes nothing from what another has named.
void GuardVisit::sort_next() {
    edits_.emplace(blocks_, document_, maskers_[sorted_]->verdict.spans);
    phase_ = Phase::sort;
}

void GuardVisit::end_sorting() {
    judge_spans(*maskers_[sorted_], *edits_);
    edits_.reset();
    sorted_ += 1;
    if (sorted_ < maskers_.size()) return sort_next();
    phase_ = Phase::over;
    refuse_unfit();
    std::erase_if(maskers_, [](const Inquiry* one) { return !one->masks(); });
    if (blocked_by_ == nullptr && missed_ == nullptr && !maskers_.empty()) begin_masking();
}

void GuardVisit::judge_spans(Inquiry& one, const GuardEdits& edits) {
    if (edits.is_misplaced()) {
        one.result = GuardResult::bad_answer;
        desk_.tell(one.plan, "its answer has a span that cuts a character: places are bytes of UTF-8");
        if (missed_ == nullptr && one.plan->is_closed) missed_ = one.plan.get();
        return;
    }
    one.is_unfit = edits.is_unfit();
}

void GuardVisit::refuse_unfit() {
    for (const Inquiry* const one : maskers_)
        if (one->is_unfit) block(*one);
}

std::string_view GuardVisit::told(Arena& arena) const {
    const ExternalGuardPlan* const whose = blocked_by_ != nullptr ? blocked_by_ : missed_;
    for (const auto& one : inquiries_) {
        if (one->plan.get() != whose) continue;
        const bool says = blocked_by_ != nullptr && !one->verdict.reason.empty();
        return says ? arena.join(whose->name, ": ", one->verdict.reason) : arena.keep(whose->name);
    }
    return {};
}

std::string_view GuardVisit::summary(Arena& arena) const {
    std::string_view told;
    for (const auto& one : inquiries_) {
        if (one->result == GuardResult::allow) continue;
        const std::string_view name = arena.join("guard.", one->plan->name, ":");
        const std::string_view word = arena.join(name, "", guard_result_names[static_cast<size_t>(one->result)]);
        told = told.empty() ? word : arena.join(told, " ", word);
    }
    return told;
}

bool GuardVisit::would_block() const noexcept {
    return std::ranges::any_of(inquiries_, [](const auto& one) {
        const bool refuses = one->result == GuardResult::block || (is_failure(one->result) && one->plan->is_closed);
        return refuses && one->plan->acts && !one->acts;
    });
}

void GuardVisit::note(AuditNotes& notes, Arena& arena) const {
    for (const auto& one : inquiries_) {
        if (one->result == GuardResult::allow) continue;
        const std::string_view detector = arena.join("guard.", one->plan->name, "");
        const std::string_view action = one->plan->acts ? guard_result_names[static_cast<size_t>(one->result)] : "log";
        const auto add = [&](std::string_view type) {
            notes.add(GuardSide::request, detector, type, action, std::nullopt);
        };
        if (one->result == GuardResult::block)
            add(one->verdict.reason.empty() ? "verdict" : one->verdict.reason);
        else if (one->result != GuardResult::mask)
            notes.add(GuardSide::request, detector, guard_result_names[static_cast<size_t>(one->result)],
                      !one->plan->acts       ? "log"
                      : one->plan->is_closed ? "closed"
                                             : "open",
                      std::nullopt);
        for (const guard::ExternalSpan& span : one->verdict.spans)
            add(std::string_view(span.label).substr(1, span.label.size() - 2));
    }
}

}  // namespace loom::proxy
