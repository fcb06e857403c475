// A second provider beside one that is slow: whoever has its first content first is the answer, the other is cancelled.
//
// The second attempt is an exchange of its own, on a connection of nobody's (DiscardStream), made from what the first
// has kept of the request. As long as neither has an answer each knows the other as its rival. An answer that begins
// takes the client: where it is the second's, the two exchanges change connections. From then on each is an exchange
// like any other, one with the client, one whose client is gone.
#include "hedge.h"

#include <algorithm>
#include <utility>

#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "loom/llm/provider_table.h"
#include "selection.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr Error beaten{.code = Errc::cancelled,
                       .side = Side::internal,
                       .what = "another provider's answer was there first (routing.hedge.after)"};

constexpr route::Verdicts slow_probe{.model = route::BreakerOutcome::failure,
                                     .instance = route::BreakerOutcome::failure};
constexpr route::Verdicts unreached_probe{.provider = route::BreakerOutcome::failure};

/// Is there an answer's head, whole, or a read that may bring it? A part that has waited for more is none.
bool has_head(const Attempt& attempt) {
    if (attempt.answer_lease) return true;
    if (attempt.answer_bytes.empty()) return false;
    const auto end = http::HeadScan(Side::upstream).end_of(attempt.answer_bytes.view());
    return !end || *end != 0;
}

}  // namespace

bool Exchange::races() const noexcept { return hedge_ != nullptr && hedge_->rival != nullptr; }

/// An attempt without a client of its own, so far.
bool Exchange::is_hedge() const noexcept { return races() && hedge_->second; }

/// An attempt begins, and what follows when it is slow: once for each request.
void Exchange::arm_hedge() noexcept {
    if (hedge_ != nullptr || !may_hedge()) return;
    const uint64_t delay_ms = hedge_delay_ms();
    if (delay_ms > 0) services_.shard().timers().arm(attempt_->hedge_timer, delay_ms);
}

/// As far as it can be told at once. Who has no choice, by its route, its sessions or what is stored for it, has none
/// here either; what costs nothing is not worth it.
bool Exchange::may_hedge() const noexcept {
    return fails_over() && body_.size() <= HedgePlan::body_bytes_max && !client_->is_nobody() &&
           provider_->kind != ProviderKind::echo && owned_ == nullptr && route_->provider_ix < 0 &&
           !llm::counts_tokens(endpoint_) && (failover_ == nullptr || (!failover_->pinned && failover_->model.empty()));
}

/// How long the first content may take; 0: nobody knows yet.
uint64_t Exchange::hedge_delay_ms() noexcept {
    const HedgePlan& terms = *plan().hedge;
    if (terms.percentile == 0) return terms.after_ms;
    route::TargetLatency* const latency =
        candidate_ != nullptr && candidate_->model_state != nullptr ? candidate_->model_state->latency() : nullptr;
    if (latency == nullptr) return 0;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const uint64_t us = latency->of(stream_).settled(plan().choice.latency, now_ms, terms.percentile);
    return us == 0 ? 0 : us / 1000 + 1;
}

void Exchange::on_hedge_timer(io::Timer& timer) noexcept {
    auto& hedge_timer = static_cast<Attempt::HedgeTimer&>(timer);
    Exchange& x = hedge_timer.exchange;
    // A turn that comes late may see the time before it sees what had come by then: one that was interrupted has no
    // completions at all. So it takes two turns.
    if (std::exchange(hedge_timer.over, true)) return x.hedge();
    x.services_.shard().timers().arm(hedge_timer, 1);
}

