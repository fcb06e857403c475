// A second provider beside one that is slow: whoever has its first content first is the answer, the other is cancelled.
//
// The second attempt is an exchange of its own, on a connection of nobody's (DiscardStream), made from what the first
// has kept of the request. As long as neither has an answer each knows the other as its rival. An answer that begins
// takes the client: where it is the second's, the two exchanges change connections. From then on each is an exchange
// like any other, one with the client, one whose client is gone.
#include "hedge.h"

#include <algorithm>
#include <utility>

#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"
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
void Race::arm() noexcept {
    if (x_.hedge_ != nullptr || !may_hedge()) return;
    const uint64_t slow_after_ms = delay_ms();
    if (slow_after_ms > 0) x_.services_.shard().timers().arm(x_.attempt_->hedge_timer, slow_after_ms);
}

/// As far as it can be told at once. Who has no choice, by its route, its sessions or what is stored for it, has none
/// here either; what costs nothing is not worth it.
bool Race::may_hedge() const noexcept {
    return x_.fails_over() && x_.body_.size() <= HedgePlan::body_bytes_max && !x_.client_->is_nobody() &&
           x_.provider_->kind != ProviderKind::echo && x_.owned_ == nullptr && x_.route_->provider_ix < 0 &&
           !llm::counts_tokens(x_.endpoint_) && (x_.cache_ == nullptr || !x_.cache_->has_stale()) &&
           (x_.failover_ == nullptr || (!x_.failover_->pinned && x_.failover_->model.empty()));
}

/// How long the first content may take; 0: nobody knows yet.
uint64_t Race::delay_ms() noexcept {
    const HedgePlan& terms = *x_.plan().hedge;
    if (terms.percentile == 0) return terms.after_ms;
    route::TargetLatency* const latency = x_.candidate_ != nullptr && x_.candidate_->model_state != nullptr
                                              ? x_.candidate_->model_state->latency()
                                              : nullptr;
    if (latency == nullptr) return 0;
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    const uint64_t us = latency->of(x_.stream_).settled(x_.plan().choice.latency, now_ms, terms.percentile);
    return us == 0 ? 0 : us / 1000 + 1;
}

void Race::on_timer(io::Timer& timer) noexcept {
    auto& hedge_timer = static_cast<Attempt::HedgeTimer&>(timer);
    Exchange& x = hedge_timer.exchange;
    // A turn that comes late may see the time before it sees what had come by then: one that was interrupted has no
    // completions at all. So it takes two turns.
    if (std::exchange(hedge_timer.over, true)) return Race(x).begin_if_slow();
    x.services_.shard().timers().arm(hedge_timer, 1);
}

/// The provider at hand has been asked, and has said nothing for long.
void Race::begin_if_slow() {
    if (x_.hedge_ != nullptr || x_.client_gone_ || answered_for_good() || x_.pausing_ || !may_hedge()) return;
    if (x_.relay_.content_came_ns() != 0) return;  // its content waits for more of it (routing.failover.hold_tokens)
    // What came in this very turn, an answer or a failure, is looked at behind the timers: then it is known better.
    const bool is_over = x_.error_.code != Errc::ok || (x_.collecting_ && x_.collected().whole());
    if (is_over || has_head(*x_.attempt_)) return x_.services_.shard().timers().arm(x_.attempt_->hedge_timer, 1);
    if (x_.services_.draining() || x_.services_.sheds(x_.priority()) || x_.leaves_something()) return;
    const auto choice = choose();
    if (!choice) return;
    const route::Candidate& candidate = x_.match().candidates[choice->index];
    const HedgePlan& terms = *x_.plan().hedge;
    // Room for its copy, and for the document that its provider may need in place of it: clients' bodies go first.
    const bool room = x_.services_.hedge_count < terms.in_flight_max && terms.budget_share > 0 &&
                      x_.services_.bodies().has_room(2 * BlockPool::footprint(x_.body_.size()));
    if (!room || !x_.services_.hedges.take(x_.services_.shard().timers().now_ms())) {
        route::Passage passage = choice->passage;
        route::leave(x_.plan().choice, candidate, x_.services_.shard().timers().now_ms(), passage);
        return x_.services_.metrics().hedges_refused.add();
    }
    begin(candidate, *choice);
}

