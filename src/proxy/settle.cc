// The last phase, on every exit and exactly once: what happened is counted, logged, and given back.
#include <algorithm>

#include "activity.h"
#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "continuation.h"
#include "echo_source.h"
#include "exchange.h"
#include "guarding.h"
#include "hedge.h"
#include "ledger.h"
#include "ownership.h"
#include "realtime.h"
#include "reply.h"
#include "translated.h"

namespace loom::proxy {
namespace {

using observe::Stage;
using tenant::LedgerProvenance;

int64_t span_us(uint64_t from_ns, uint64_t to_ns) noexcept {
    return from_ns == 0 || to_ns < from_ns ? -1 : static_cast<int64_t>((to_ns - from_ns) / 1000);
}

observe::UsageSource usage_source(llm::Usage::Provenance provenance) noexcept {
    switch (provenance) {
        case llm::Usage::Provenance::none: break;
        case llm::Usage::Provenance::reported: return observe::UsageSource::reported;
        case llm::Usage::Provenance::counted: return observe::UsageSource::counted;
        case llm::Usage::Provenance::estimated: return observe::UsageSource::estimated;
    }
    return observe::UsageSource::none;
}

static_assert(static_cast<int>(observe::UsageSource::reported) == static_cast<int>(LedgerProvenance::reported) &&
              static_cast<int>(observe::UsageSource::counted) == static_cast<int>(LedgerProvenance::counted) &&
              static_cast<int>(observe::UsageSource::estimated) == static_cast<int>(LedgerProvenance::estimated));

/// What the ledger has booked of a request's last attempt, in its words: of what its provider has not told, too.
void tell_booked(const LedgerEntry& entry, observe::AccessRecord& record) noexcept {
    const tenant::LedgerSettlement& last = entry.last;
    if (last.provenance == LedgerProvenance::none) return;
    record.usage = static_cast<observe::UsageSource>(last.provenance);
    record.tokens_input = last.tokens.input;
    record.tokens_output = last.tokens.output;
    record.tokens_cached = last.tokens.cached_input;
}

}  // namespace

void Exchange::settle() {
    phase_ = Phase::settle;
    timer_.disarm();
    keepalive_.disarm();
    if (client_gone_ && status_ == 0) status_ = client_left_status;
    const uint64_t now_ns = services_.shard().read_clock_ns();
    judge_end();
    book(now_ns);
    if (limited_ != nullptr) ClientQuota(*this).leave();
    Booking(*this).settle_last();
    write_log(now_ns);
    if (services_.activity() != nullptr) ActivityNote(*this).put();
    Booking(*this).end();
    if (streaming_) services_.metrics().streams_open.sub();
    release_request();
    release_body();
    echo_.reset();
    // An answer that broke and said so in an event is a whole message all the same: the connection stands at its end.
    const bool ended_well = relay_.end() == Relay::End::whole || relay_.end() == Relay::End::broken || was_stopped();
    const bool whole = !client_gone_ && !aborted_ && (!relaying_ || ended_well);
    const bool keep = whole && keep_alive_ && !closing_told_ && (body_mode_ == BodyMode::none || client_body_.done());
    // An end in order would let a client take the part it has for the whole, where only the end says which it is;
    // anywhere else a reset could destroy earlier answers that the client has not read yet.
    // A stream that keep-alives have opened has such a head before there is anything to relay.
    const bool looks_whole = answered_ && ends_by_close_;
    if (client_gone_ && (looks_whole || client_->sender().failed())) client_->abort();
    client_->exchange_done(keep);
    services_.shard().free_later(*this);
}

/// Without its answer, or without a word: who says Close may go.
bool Exchange::left_early() const noexcept {
    return client_gone_ && !aborted_ && !(in_session() && realtime_->session().client_said_close());
}

/// Of all who have told a part of the answer.
uint32_t Exchange::event_count() const noexcept {
    if (realtime_ != nullptr) return realtime_->message_count();
    return relay_.event_count() + (continuation_ != nullptr ? continuation_->event_count : 0);
}

void Exchange::book(uint64_t now_ns) {
    if (client_->is_mirror()) return book_mirror();
    if (client_->is_nobody()) return;  // what it took is booked with the one that has the client
    observe::ShardMetrics& metrics = services_.metrics();
    const bool left = left_early();
    Race(*this).book();
    if (guarding_ != nullptr) {
        guarding_->book_answer();
        guarding_->write_audit(told_status(left, status_));
    }
    metrics.http_request(told_status(left, status_));
    metrics.body_in_bytes.add(bytes_in_);
    if (left) metrics.client_cancels.add();
    if (!relaying_ && attempts_ == 0) return;

    metrics.body_out_bytes.add(realtime_ != nullptr ? realtime_->upstream_bytes() : relay_.payload_bytes());
    metrics.stream_events.add(event_count());
    if (continuation_ != nullptr) book_continuation();
    if (relay_.end() == Relay::End::broken || relay_.end() == Relay::End::unfinished) metrics.stream_breaks.add();
    const uint64_t overhead = overhead_ns();
    if (head_ns_ != 0) metrics.overhead(Stage::total, overhead);
    if (admitted_ns_ != 0) metrics.overhead(Stage::admit, admitted_ns_ - begun_ns_);
    if (inspected_ns_ != 0) metrics.overhead(Stage::inspect, inspected_ns_ - std::max(body_ns_, admitted_ns_));
    const uint64_t from_ns = std::max(inspected_ns_, admitted_ns_) + connect_wait_ns_;
    if (forwarded_ns_ != 0) metrics.overhead(Stage::forward, forwarded_ns_ > from_ns ? forwarded_ns_ - from_ns : 0);
    if (answer_ns_ != 0 && head_ns_ > answer_ns_) metrics.overhead(Stage::relay, head_ns_ - answer_ns_);
    if (provider_ == nullptr) return;

    const uint16_t model = candidate_ != nullptr ? candidate_->model_label_ix : observe::other_slot;
    const uint16_t provider = provider_->label_ix;
    const bool good = !left && (answer_whole() || was_stopped());
    const observe::Outcome outcome = good ? observe::outcome_of(status_) : observe::Outcome::error;
    metrics.request_done(provider, model, outcome, (now_ns - begun_ns_) / 1000);
    if (arm_ != nullptr) book_arm(outcome, (now_ns - begun_ns_) / 1000);
    const llm::Usage took = was_stopped() ? stop_usage() : usage();
    book_tokens(took, good && status_ < 400);
    charge_unreserved(took);
    if (affinity_ != 0) book_stickiness();
    if (streaming_ && content_ns_ != 0) metrics.first_token(provider, (content_ns_ - begun_ns_) / 1000);
    if (answer_ns_ > forwarded_ns_) metrics.provider_latency(provider, (answer_ns_ - forwarded_ns_) / 1000);
}

/// Of one attempt: what its answer says that it took, whether or not the client got it.
/// answered  it brought an answer, which may have a price of its own, even one that tells no tokens.
void Exchange::book_tokens(const llm::Usage& usage, bool answered) {
    if (limited_ != nullptr) ClientQuota(*this).note_used(usage);
    const bool charged = answered && !llm::counts_tokens(endpoint_);
    if (charged || usage.provenance != llm::Usage::Provenance::none) book_cost(usage);
    const observe::TokenCounts counts{
        .input = usage.input, .output = usage.output, .cached = usage.cached_input, .reasoning = usage.reasoning};
    services_.metrics().tokens(provider_->label_ix, counts);
    if (consumer_ != nullptr) services_.metrics().owner_tokens(consumer_->owners, counts);
}

/// Of the model that is asked; null: none is known.
const route::Price* Exchange::price_at_hand() const noexcept {
    if (plan().prices == nullptr || upstream_model_.empty())
        return nullptr;  // files and the like have no model's price
    if (candidate_ != nullptr) return candidate_->price_for(upstream_model_);
    const auto provider_ix = static_cast<size_t>(provider_ - plan().providers.data());
    return plan().prices->providers[provider_ix].find(upstream_model_, model_);
}

void Exchange::book_cost(const llm::Usage& usage) {
    const route::Price* const price = price_at_hand();
    if (price == nullptr) return;
    const Money cost = price->cost(route::parts_of({.input = usage.input,
                                                    .cached_input = usage.cached_input,
                                                    .cache_write = usage.cache_write,
                                                    .cache_write_1h = usage.cache_write_1h,
                                                    .output = usage.output,
                                                    .reasoning = usage.reasoning}));
    services_.metrics().cost(provider_->label_ix,
                             candidate_ != nullptr ? candidate_->model_label_ix : observe::other_slot, cost);
    if (consumer_ != nullptr) services_.metrics().owner_cost(consumer_->owners, cost);
    add_cost(cost);
    if (entry_ != nullptr) entry_->cost_told = sum_of(entry_->cost_told, cost);
}

void Exchange::add_cost(Money cost) noexcept { cost_ = sum_of(std::max<Money>(cost_, 0), cost); }

void Exchange::write_log(uint64_t now_ns) {
    observe::ShardAccessLog* const log = services_.log();
    if (log == nullptr || client_->listener().local || client_->is_nobody()) return;
    std::array<char, 64> address;
    std::string_view client = client_text_;
    if (client.empty()) client = client_->peer_text(address);
    const bool left = left_early();
    const llm::Usage usage = was_stopped() ? stop_usage() : this->usage();
    observe::AccessRecord record{
        .time_us = begun_wall_us_,
        .request_id = request_id_,
        .client = client,
        .client_certificate =
            client_->certificate() != nullptr ? std::string_view(client_->certificate()->subject) : std::string_view{},
        .consumer = consumer_ != nullptr ? std::string_view(consumer_->name) : std::string_view{},
        .tenant = consumer_ != nullptr ? std::string_view(consumer_->tenant) : std::string_view{},
        .route = route_ != nullptr ? std::string_view(route_->name) : std::string_view{},
        .method = method_text_,
        .path = path_,
        .endpoint = route_ != nullptr && route_->ai ? llm::endpoint_name(endpoint_) : std::string_view{},
        .model = model_,
        .upstream_model = upstream_model_ != model_ ? upstream_model_ : std::string_view{},
        .provider = provider_ != nullptr ? std::string_view(provider_->name) : std::string_view{},
        .user_agent = user_agent_,
        .error = error_.code == Errc::ok ? std::string_view{} : errc_name(error_.code),
        .error_what = error_.what,
        .guard = guarding_ != nullptr ? guarding_->summary() : std::string_view{},
        .status = told_status(left, status_),
        .stream = streaming_,
        .attempts = attempts_,
        .failover = failover_ != nullptr ? failover_->story() : std::string_view{},
        .cache = cache_ != nullptr ? cache_->status_name() : std::string_view{},
        .hedge = hedge_ != nullptr ? hedge_->result() : std::string_view{},
        .hedge_other = hedge_ != nullptr ? std::string_view(hedge_->other->name) : std::string_view{},
        .bytes_in = bytes_in_,
        .bytes_out = client_->sender().sent_bytes() - sent_before_,
        .events = event_count(),
        .usage = usage_source(usage.provenance),
        .tokens_input = usage.input,
        .tokens_output = usage.output,
        .tokens_cached = usage.cached_input,
        .cost = Booking(*this).cost(),
        .total_us = span_us(begun_ns_, now_ns),
        .ttft_us = streaming_ ? span_us(content_ns_ != 0 ? begun_ns_ : 0, content_ns_) : -1,
        .overhead_us = head_ns_ != 0 ? static_cast<int64_t>(overhead_ns() / 1000) : -1,
        .admit_us = span_us(begun_ns_, admitted_ns_),
        .inspect_us = inspected_ns_ != 0 ? span_us(std::max(body_ns_, admitted_ns_), inspected_ns_) : -1,
        .forward_us = inspected_ns_ != 0 ? span_us(inspected_ns_, forwarded_ns_) : -1,
        .upstream_wait_us = forwarded_ns_ != 0 ? span_us(forwarded_ns_, answer_ns_) : -1,
        .relay_us = answer_ns_ != 0 ? span_us(answer_ns_, now_ns) : -1,
    };
    const bool from_cache = cache_ != nullptr && cache_->answered();
    if (entry_ != nullptr && !from_cache) tell_booked(*entry_, record);
    log->record(record);
}

}  // namespace loom::proxy