/// The provider at hand has been asked, and has said nothing for long.
void Exchange::hedge() {
    if (hedge_ != nullptr || client_gone_ || answered_for_good() || pausing_ || !may_hedge()) return;
    if (relay_.content_came_ns() != 0) return;  // its content waits for more of it (routing.failover.hold_tokens)
    // What came in this very turn, an answer or a failure, is looked at behind the timers: then it is known better.
    const bool is_over = error_.code != Errc::ok || (collecting_ && collected().whole());
    if (is_over || has_head(*attempt_)) return services_.shard().timers().arm(attempt_->hedge_timer, 1);
    if (services_.draining() || services_.sheds(priority()) || leaves_something()) return;
    const auto choice = choose_hedge();
    if (!choice) return;
    const route::Candidate& candidate = match().candidates[choice->index];
    const HedgePlan& terms = *plan().hedge;
    // Room for its copy, and for the document that its provider may need in place of it: clients' bodies go first.
    const bool room = services_.hedge_count < terms.in_flight_max && terms.budget_share > 0 &&
                      services_.bodies().has_room(2 * BlockPool::footprint(body_.size()));
    if (!room || !services_.hedges.take(services_.shard().timers().now_ms())) {
        route::Passage passage = choice->passage;
        route::leave(plan().choice, candidate, services_.shard().timers().now_ms(), passage);
        return services_.metrics().hedges_refused.add();
    }
    begin_hedge(candidate, *choice);
}

/// Has any of the answer reached the client, or a head that another's answer could not follow?
bool Exchange::answered_for_good() const noexcept { return opened_early_ || committed(); }

/// Another candidate that is well, and was not tried. Who is only asked where the others fail, or must do where none is
/// well, is none.
std::optional<route::Choice> Exchange::choose_hedge() {
    const route::ModelMatch match = this->match();
    route::Tried out = failover_ != nullptr ? failover_->tried : route::Tried();
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        const ProviderPlan& provider = plan().providers[match.candidates[i].provider_ix];
        if (&provider == provider_ || provider.kind == ProviderKind::echo || match.candidates[i].fallback) out.set(i);
    }
    const route::ChoiceTerms terms = choice_terms(match, draft_->request);
    auto choice = route::choose(plan().choice, terms, match.candidates, out, use_->turns[match.set], services_.random);
    if (!choice || choice->reason < route::ChoiceReason::fallback) return choice;
    route::leave(plan().choice, match.candidates[choice->index], terms.now_ms, choice->passage);
    return std::nullopt;
}

void Exchange::begin_hedge(const route::Candidate& candidate, const route::Choice& choice) {
    ClientConnection& nobody = ClientConnection::stand_in(services_);
    Block home = services_.shard().blocks().take(sizeof(Exchange));
    char* const memory = home.data();
    auto* const second = ::new (memory) Exchange(services_, nobody, std::move(home));
    hedge_ = std::make_unique<Hedge>();
    second->hedge_ = std::make_unique<Hedge>();
    *hedge_ = {.rival = second, .other = &plan().providers[candidate.provider_ix]};
    *second->hedge_ = {.rival = this,
                       .other = provider_,
                       .asked_before = failover_ != nullptr ? failover_->retries + 1 : 1,
                       .second = true};
    second->take_request_of(*this);
    second->take_entry_of(*this);
    second->candidate_ = &candidate;
    second->passage_ = choice.passage;
    second->choice_reason_ = choice.reason;
    second->provider_ = &plan().providers[candidate.provider_ix];
    nobody.serve(*second);
    // A comment would decide for the first: the second has as long as the first had.
    if (keepalive_.armed()) services_.shard().timers().arm(keepalive_, route_->keepalive_ms);
    run(*second, {});
}