/// Has any of the answer reached the client, or a head that another's answer could not follow?
bool Race::answered_for_good() const noexcept { return x_.opened_early_ || x_.committed(); }

/// Another candidate that is well, and was not tried. Who is only asked where the others fail, or must do where none is
/// well, is none.
std::optional<route::Choice> Race::choose() {
    const route::ModelMatch match = x_.match();
    route::Tried out = x_.failover_ != nullptr ? x_.failover_->tried : route::Tried();
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        const ProviderPlan& provider = x_.plan().providers[match.candidates[i].provider_ix];
        if (&provider == x_.provider_ || provider.kind == ProviderKind::echo || match.candidates[i].fallback)
            out.set(i);
    }
    const route::ChoiceTerms terms = x_.choice_terms(match, x_.draft_->request);
    auto choice =
        route::choose(x_.plan().choice, terms, match.candidates, out, x_.use_->turns[match.set], x_.services_.random);
    if (!choice || choice->reason < route::ChoiceReason::fallback) return choice;
    route::leave(x_.plan().choice, match.candidates[choice->index], terms.now_ms, choice->passage);
    return std::nullopt;
}

void Race::begin(const route::Candidate& candidate, const route::Choice& choice) {
    ClientConnection& nobody = ClientConnection::stand_in(x_.services_);
    Block home = x_.services_.shard().blocks().take(sizeof(Exchange));
    char* const memory = home.data();
    auto* const second = ::new (memory) Exchange(x_.services_, nobody, std::move(home));
    x_.hedge_ = std::make_unique<Hedge>();
    second->hedge_ = std::make_unique<Hedge>();
    *x_.hedge_ = {.rival = second, .other = &x_.plan().providers[candidate.provider_ix]};
    *second->hedge_ = {.rival = &x_,
                       .other = x_.provider_,
                       .asked_before = x_.failover_ != nullptr ? x_.failover_->retries + 1 : 1,
                       .second = true};
    Race(*second).take_request_of(x_);
    Booking(*second).go_on_with(x_);
    second->candidate_ = &candidate;
    second->passage_ = choice.passage;
    second->choice_reason_ = choice.reason;
    second->provider_ = &x_.plan().providers[candidate.provider_ix];
    nobody.serve(*second);
    // A comment would decide for the first: the second has as long as the first had.
    if (x_.keepalive_.armed()) x_.services_.shard().timers().arm(x_.keepalive_, x_.route_->keepalive_ms);
    x_.Exchange::run(*second, {});
}

/// All of the request that its attempts and its end ask for. Texts are the exchange's own: either may outlive the
/// other.
void Race::take_request_of(const Exchange& first) {
    x_.services_.leave_plan(
        std::exchange(x_.use_, first.use_));  // never the last one's of a plan: it is the one in force
    x_.use_->exchanges += 1;
    x_.route_ = first.route_;
    x_.consumer_ = first.consumer_;
    x_.token_ = first.token_;
    x_.arm_ = first.arm_;
    x_.method_ = first.method_;
    x_.endpoint_ = first.endpoint_;
    x_.minor_version_ = first.minor_version_;
    x_.keep_alive_ = first.keep_alive_;
    x_.speaks_anthropic_ = first.speaks_anthropic_;
    x_.stream_ = first.stream_;
    x_.prompt_ = first.prompt_;
    x_.affinity_ = first.affinity_;
    x_.strategy_ = first.strategy_;
    x_.method_text_ = x_.text_.keep(first.method_text_);
    x_.path_ = x_.text_.keep(first.path_);
    x_.target_ = x_.text_.keep(first.target_);
    x_.request_id_ = x_.text_.keep(first.request_id_);
    x_.client_text_ = x_.text_.keep(first.client_text_);
    x_.client_unnamed_ = first.client_unnamed_;
    x_.user_agent_ = x_.text_.keep(first.user_agent_);
    x_.origin_ = x_.text_.keep(first.origin_);
    x_.model_ = x_.text_.keep(first.model_);
    x_.context_line_ = x_.text_.keep(first.context_line_);
    x_.family_ = &x_.text_.make<Exchange::FamilyFields>();
    x_.family_->content_type = x_.text_.keep(first.family_->content_type);
    x_.family_->accept = x_.text_.keep(first.family_->accept);
    x_.family_->openai_beta = x_.text_.keep(first.family_->openai_beta);
    x_.family_->anthropic_version = x_.text_.keep(first.family_->anthropic_version);
    x_.family_->anthropic_beta = x_.text_.keep(first.family_->anthropic_beta);
    x_.request_lines_.append(first.request_lines_.view());
    x_.body_.reserve(first.body_.size());
    x_.body_.append(first.body_.view());
    x_.client_body_.start(http::BodyFraming::none, 0);
    if (first.guarding_ != nullptr) x_.guarding_ = std::make_unique<Guarding>(x_, *first.guarding_);
    if (first.selection_ != nullptr) take_selection_of(*first.selection_);
    x_.bytes_in_ = first.bytes_in_;
    x_.total_deadline_ms_ = first.total_deadline_ms_;
    x_.begun_ns_ = first.begun_ns_;
    x_.begun_wall_us_ = first.begun_wall_us_;
    x_.body_ns_ = first.body_ns_;
    x_.inspected_ns_ = first.inspected_ns_;
    x_.admitted_ns_ = first.admitted_ns_;
    // What the first has waited is no time of Loom's.
    const uint64_t asked_ns = first.request_sent_ ? first.forwarded_ns_ : first.connect_from_ns_;
    x_.connect_wait_ns_ = first.connect_wait_ns_ + x_.services_.shard().now_ns() - asked_ns;
}

