// What follows when an attempt has failed before any of its answer's content reached the client: another one, as far as
// the conf's terms go, or the failure that tells the client most.
#include "failover.h"

#include <fmt/format.h>

#include <algorithm>

#include "cache_visit.h"
#include "client_connection.h"
#include "exchange.h"
#include "hedge.h"
#include "ledger.h"
#include "loom/llm/error.h"
#include "ownership.h"
#include "translated.h"

namespace loom::proxy {
namespace {

using route::BreakerOutcome;

constexpr const char* answered_error = "the upstream answered with an error";
constexpr size_t told_name_bytes_max = 128;

/// Whose fault it was: a host that cannot be reached fails all its models, an answer that says "error" perhaps one.
route::Verdicts verdicts_of(const Failure& failure) noexcept {
    switch (failure.reason) {
        case FailoverReason::connect:
        case FailoverReason::tls: return {.provider = BreakerOutcome::failure};
        case FailoverReason::rate_limit:
            return {.provider = BreakerOutcome::success, .instance = BreakerOutcome::success};
        case FailoverReason::context_window:
        case FailoverReason::content_policy:  // the request's fault, if anybody's
            return {.provider = BreakerOutcome::success,
                    .model = BreakerOutcome::success,
                    .instance = BreakerOutcome::success};
        case FailoverReason::status:
            return {.provider = BreakerOutcome::success,
                    .model = BreakerOutcome::failure,
                    .instance = BreakerOutcome::failure};
        case FailoverReason::credentials:  // without an answer it was not asked
            return failure.status == 0 ? route::Verdicts{} : route::Verdicts{.provider = BreakerOutcome::failure};
        case FailoverReason::untranslatable: return {};  // it was not asked
        default: return {.model = BreakerOutcome::failure, .instance = BreakerOutcome::failure};
    }
}

/// Was it the model that could not take the request, so that another one may?
bool is_of_model(FailoverReason reason) noexcept {
    return reason == FailoverReason::context_window || reason == FailoverReason::content_policy;
}

}  // namespace

FailoverReason reason_of(const Error& why) noexcept {
    if (why.code == Errc::tls_failed) return FailoverReason::tls;
    if (why.code == Errc::unauthenticated) return FailoverReason::credentials;
    if (why.code == Errc::timed_out) return FailoverReason::timeout;
    if (why.code == Errc::bad_message || why.code == Errc::head_too_large || why.code == Errc::too_large)
        return FailoverReason::bad_answer;
    return FailoverReason::reset;
}

std::optional<uint64_t> retry_after_of(const http::ResponseHead& head, uint64_t now_s) noexcept {
    if (const http::Header* const exact = head.find("retry-after-ms"); exact != nullptr)
        if (const auto after_ms = route::parse_retry_after_ms(exact->value)) return after_ms;
    const http::Header* const header = head.find("retry-after");
    return header == nullptr ? std::nullopt : route::parse_retry_after(header->value, static_cast<int64_t>(now_s));
}

uint8_t rank_of(const Failure& failure) noexcept {
    if (failure.status == 429) return 5;
    if (failure.status != 0) return 4;
    switch (failure.reason) {
        case FailoverReason::error_event:
        case FailoverReason::bad_answer: return 3;
        case FailoverReason::timeout: return 2;
        case FailoverReason::untranslatable: return 0;
        default: return 1;
    }
}

void Failover::note(std::string_view provider, const Failure& failure) noexcept {
    reason = failure.reason;
    if (!told || rank_of(failure) >= rank_of(*told)) told = failure;
    const std::string_view name = observe::failover_reason_name(failure.reason);
    if (story_bytes + provider.size() + name.size() + 16 > story_text.size()) return;
    char* end = story_text.data() + story_bytes;
    if (story_bytes > 0) end = fmt::format_to(end, ", ");
    end = fmt::format_to(end, "{}={}", provider, name);
    if (failure.status != 0) end = fmt::format_to(end, ":{}", failure.status);
    story_bytes = static_cast<size_t>(end - story_text.data());
}

/// Has any of the answer reached the client? A stream's comments are none of it.
bool Exchange::committed() const noexcept {
    if (!answered_) return false;
    return relaying_ ? !relay_.holding() : !opened_early_;
}

/// Requests that were read, and can be made anew from what was kept of them.
bool Exchange::fails_over() const noexcept {
    return plan().failover.enabled && !client_->is_mirror() && llm::is_inspected(endpoint_) && draft_ != nullptr &&
           !body_.empty();
}

/// After the upstream's head: is it the answer, or the end of an attempt?
Result<void> Exchange::judge_answer() {
    if (echo_ != nullptr) return {};
    note_room();
    learn_of_head();
    const http::ResponseHead& head = services_.response_head;
    Booking(*this).note_status(head.status);
    if (instance_set() != nullptr && !client_->is_mirror()) rest_key(head);
    const int status = head.status;
    const bool has_stale = cache_ != nullptr && cache_->has_stale();
    if (!fails_over() && has_stale && (status >= 500 || status == 429))
        return fail(Errc::refused, Side::upstream, answered_error);
    if (!fails_over()) return {};
    const bool key_refused = status == 401 || status == 402;  // the key is ours: revoked, or out of credit
    Failure failure{.reason = key_refused     ? FailoverReason::credentials
                              : status == 429 ? FailoverReason::rate_limit
                                              : FailoverReason::status,
                    .error = {.code = status == 429 ? Errc::limited : Errc::refused,
                              .side = Side::upstream,
                              .what = answered_error},
                    .status = status};
    const auto& codes = plan().failover.retry_codes;
    const bool to_other_key = refuses_key(status) && has_other_key();
    if (std::ranges::find(codes, status) == codes.end() && !key_refused && !to_other_key)
        return is_hedge() && status / 100 != 2 ? Race(*this).refuse(failure) : Result<void>();
    failure.retry_after_ms = retry_after_of(head, services_.wall_now_us() / 1'000'000);
    const bool again = plan_failover(failure);
    // Nobody else is left: its own words say more than ours would, unless another's failure said more, or an old answer
    // does.
    const bool best = rank_of(failure) >= rank_of(*failover_->told) && !has_stale;
    if (!again && best && !answered_ && !client_gone_) return {};
    return std::unexpected(failure.error);
}

/// A stream that failed before any of it had left is no answer.
Result<void> Exchange::look_at_relay() {
    if (relay_.end() == Relay::End::cut && !client_gone_) return look_at_cut();
    if (!relay_.holding() || relay_.end() == Relay::End::whole || client_gone_) return {};
    const Error why = relay_.error();
    const bool told = relay_.error_told();
    const bool content_came = relay_.content_came_ns() != 0;
    book_tokens(relay_.usage());
    Booking(*this).settle(told && !content_came ? tenant::LedgerExit::refused : tenant::LedgerExit::cut_by_upstream);
    leave_limits(told && !content_came);
    forget_relay();
    error_ = why;
    error_.retry = Retry::never;
    const bool is_its_fault = why.side == Side::upstream;  // not a register's of ours that is slow
    if (is_its_fault)
        (void)plan_failover({.reason = told ? FailoverReason::error_event : reason_of(why),
                             .error = error_,
                             .content_came = content_came});
    return std::unexpected(error_);
}

/// After a failed attempt: may there be another? Decides which.
bool Exchange::plan_next(const Error& why) {
    if (client_gone_ || committed()) return false;
    if (failover_ != nullptr && failover_->next) return true;
    if (may_reconnect(why)) {
        if (why.retry == Retry::if_reused) pool_->on_stale();
        error_ = {};
        return true;
    }
    if (!fails_over() || (failover_ != nullptr && failover_->over)) return false;
    if (why.side != Side::upstream && why.code != Errc::unauthenticated) return false;
    const bool never_sent = !request_sent_ && why.code != Errc::unauthenticated;
    const FailoverReason reason = never_sent && why.code != Errc::tls_failed ? FailoverReason::connect : reason_of(why);
    return plan_failover({.reason = reason, .error = why});
}

void Exchange::begin_failover() {
    LOOM_ASSERT(draft_ != nullptr);  // fails_over
    failover_ = std::make_unique<Failover>();
    failover_->terms = choice_terms(match(), draft_->request);
    // What is stored is stored there.
    const bool stored = draft_->request.uses_stored || (owned_ != nullptr && owned_->provider_ix >= 0);
    failover_->pinned = route_->provider_ix >= 0 || stored;
    if (failover_->pinned) failover_->terms.unfit = nullptr;
}

bool Exchange::plan_failover(const Failure& failure) {
    if (failover_ == nullptr) begin_failover();
    Failover& course = *failover_;
    course.over = !go_on_after(failure);
    return !course.over;
}

bool Exchange::go_on_after(const Failure& failure) {
    Failover& course = *failover_;
    course.failed_ns = services_.shard().now_ns();
    course.note(provider_->name, failure);
    note_failure(failure);
    if (races()) {
        Race(*this).leave_to_rival(&failure);
        return false;
    }
    if (hedge_ != nullptr && hedge_->carries) hedge_->failed = true;
    const FailoverPlan& terms = plan().failover;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    if (total_passed()) return false;
    const bool refused = failure.status != 0 || failure.reason == FailoverReason::error_event;
    const bool worked = request_sent_ && (!refused || failure.content_came);  // or may have
    if (worked && !goes_on() && !terms.retry_sent) return false;
    const bool other_model = is_of_model(failure.reason);  // no retry: this request was not asked of that model
    if (!(other_model ? choose_fallback_model(failure) : choose_next(failure))) return false;
    if (!other_model && !services_.retries.take(now_ms)) {
        route::leave(plan().choice, *course.candidate, now_ms, course.next->passage);
        course.next.reset();
        services_.metrics().retries_refused.add();
        return false;
    }
    observe::ShardMetrics& metrics = services_.metrics();
    (!request_sent_ ? metrics.retries_unsent : worked ? metrics.retries_sent : metrics.retries_answered).add();
    course.retries += 1;
    return true;
}

/// What the others, and the next requests, are to know of it.
void Exchange::note_failure(const Failure& failure) {
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const bool of_key = refuses_key(failure.status) && instance_set() != nullptr;
    judge_candidate(of_key ? route::Verdicts{.provider = BreakerOutcome::success} : verdicts_of(failure));
    leave_candidate(failure.status != 0);
    if (failure.reason == FailoverReason::timeout && !failure.content_came) note_latency(services_.shard().now_ns());
    const bool asked = failure.reason != FailoverReason::untranslatable && !is_of_model(failure.reason);
    if (asked && provider_->state != nullptr) provider_->state->note_failure(now_ms, failure.error.what);
    if (failure.reason != FailoverReason::rate_limit || candidate_ == nullptr) return;
    if (instance_set() != nullptr) return;  // the key rests (rest_key), and its model may do well with others
    const uint64_t rest_ms = std::min(failure.retry_after_ms.value_or(rest_default_ms), rest_max_ms);
    if (candidate_->model_state != nullptr) candidate_->model_state->rest_until(now_ms + rest_ms);
}

/// Another provider at once; the same again after a pause, where all of them were tried.
bool Exchange::choose_next(const Failure& failure) {
    Failover& course = *failover_;
    const FailoverPlan& terms = plan().failover;
    const route::ModelMatch match = this->match();
    const auto own =
        std::ranges::find(match.candidates, provider_ - plan().providers.data(), &route::Candidate::provider_ix);
    if (own == match.candidates.end()) return false;
    const auto own_index = static_cast<size_t>(own - match.candidates.begin());
    route::ChoiceTerms choice = course.terms;
    choice.now_ms = services_.shard().timers().now_ms();
    choice.trouble = failure.reason == FailoverReason::rate_limit ? route::Trouble::rate_limit : route::Trouble::error;
    choice.fallback_only = course.retries >= terms.max_retries;
    const bool after_fallback = own->fallback && match.candidates.size() > 1;
    if (after_fallback) return false;
    const auto choose_among = [&](const route::Tried& tried) {
        course.next =
            route::choose(plan().choice, choice, match.candidates, tried, use_->turns[match.set], services_.random);
        if (course.next) course.candidate = &match.candidates[course.next->index];
        return course.next.has_value();
    };
    course.tried.set(own_index);
    course.pause_ms = 0;
    if (!choice.fallback_only && choose_other_instance(failure, own_index)) return true;
    if (!course.pinned && choose_among(course.tried)) return true;
    if (choice.fallback_only) return false;
    // A provider that refuses our key will do so again.
    if (failure.reason == FailoverReason::credentials || failure.reason == FailoverReason::untranslatable) return false;
    course.tried.reset();
    route::Tried others;
    if (course.pinned) others.set().reset(own_index);
    if (!choose_among(others)) return false;
    const uint64_t rest_ms = rest_of(*course.candidate);
    course.pause_ms = std::max(rest_ms, terms.backoff.pause_ms(course.retries, services_.random.next()));
    const bool too_late = total_deadline_ms_ != 0 && choice.now_ms + course.pause_ms >= total_deadline_ms_;
    const bool hopeless = course.next->reason == route::ChoiceReason::last_resort || rest_ms > terms.retry_after_max_ms;
    if (!hopeless && !too_late) return true;
    route::leave(plan().choice, *course.candidate, choice.now_ms, course.next->passage);
    course.next.reset();
    return false;
}

/// Until the candidate may be asked again, as it said itself.
uint64_t Exchange::rest_of(const route::Candidate& candidate) const noexcept {
    const uint64_t now_ms = services_.shard().timers().now_ms();
    if (candidate.instances != nullptr) return route::rest_ms(*candidate.instances, now_ms);
    if (candidate.model_state == nullptr) return 0;
    const uint64_t until_ms = candidate.model_state->rests_until_ms();
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/// Once the failed attempt's connection is gone.
void Exchange::begin_pause() noexcept {
    if (failover_ == nullptr || !failover_->next || failover_->pause_ms == 0) return;
    // Meanwhile others may have what it would take: it is chosen anew when the pause is over.
    route::leave(plan().choice, *failover_->candidate, services_.shard().timers().now_ms(), failover_->next->passage);
    pausing_ = true;
    arm(Deadline::pause, failover_->pause_ms);
}

/// The one that the pause was for, unless it has become unwell or an operator has drained it.
bool Exchange::choose_paused() noexcept {
    Failover& course = *failover_;
    const route::ModelMatch match = this->match();
    route::ChoiceTerms terms = course.terms;
    terms.now_ms = services_.shard().timers().now_ms();
    route::Tried others;
    others.set().reset(course.next->index);
    course.next =
        route::choose(plan().choice, terms, match.candidates, others, use_->turns[match.set], services_.random);
    course.over = !course.next;
    return course.next.has_value();
}

/// Makes the next attempt's request from what the client sent, for whom it is meant. Candidates that cannot be asked it
/// are passed over.
Result<void> Exchange::begin_next() {
    if (client_gone_) return std::unexpected(error_);
    if (failover_ == nullptr || !failover_->next) return {};  // the same request on another connection
    if (total_passed()) return std::unexpected(failover_->told->error);
    Failover& course = *failover_;
    if (course.pause_ms > 0 && !choose_paused()) return std::unexpected(course.told->error);
    const uint64_t now_ns = services_.shard().now_ns();
    connect_wait_ns_ += now_ns - (request_sent_ ? forwarded_ns_ : course.failed_ns);
    for (;;) {
        switch_candidate();
        const auto made = make_request_anew();
        if (made) return {};
        // Where there was no memory for it, what the client sent is gone too (prepare_quirky).
        if (body_.empty()) return std::unexpected(made.error());
        const Failure failure{.reason = FailoverReason::untranslatable, .error = made.error()};
        if (!plan_failover(failure)) return std::unexpected(made.error());
    }
}

/// What the failed attempt's answer said that it took: whoever answers the client in its place is not to be billed for
/// it.
void Exchange::book_attempt() {
    if (translated_ != nullptr) book_tokens(translated_->usage);
    if (owned_ != nullptr) book_tokens(std::exchange(owned_->usage, {}));
}

void Exchange::switch_candidate() {
    Booking(*this).settle(tenant::LedgerExit::failed_over);
    book_attempt();
    Failover& course = *failover_;
    const uint16_t from = provider_->label_ix;
    passage_ = course.next->passage;
    choice_reason_ = course.next->reason;
    const route::Candidate& candidate = *course.candidate;
    course.next.reset();
    error_ = {};
    detail_ = {};
    connects_ = 0;
    fresh_only_ = false;
    request_sent_ = false;
    upstream_reusable_ = false;
    strip_usage_ = false;
    dropped_ = {};
    translated_.reset();
    watch_.reset();
    candidate_ = &candidate;
    const uint16_t to = plan().providers[candidate.provider_ix].label_ix;
    if (provider_ != &plan().providers[candidate.provider_ix]) course.tried_instances = 0;
    if (from != to || is_of_model(course.reason)) services_.metrics().failover(from, to, course.reason);
}

Result<void> Exchange::make_request_anew() {
    const route::ModelMatch match = this->match();
    LOOM_TRY(take_candidate(candidate_, candidate_->provider_ix, match.model));
    release_draft();
    hold_less(BlockPool::footprint(body_.capacity()));  // without the changed document of the attempt before
    const auto request = read_again();
    LOOM_ASSERT(request);  // it was read before
    return prepare(*request);
}

/// What the client is told where every attempt has failed.
Error Exchange::telling_error(const Error& last) {
    if (failover_ == nullptr || client_gone_ || !failover_->told) return last;
    detail_ = text_.keep(failover_->story());
    Error error = failover_->told->error;
    if (failover_->told->reason != FailoverReason::credentials) error.side = Side::upstream;  // those are ours
    return error;
}

/// The attempt whose answer the client got, as the breakers and the strategies are to know it. At the end, whatever it
/// was; what failed before was told then.
void Exchange::judge_end() {
    if (failover_ != nullptr && failover_->next) {  // the client left before it was asked
        const uint64_t now_ms = services_.shard().timers().now_ms();
        route::leave(plan().choice, *failover_->candidate, now_ms, failover_->next->passage);
        failover_->next.reset();
    }
    const bool was_judged = failover_ != nullptr && failover_->over;
    const bool refused = answer_whole() && status_ >= 400;
    if (client_->is_nobody()) return leave_candidate(refused);  // a copy that fails is no word on requests
    const bool nobody_asks = instance_set() == nullptr && (candidate_ == nullptr || !plan().tells_routing);
    if (nobody_asks || was_judged) return leave_candidate(refused);
    const bool counts_output = candidate_ != nullptr && candidate_->model_state != nullptr;
    if (counts_output && answer_whole() && status_ < 400 && usage().output > 0)
        candidate_->model_state->output_tokens.record(usage().output);
    // A client that left or stood still says nothing of who answered it.
    const bool broke = error_.code != Errc::ok && error_.side == Side::upstream;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    if ((answer_whole() || was_stopped()) && status_ < 500) {
        judge_candidate({.provider = BreakerOutcome::success,
                         .model = BreakerOutcome::success,
                         .instance = BreakerOutcome::success});
        if (provider_->state != nullptr) provider_->state->note_success(now_ms);
    } else if (broke || answer_whole()) {
        const bool unreached = broke && !request_sent_ && instance_set() != nullptr;
        judge_candidate(unreached
                            ? route::Verdicts{.provider = BreakerOutcome::failure}
                            : route::Verdicts{.model = BreakerOutcome::failure, .instance = BreakerOutcome::failure});
        const char* const what = error_.code == Errc::ok ? answered_error : error_.what;
        if (provider_->state != nullptr) provider_->state->note_failure(now_ms, what);
    }
    leave_candidate(refused);
}

/// Who answered, after how many attempts, and why it was asked.
void Exchange::write_routing_lines(http::HeadWriter& head) const {
    if (provider_ == nullptr || !plan().tells_routing) return;
    head.header("x-loom-provider", std::string_view(provider_->name).substr(0, told_name_bytes_max));
    if (instance_set() != nullptr) head.header("x-loom-instance", uint64_t{instance_ix() + 1});
    // Without the provider's name in front, by which an arm may ask one alone.
    const std::string_view model = routed_model() != model_ ? match().model : model_;
    if (model != model_ && model.size() <= told_name_bytes_max) head.header("x-loom-model", model);
    head.header("x-loom-attempts", attempts_told());
    const bool by_strategy = choice_reason_ == route::ChoiceReason::strategy;
    head.header("x-loom-choice", by_strategy ? route::strategy_name(strategy_) : route::reason_name(choice_reason_));
    if (arm_ != nullptr) head.header("x-loom-experiment", arm_->label);
    if (hedge_ != nullptr) head.header("x-loom-hedge", hedge_->result());
    if (failover_ != nullptr) head.header("x-loom-failover", failover_->story());
    write_selection_lines(head);
}

}  // namespace loom::proxy