/// All of the request that its attempts and its end ask for. Texts are the exchange's own: either may outlive the
/// other.
void Exchange::take_request_of(const Exchange& first) {
    services_.leave_plan(std::exchange(use_, first.use_));  // never the last one's of a plan: it is the one in force
    use_->exchanges += 1;
    route_ = first.route_;
    consumer_ = first.consumer_;
    token_ = first.token_;
    arm_ = first.arm_;
    method_ = first.method_;
    endpoint_ = first.endpoint_;
    minor_version_ = first.minor_version_;
    keep_alive_ = first.keep_alive_;
    speaks_anthropic_ = first.speaks_anthropic_;
    stream_ = first.stream_;
    affinity_ = first.affinity_;
    strategy_ = first.strategy_;
    method_text_ = text_.keep(first.method_text_);
    path_ = text_.keep(first.path_);
    target_ = text_.keep(first.target_);
    request_id_ = text_.keep(first.request_id_);
    client_text_ = text_.keep(first.client_text_);
    client_unnamed_ = first.client_unnamed_;
    user_agent_ = text_.keep(first.user_agent_);
    origin_ = text_.keep(first.origin_);
    model_ = text_.keep(first.model_);
    family_ = &text_.make<FamilyFields>();
    family_->content_type = text_.keep(first.family_->content_type);
    family_->accept = text_.keep(first.family_->accept);
    family_->openai_beta = text_.keep(first.family_->openai_beta);
    family_->anthropic_version = text_.keep(first.family_->anthropic_version);
    family_->anthropic_beta = text_.keep(first.family_->anthropic_beta);
    request_lines_.append(first.request_lines_.view());
    body_.reserve(first.body_.size());
    body_.append(first.body_.view());
    client_body_.start(http::BodyFraming::none, 0);
    if (first.selection_ != nullptr) take_selection_of(*first.selection_);
    bytes_in_ = first.bytes_in_;
    total_deadline_ms_ = first.total_deadline_ms_;
    begun_ns_ = first.begun_ns_;
    begun_wall_us_ = first.begun_wall_us_;
    body_ns_ = first.body_ns_;
    inspected_ns_ = first.inspected_ns_;
    admitted_ns_ = first.admitted_ns_;
    // What the first has waited is no time of Loom's.
    const uint64_t asked_ns = first.request_sent_ ? first.forwarded_ns_ : first.connect_from_ns_;
    connect_wait_ns_ = first.connect_wait_ns_ + services_.shard().now_ns() - asked_ns;
}

void Exchange::take_selection_of(const Selection& first) {
    Selection& own = selection();
    own = first;
    const auto keep = [this]<class T>(std::span<const T> all) {
        const auto copy = text_.make_span<T>(all.size());
        std::ranges::copy(all, copy.begin());
        return copy;
    };
    own.order = keep(first.order);
    own.regions = keep(first.regions);
    own.headers = text_.make_span<rule::Value>(first.headers.size());
    for (size_t i = 0; i < first.headers.size(); ++i) {
        const rule::Value& value = first.headers[i];
        own.headers[i] = value.kind == rule::Kind::text ? rule::Value::of_text(text_.keep(value.text)) : value;
    }
}

/// In place of a hedge's way in.
Result<void> Exchange::prepare_hedge() {
    if (!try_hold(BlockPool::footprint(body_.capacity())))
        return fail(Errc::exhausted, Side::internal, "no memory for one more body (limit.bodies_in_memory)");
    return make_request_anew();
}

/// An answer begins: it is the client's from here on, and the rival's will be nobody's. In its first turn it may be
/// taken back still (begin_relay): as long as that lasts it has the client, and the rival goes on.
void Exchange::claim_client() noexcept {
    if (!races()) return;
    Exchange& rival = *hedge_->rival;
    if (hedge_->second && client_->is_nobody()) take_client();
    if (answer_is_ours_) return;
    observe::ShardMetrics& metrics = services_.metrics();
    if (hedge_->second) {
        metrics.hedges_won.add();
        const bool silent = rival.relay_.content_came_ns() == 0;
        // It took so long at least: without this the fast ones alone would be known, and more and more be hedged.
        if (silent && rival.request_sent_) rival.note_latency(services_.shard().now_ns());
        if (silent) rival.learn_of_answer(services_.shard().now_ns());
        // A probe that another had to answer for has failed: given back untold, it would let in the next at once, and
        // so on, while its breaker stays half open. Who is trusted may be slow.
        if (silent && !rival.collecting_ && holds_probe(rival.passage_, rival.instance_passage_))
            rival.judge_candidate(rival.request_sent_ ? slow_probe : unreached_probe);
    } else {
        metrics.hedges_lost.add();
    }
    rival.note_untold();
    rival.leave_race();
    rival.on_client_gone(beaten);
}

/// A provider that is told to stop before it has said what it took may bill it all the same.
void Exchange::note_untold() noexcept {
    if (request_sent_ && usage().provenance == llm::Usage::Provenance::none) services_.metrics().hedges_untold.add();
}