void Race::take_selection_of(const Selection& first) {
    Selection& own = x_.selection();
    own = first;
    const auto keep = [this]<class T>(std::span<const T> all) {
        const auto copy = x_.text_.make_span<T>(all.size());
        std::ranges::copy(all, copy.begin());
        return copy;
    };
    own.order = keep(first.order);
    own.regions = keep(first.regions);
    own.headers = x_.text_.make_span<rule::Value>(first.headers.size());
    for (size_t i = 0; i < first.headers.size(); ++i) {
        const rule::Value& value = first.headers[i];
        own.headers[i] = value.kind == rule::Kind::text ? rule::Value::of_text(x_.text_.keep(value.text)) : value;
    }
}

/// In place of a hedge's way in.
Result<void> Race::prepare() {
    if (!x_.try_hold(BlockPool::footprint(x_.body_.capacity())))
        return fail(Errc::exhausted, Side::internal, "no memory for one more body (limit.bodies_in_memory)");
    return x_.make_request_anew();
}

/// An answer begins: it is the client's from here on, and the rival's will be nobody's. In its first turn it may be
/// taken back still (begin_relay): as long as that lasts it has the client, and the rival goes on.
void Exchange::claim_client() noexcept {
    if (!races()) return;
    Exchange& rival = *hedge_->rival;
    if (hedge_->second && client_->is_nobody()) Race(*this).take_client();
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
    Race(rival).note_untold();
    Race(rival).leave_race();
    rival.on_client_gone(beaten);
}

/// A provider that is told to stop before it has said what it took may bill it all the same.
void Race::note_untold() noexcept {
    if (x_.request_sent_ && x_.usage().provenance == llm::Usage::Provenance::none)
        x_.services_.metrics().hedges_untold.add();
}

/// The second goes on with the first's client, the first with nobody.
void Race::take_client() noexcept {
    Exchange& first = *x_.hedge_->rival;
    std::swap(x_.client_, first.client_);
    std::swap(x_.counted_, first.counted_);
    ClientQuota(x_).take_from(first);
    x_.client_->serve(x_);
    first.client_->serve(first);
    x_.relay_.send_to(x_.client_->sender());
    first.relay_.send_to(first.client_->sender());
    x_.sent_before_ = first.sent_before_;
    x_.hedge_->client_held_bytes = x_.client_->sender().held_bytes();
    if (first.failover_ == nullptr) return;
    x_.failover_ = std::make_unique<Failover>(*first.failover_);
    x_.failover_->terms = x_.choice_terms(x_.match(), x_.draft_->request);
    x_.failover_->next.reset();
    x_.failover_->pause_ms = 0;
    x_.failover_->tried_instances = 0;
    x_.failover_->over = false;
}

