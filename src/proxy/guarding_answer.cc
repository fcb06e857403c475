// What becomes of an answer on a route whose guards look at answers, or have masked what is put back.
#include <fmt/format.h>

#include "client_connection.h"
#include "echo_source.h"
#include "exchange.h"
#include "guarding.h"
#include "instructions.h"
#include "leak_words.h"
#include "loom/llm/event_texts.h"
#include "loom/llm/translate.h"
#include "ownership.h"
#include "translated.h"

namespace loom::proxy {

namespace {

std::string_view code_of(GuardReason reason) noexcept {
    switch (reason) {
        case GuardReason::pii: return "pii_detected";
        case GuardReason::too_many: return "too_many_values";
        case GuardReason::content: return "content_filter";
        default: return "exfiltration_detected";
    }
}

const char* told_of(GuardReason reason) noexcept {
    switch (reason) {
        case GuardReason::pii:
            return "the answer holds personal data or secrets that may not be told (security.pii_detection)";
        case GuardReason::too_many:
            return "the answer holds more that is to be taken out of it than one answer may; ask for a shorter one";
        case GuardReason::content: return "the answer is of a kind that is not told here (security.content_filtering)";
        default: return "the answer holds what may not be carried out (security.exfiltration)";
    }
}

auto no_memory() {
    return fail(Errc::exhausted, Side::internal, "no memory to look through one more answer (limit.bodies_in_memory)");
}

}  // namespace

/// The request is known, and what was masked of it.
Result<void> Guarding::expect_answer() {
    if (values_ == nullptr) return {};
    values_->table.keep_no_more();
    if (!x_.plan().guard->looks_at_answers() && html() == guard::HtmlMode::off && !values_->table.keeps_any()) {
        values_.reset();
        return {};
    }
    const bool acts = acts_on_answers();
    if (x_.wants_json_array() && !acts) {
        values_.reset();  // nobody reads it
        return {};
    }
    if (x_.wants_json_array())
        return fail(
            Errc::unsupported, Side::downstream,
            "this route looks through answers, which it cannot do where a stream is one JSON array; add alt=sse "
            "to the query");
    return keep_for_answer(x_.plan().guard->external.empty());
}

/// What the answer is looked through for. Instructions are those that are sent: of a request that guards outside may
/// still change, they are read behind them.
Result<void> Guarding::keep_for_answer(bool is_final) {
    if (values_ == nullptr) return {};
    const LeakPlan* const leaks = x_.plan().guard->leaks ? &*x_.plan().guard->leaks : nullptr;
    if (is_final && leaks != nullptr && leaks->rules.system_prompt) read_instructions(x_.body_.view(), values_->system);
    if (values_->try_hold(BlockPool::footprint(values_->table.memory_bytes() + values_->system.memory_bytes())))
        return {};
    if (!acts_on_answers()) {
        values_.reset();
        return {};
    }
    return fail(Errc::exhausted, Side::internal,
                "no memory to keep what the answer to one more request is looked through for (limit.bodies_in_memory)");
}

bool Guarding::collects(const Exchange& x) noexcept {
    if (x.guarding_ == nullptr || !x.guarding_->guards_answer() || !llm::chat_protocol_of(x.endpoint_)) return false;
    if (x.echo_ != nullptr) return !x.echo_->streams();
    const http::ResponseHead& head = x.services_.response_head;
    // Who only counts refuses none for its size.
    const bool is_large =
        head.framing == http::BodyFraming::length && head.content_length > x.services_.plan().limits.body_bytes;
    if (is_large && !x.guarding_->acts_on_answers()) return false;
    // Frames that nobody translates are no events that could be read: whole, they are none either, and refused.
    return !Exchange::is_event_stream(head) && !(Exchange::is_frame_stream(head) && x.translated_ != nullptr);
}

/// Of a conversation; null where the answer is none.
CollectedAnswer* Guarding::collected() const noexcept {
    if (!llm::chat_protocol_of(x_.endpoint_)) return nullptr;
    if (x_.translated_ != nullptr) return &x_.translated_->answer;
    return x_.owned_ != nullptr && x_.owned_->answer_whole() ? &x_.owned_->collected() : nullptr;
}

bool Guarding::answer_turn() {
    const CollectedAnswer* const answer = guards_answer() ? collected() : nullptr;
    if (answer == nullptr || !answer->whole() || answer->body().empty() || answer_error_ || x_.client_gone_)
        return false;
    answer_begun_ = true;
    const Result<bool> more = read_answer();
    if (more && *more) {
        x_.services_.shard().schedule_next_tick(*this);
        return true;
    }
    if (!more && acts_on_answers())
        answer_error_ = more.error();
    else if (!more)
        let_go();  // who only counts never refuses
    return false;
}

bool Guarding::acts_on_answers() const noexcept {
    const GuardPlan& plan = *x_.plan().guard;
    return !plan.dry_run && (has_originals() || plan.acts_on_answers() || html() != guard::HtmlMode::off);
}

/// Taken out of its answer.
guard::HtmlMode Guarding::html() const noexcept {
    return x_.route_ != nullptr ? x_.route_->html : guard::HtmlMode::off;
}

/// Then what looks like a document in its texts is one.
bool Guarding::expects_json() const noexcept {
    return x_.draft_ != nullptr && (x_.draft_->request.wants_json || x_.draft_->request.has_schema);
}

/// What is collected can be read.
Result<void> Guarding::read_repeats(llm::EventTexts& texts) {
    if (texts.read_document(collected()->body())) return {};
    return fail(Errc::bad_message, Side::upstream,
                "the upstream's answer cannot be looked through for what this route does not tell "
                "(security.pii_detection, security.exfiltration, security.content_filtering, security.strip_html)");
}

/// A turn of what goes before all else: what is left of the HTML is what others look at.
Result<bool> Guarding::strip_answer() {
    if (html_ == nullptr) {
        llm::EventTexts texts(x_.services_.event_scratch, *llm::chat_protocol_of(x_.endpoint_));
        LOOM_TRY(read_repeats(texts));
        html_ = std::make_unique<HtmlDocument>(
            HtmlTerms{.mode = html(), .expects_json = expects_json(), .restores = has_originals()},
            x_.services_.shard().blocks(), collected()->body());
        std::vector<llm::Range> repeats;  // left out of what is told: no HTML is counted there
        for (const llm::EventTexts::Change& change : texts.repeats()) repeats.push_back(change.range);
        html_->leave_out(std::move(repeats));
    }
    const bool more = html_->turn();
    if (!holds_answer(html_->memory_bytes())) return no_memory();
    if (more) return true;
    stripped_ = true;
    html_count_ = html_->count();
    if (AuditNotes* const notes = html_->count() > 0 ? begin_notes() : nullptr; notes != nullptr)
        notes->add(GuardSide::answer, "html", html_mode_name(html()), html_action, std::nullopt, html_->count());
    if (!x_.plan().guard->dry_run && !html_->changed().empty()) collected()->change_body(std::move(html_->changed()));
    html_.reset();
    return true;
}

/// In its provider's words: what is left of it is translated.
Result<bool> Guarding::read_answer() {
    const GuardPlan& plan = *x_.plan().guard;
    if (html() != guard::HtmlMode::off && !stripped_) return strip_answer();
    if (!guard_) {
        llm::EventTexts texts(x_.services_.event_scratch, *llm::chat_protocol_of(x_.endpoint_));
        LOOM_TRY(read_repeats(texts));
        guard_.emplace(plan, x_.services_.shard().blocks(), collected()->body(), &values_->table, GuardSide::answer);
        guard_->note_in(begin_notes());
        if (expects_json()) guard_->expect_json();
        if (html() != guard::HtmlMode::off) guard_->keep_html_out();
        guard_->compare_with(values_->system);
        for (const llm::EventTexts::Change& change : texts.repeats())
            if (acts_on_answers()) guard_->put_in(change.range, change.text);
    }
    const bool more = LOOM_TRY(guard_->turn());
    if (holds_answer(guard_->memory_bytes() + BlockPool::footprint(guard_->changed().capacity()))) return more;
    return no_memory();
}

bool Guarding::holds_answer(size_t bytes) noexcept {
    if (unasked_ == this || scan_hold_.try_hold(bytes)) return true;
    if (unasked_ != nullptr) return false;
    unasked_ = this;
    return true;
}

Result<void> Guarding::end_answer() {
    if (!std::exchange(answer_begun_, false)) return {};
    CollectedAnswer& answer = *collected();
    const bool good = answer.status() / 100 == 2;
    const bool is_translated = x_.translated_ != nullptr && x_.translated_->error_type.empty();
    if (good && !is_translated) read_passed_usage();
    std::optional<Error> error = std::exchange(answer_error_, std::nullopt);
    const char* told = "";
    if (error && error->code == Errc::bad_message && !good) {  // a front's page: its status is the word that counts
        answer.change_body(ByteBuffer(x_.services_.shard().blocks()));
        if (x_.translated_ != nullptr) x_.translated_->error_type = {};
        error.reset();
    } else if (!error && guard_) {
        answer_counts_ = guard_->counts();
        leak_counts_ = guard_->leak_counts();
        content_counts_ = guard_->content_counts();
        const auto blocked = guard_->blocked();
        would_refuse_ |= blocked && x_.plan().guard->dry_run;
        if (blocked && !x_.plan().guard->dry_run) {
            answer_blocked_ = guard_->blocked_types();
            leaks_blocked_ = guard_->leaks_blocked();
            content_blocked_ = guard_->content_blocked();
            x_.detail_ = guard_->blocked_names(x_.text_);
            code_ = code_of(*blocked);
            told = told_of(*blocked);
        } else if (!guard_->changed().empty()) {
            answer.change_body(std::move(guard_->changed()));
        }
    }
    let_go();
    scan_hold_.let_go();
    if (!error && code_.empty()) return x_.hold_collected();
    refused_answer_ = true;
    if (good && is_translated) x_.read_collected_usage();
    if (error) return std::unexpected(*error);
    return fail(Errc::bad_message, Side::downstream, told);
}

/// Of an answer that goes to its client in the protocol that it came in.
void Guarding::read_passed_usage() {
    const std::string_view body = collected()->body();
    llm::Usage& usage = x_.translated_ != nullptr ? x_.translated_->usage : x_.owned_->usage;
    if (llm::chat_protocol_of(x_.endpoint_) != llm::Protocol::gemini) {
        (void)x_.services_.usage_reader.read(body, usage);
        return;
    }
    llm::StreamWatch watch(x_.services_.translate_scratch, x_.services_.shard().blocks(), llm::Protocol::gemini);
    (void)watch.answer(body, usage);
}

/// A stream that may have to be ended is read beside, so that somebody knows how.
void Guarding::watch(RelayOptions& options) {
    const auto protocol = llm::chat_protocol_of(x_.endpoint_);
    if (!guards_answer() || !options.event_stream || !protocol) return;
    const GuardPlan& plan = *x_.plan().guard;
    if (stream_ != nullptr && x_.goes_on())
        note_counts();  // of the part that another has told
    else if (notes_)
        notes_->forget_answer();  // of one that nobody was told
    stream_ = std::make_unique<AnswerStream>(plan, x_.services_.shard().blocks(), x_.services_.event_scratch, *protocol,
                                             values_->table, expects_json(), &values_->system, html());
    stream_->note_in(begin_notes());
    options.guard = stream_.get();
    if (!plan.blocks_answers()) return;
    options.counts_text = true;
    x_.read_beside(options, *protocol);
}

bool Guarding::blocked_answer() const noexcept {
    return !answer_blocked_.empty() || leaks_blocked_ != 0 || content_blocked_ != 0 ||
           (stream_ != nullptr && stream_->blocks_answer());
}

void Guarding::note_counts() noexcept {
    for (uint32_t i = 0; i < pii_type_count; ++i) answer_counts_[i] += stream_->finds().counts[i];
    for (size_t i = 0; i < leak_kind_count; ++i) leak_counts_[i] += stream_->finds().leak_counts[i];
    leaks_blocked_ |= stream_->finds().leaks_blocked;
    html_count_ += stream_->finds().html_count;
    for (size_t i = 0; i < content_category_count; ++i) content_counts_[i] += stream_->finds().content_counts[i];
    content_blocked_ |= stream_->finds().content_blocked;
}

/// "answer.email:1", in the exchange's text.
void Guarding::add_to_summary(std::string_view name, uint32_t count) {
    std::array<char, 16> digits;
    const char* const end = fmt::format_to(digits.data(), "{}", count);
    const std::string_view one = x_.text_.join(x_.text_.join("answer", ".", name), ":",
                                               {digits.data(), static_cast<size_t>(end - digits.data())});
    summary_ = summary_.empty() ? one : x_.text_.join(summary_, " ", one);
}

void Guarding::book_answer() {
    if (values_ == nullptr) return;  // nobody has looked at it
    if (stream_ != nullptr) note_counts();
    observe::ShardMetrics& metrics = x_.services_.metrics();
    const GuardPlan& plan = *x_.plan().guard;
    bool pii_would_block = false;
    for (uint32_t i = 0; i < pii_type_count; ++i) {
        const uint32_t count = answer_counts_[i];
        if (count == 0) continue;
        const auto type = static_cast<PiiType>(i);
        const PiiPlan& pii = *plan.pii;
        metrics.pii_told(pii.series[i], count);
        add_to_summary(name_of(type, pii.scanner.custom().get()), count);
        pii_would_block |= pii.actions[i] == GuardAction::block;
    }
    if (html_count_ > 0) {
        metrics.html_detected(html_count_);
        add_to_summary("html", html_count_);
    }
    const bool pii_blocked = !answer_blocked_.empty() || (stream_ != nullptr && !stream_->finds().blocked.empty());
    would_end_ |= stream_ != nullptr && plan.dry_run && pii_would_block;
    if (pii_blocked || (plan.dry_run && pii_would_block)) metrics.guard_blocked(GuardReason::pii, plan.dry_run);
    for (unsigned i = 0; i < leak_kind_count; ++i) {
        if (leak_counts_[i] == 0) continue;
        const auto kind = static_cast<LeakKind>(i);
        metrics.leaks_detected(kind, leak_counts_[i]);
        add_to_summary(leak_kind_name(kind), leak_counts_[i]);
        const bool would_block = plan.dry_run && plan.leaks->action(kind) == GuardAction::block;
        would_end_ |= stream_ != nullptr && would_block;
        if (would_block || (leaks_blocked_ >> i & 1) != 0) metrics.guard_blocked(reason_of(kind), plan.dry_run);
    }
    if (plan.answer_content) book_content();
}

void Guarding::book_content() {
    const GuardPlan& plan = *x_.plan().guard;
    bool would_block = false;
    for (size_t i = 0; i < content_category_count; ++i) {
        if (content_counts_[i] == 0) continue;
        const auto category = static_cast<ContentCategory>(i);
        x_.services_.metrics().content_told(category);
        add_to_summary(content_category_name(category), content_counts_[i]);
        would_block |= plan.dry_run && plan.answer_content->action(category) == ContentAction::block;
    }
    would_end_ |= stream_ != nullptr && would_block;
    if (would_block || content_blocked_ != 0) x_.services_.metrics().guard_blocked(GuardReason::content, plan.dry_run);
}

}  // namespace loom::proxy