/// The second goes on with the first's client, the first with nobody.
void Exchange::take_client() noexcept {
    Exchange& first = *hedge_->rival;
    std::swap(client_, first.client_);
    std::swap(counted_, first.counted_);
    take_client_limits(first);
    client_->serve(*this);
    first.client_->serve(first);
    relay_.send_to(client_->sender());
    first.relay_.send_to(first.client_->sender());
    sent_before_ = first.sent_before_;
    hedge_->client_held_bytes = client_->sender().held_bytes();
    if (first.failover_ == nullptr) return;
    failover_ = std::make_unique<Failover>(*first.failover_);
    failover_->terms = choice_terms(match(), draft_->request);
    failover_->next.reset();
    failover_->pause_ms = 0;
    failover_->tried_instances = 0;
    failover_->over = false;
}

/// One of the two is out. What it has taken until now is booked to its own provider; the other's line in the log and
/// its cost are for both.
void Exchange::leave_race() noexcept {
    Exchange& other = *std::exchange(hedge_->rival, nullptr);
    other.hedge_->rival = nullptr;
    other.attempts_ = static_cast<uint8_t>(std::min<uint32_t>(other.attempts_ + attempts_, UINT8_MAX));
    if (attempts_ > 0) book_tokens(usage());
    if (attempts_ > 0 && other.limited_ != nullptr) other.note_tokens_used(usage());
    if (hedge_->second && attempts_ == 0) services_.hedges.on_request(route::RetryBudget::whole);  // it asked nobody
    if (cost_ >= 0) other.add_cost(std::exchange(cost_, -1));
}

/// This one's attempt has failed, and the rival's is under way still: that is the answer, or the next failure.
/// failure  null where it is no provider's.
void Exchange::leave_to_rival(const Failure* failure) {
    Exchange& rival = *hedge_->rival;
    if (hedge_->second) {
        services_.metrics().hedges_failed.add();
        hedge_->failed = rival.hedge_->failed = true;
        if (failure != nullptr) rival.note_failed_beside(*this, *failure);
    } else {
        rival.take_client();
        rival.hedge_->carries = true;
        if (failure != nullptr) rival.note_failed_beside(*this, *failure);
        if (keepalive_.armed()) services_.shard().timers().arm(rival.keepalive_, route_->keepalive_ms);
    }
    leave_race();
    if (error_.code == Errc::ok && failure != nullptr) error_ = failure->error;
    client_gone_ = true;
}

/// What the other's attempt came to is part of this one's course.
void Exchange::note_failed_beside(const Exchange& other, const Failure& failure) {
    if (failover_ == nullptr) begin_failover();
    if (other.hedge_->second) failover_->note(other.provider_->name, failure);  // the first's own came along
    const route::ModelMatch match = this->match();
    for (size_t i = 0; i < match.candidates.size(); ++i)
        if (&plan().providers[match.candidates[i].provider_ix] == other.provider_) failover_->tried.set(i);
}

/// The answer of a hedge is an error while the first is asked still: none that the client should get. Of the request's
/// fault the breakers hear nothing.
Result<void> Exchange::refuse_hedge(const Failure& failure) {
    judge_candidate({.provider = route::BreakerOutcome::success,
                     .model = route::BreakerOutcome::success,
                     .instance = route::BreakerOutcome::success});
    leave_candidate(true);
    leave_to_rival(&failure);
    return std::unexpected(failure.error);
}

/// The client is gone, or the connection of nobody's (a drain has come to its end).
void Exchange::abandon_race(const Error& why) noexcept {
    Exchange& rival = *hedge_->rival;
    services_.metrics().hedges_abandoned.add();
    hedge_->abandoned = rival.hedge_->abandoned = true;
    if (client_->is_nobody()) return leave_race();
    rival.note_untold();
    rival.leave_race();
    rival.on_client_gone(why);
}

/// Where the first failed and the second went on: only its end tells what it came to.
void Exchange::book_hedge() noexcept {
    if (hedge_ == nullptr || !hedge_->carries) return;
    hedge_->abandoned = left_early();
    observe::ShardMetrics& metrics = services_.metrics();
    (hedge_->failed ? metrics.hedges_failed : hedge_->abandoned ? metrics.hedges_abandoned : metrics.hedges_won).add();
}

/// Attempts of both.
uint64_t Exchange::attempts_told() const noexcept {
    const uint64_t own = failover_ != nullptr ? failover_->retries + 1 : 1;
    if (hedge_ == nullptr) return own;
    return hedge_->second && failover_ == nullptr ? hedge_->asked_before + 1 : own + 1;
}

}  // namespace loom::proxy