/// One of the two is out. What it has taken until now is booked to its own provider; the other's line in the log and
/// its cost are for both.
void Race::leave_race() noexcept {
    Exchange& other = *std::exchange(x_.hedge_->rival, nullptr);
    other.hedge_->rival = nullptr;
    other.attempts_ = static_cast<uint8_t>(std::min<uint32_t>(other.attempts_ + x_.attempts_, UINT8_MAX));
    if (x_.attempts_ > 0) x_.book_tokens(x_.usage());
    if (x_.attempts_ > 0 && other.limited_ != nullptr) ClientQuota(other).note_used(x_.usage());
    if (x_.hedge_->second && x_.attempts_ == 0)
        x_.services_.hedges.on_request(route::RetryBudget::whole);  // it asked nobody
    if (x_.cache_ != nullptr) x_.cache_->leave_embedder();          // what still comes its desk charges by itself
    if (x_.cost_ >= 0) other.add_cost(std::exchange(x_.cost_, -1));
    Booking(x_).hand_over_to(other);
}

/// This one's attempt has failed, and the rival's is under way still: that is the answer, or the next failure.
/// failure  null where it is no provider's.
void Race::leave_to_rival(const Failure* failure) {
    Exchange& rival = *x_.hedge_->rival;
    if (x_.hedge_->second) {
        x_.services_.metrics().hedges_failed.add();
        x_.hedge_->failed = rival.hedge_->failed = true;
        if (failure != nullptr) Race(rival).note_failed_beside(x_, *failure);
    } else {
        Race(rival).take_client();
        rival.hedge_->carries = true;
        if (failure != nullptr) Race(rival).note_failed_beside(x_, *failure);
        if (x_.keepalive_.armed()) x_.services_.shard().timers().arm(rival.keepalive_, x_.route_->keepalive_ms);
    }
    leave_race();
    if (x_.error_.code == Errc::ok && failure != nullptr) x_.error_ = failure->error;
    x_.client_gone_ = true;
}

/// What the other's attempt came to is part of this one's course.
void Race::note_failed_beside(const Exchange& other, const Failure& failure) {
    if (x_.failover_ == nullptr) x_.begin_failover();
    if (other.hedge_->second) x_.failover_->note(other.provider_->name, failure);  // the first's own came along
    const route::ModelMatch match = x_.match();
    for (size_t i = 0; i < match.candidates.size(); ++i)
        if (&x_.plan().providers[match.candidates[i].provider_ix] == other.provider_) x_.failover_->tried.set(i);
}

/// The answer of a hedge is an error while the first is asked still: none that the client should get. Of the request's
/// fault the breakers hear nothing.
Result<void> Race::refuse(const Failure& failure) {
    x_.judge_candidate({.provider = route::BreakerOutcome::success,
                        .model = route::BreakerOutcome::success,
                        .instance = route::BreakerOutcome::success});
    x_.leave_candidate(true);
    leave_to_rival(&failure);
    return std::unexpected(failure.error);
}

/// The client is gone, or the connection of nobody's (a drain has come to its end).
void Race::abandon(const Error& why) noexcept {
    Exchange& rival = *x_.hedge_->rival;
    x_.services_.metrics().hedges_abandoned.add();
    x_.hedge_->abandoned = rival.hedge_->abandoned = true;
    if (x_.client_->is_nobody()) return leave_race();
    Race(rival).note_untold();
    Race(rival).leave_race();
    rival.on_client_gone(why);
}

/// Where the first failed and the second went on: only its end tells what it came to.
void Race::book() noexcept {
    if (x_.hedge_ == nullptr || !x_.hedge_->carries) return;
    x_.hedge_->abandoned = x_.left_early();
    observe::ShardMetrics& metrics = x_.services_.metrics();
    (x_.hedge_->failed      ? metrics.hedges_failed
     : x_.hedge_->abandoned ? metrics.hedges_abandoned
                            : metrics.hedges_won)
        .add();
}

/// Attempts of both.
uint64_t Exchange::attempts_told() const noexcept {
    const uint64_t own = failover_ != nullptr ? failover_->retries + 1 : 1;
    if (hedge_ == nullptr) return own;
    return hedge_->second && failover_ == nullptr ? hedge_->asked_before + 1 : own + 1;
}

}  // namespace loom::proxy
