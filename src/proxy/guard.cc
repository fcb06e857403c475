#include "guard.h"

#include "client_connection.h"
#include "exchange.h"
#include "loom/llm/json_text.h"
#include "loom/llm/text_strings.h"

namespace loom::proxy {

/// The document with some of its bytes replaced, written as far as that is needed.
struct RequestGuard::Splice {
    std::string_view document;
    ByteBuffer& out;
    size_t copied = 0;

    void replace(size_t begin, size_t end, std::string_view by) {
        if (out.empty()) out.reserve(document.size() + document.size() / 8 + by.size());
        out.append(document.substr(copied, begin - copied));
        out.append(by);
        copied = end;
    }
    /// Whether there was anything to replace.
    bool finish() {
        if (copied == 0) return false;
        out.append(document.substr(copied));
        return true;
    }
};

Result<bool> RequestGuard::scan(std::string_view document, ByteBuffer& changed) {
    Splice splice{document, changed};
    llm::TextStrings strings(document);
    while (const auto string = strings.next()) LOOM_TRY(scan_text(llm::text_of(document, *string), splice));
    return splice.finish();
}

/// raw  inside the splice's document.
Result<void> RequestGuard::scan_text(std::string_view raw, Splice& splice) {
    std::string_view text = raw;
    if (raw.find('\\') != raw.npos) {
        decoded_.clear();
        decoded_.reserve(raw.size());
        const size_t size = llm::unescape(raw, decoded_.data());
        if (size == llm::bad_text)
            return fail(Errc::bad_message, Side::downstream, "a text of the request holds a broken escape");
        decoded_.resize(size);
        text = decoded_.view();
    }
    if (plan_.pii) scan_pii(raw, text, splice);
    if (plan_.injection) scan_injection(text);
    return {};
}

void RequestGuard::scan_pii(std::string_view raw, std::string_view text, Splice& splice) {
    const PiiPlan& pii = *plan_.pii;
    const bool same = text.data() == raw.data();
    // Places are looked up from the last on: together that is one walk.
    size_t text_at = 0, raw_at = 0;
    const auto raw_of = [&](size_t place) {
        raw_at += same ? place - text_at : llm::raw_offset(raw.substr(raw_at), place - text_at);
        text_at = place;
        return static_cast<size_t>(raw.data() - splice.document.data()) + raw_at;
    };
    pii.scanner.scan(text, [&](const guard::PiiSpan& span) {
        counts_[static_cast<size_t>(span.type)] += 1;
        const GuardAction action = pii.action(span.type);
        if (action == GuardAction::block) blocked_.add(span.type);
        if (action != GuardAction::mask) return;
        const size_t begin = raw_of(span.begin), end = raw_of(span.end);
        splice.replace(begin, end, table_.placeholder(span.type, text.substr(span.begin, span.end - span.begin)));
    });
}

void RequestGuard::scan_injection(std::string_view text) noexcept {
    const guard::InjectionScore score = guard::score_injection(text);
    if (score.points > injection_.points) injection_ = score;
}

std::optional<GuardReason> RequestGuard::blocked() const noexcept {
    if (!blocked_.empty()) return GuardReason::pii;
    const auto& plan = plan_.injection;
    const bool attacks = plan && plan->action == GuardAction::block && injection_.blocks(plan->sensitivity);
    return attacks ? std::optional(GuardReason::prompt_injection) : std::nullopt;
}

std::string_view RequestGuard::blocked_names(Arena& arena) const {
    std::string_view names;
    for (uint32_t i = 0; blocked_.empty() && i < injection_.reason_count; ++i) {
        const std::string_view rule = injection_.reasons[i].rule;
        names = names.empty() ? rule : arena.join(names, ", ", rule);
    }
    for (uint32_t i = 0; i < pii_type_count; ++i) {
        const auto type = static_cast<PiiType>(i);
        if (!blocked_.has(type)) continue;
        names = names.empty() ? pii_type_name(type) : arena.join(names, ", ", pii_type_name(type));
    }
    return names;
}

void RequestGuard::count(observe::ShardMetrics& metrics) const noexcept {
    for (uint32_t i = 0; i < pii_type_count; ++i)
        if (counts_[i] > 0) metrics.pii_detected(static_cast<PiiType>(i), counts_[i]);
    if (plan_.injection && injection_.blocks(plan_.injection->sensitivity)) metrics.injection_detected();
    if (const auto reason = blocked()) metrics.guard_blocked(*reason);
}

/// Before anything is made of the document: what is masked here was never seen by whoever comes later. A copy for a
/// shadow is made of what was masked.
Result<bool> Exchange::guard_document() {
    const GuardPlan* const plan_of_guard = plan().guard.get();
    if (plan_of_guard == nullptr || client_->is_mirror()) return false;
    RequestGuard guard(*plan_of_guard, services_.shard().blocks(), text_);
    ByteBuffer changed(services_.shard().blocks());
    const bool is_changed = LOOM_TRY(guard.scan(body_.view(), changed));
    guard.count(services_.metrics());
    if (const auto reason = guard.blocked()) {
        const bool is_pii = reason == GuardReason::pii;
        refusal_code_ = is_pii ? "pii_detected" : "prompt_injection_detected";
        detail_ = guard.blocked_names(text_);
        return fail(Errc::bad_message, Side::downstream,
                    is_pii ? "the request holds personal data or secrets that may not be sent (security.pii_detection)"
                           : "a text of the request looks like an attack on the model's instructions "
                             "(security.prompt_injection)");
    }
    if (!is_changed) return false;
    if (!hold(BlockPool::footprint(body_.capacity()) + BlockPool::footprint(changed.capacity()))) {
        release_body();  // no waiting: who waits with a body in hand keeps others waiting
        return fail(Errc::exhausted, Side::internal, "no memory for one more masked body (limit.bodies_in_memory)");
    }
    body_ = std::move(changed);
    hold_less(BlockPool::footprint(body_.capacity()));
    return true;
}

}  // namespace loom::proxy
