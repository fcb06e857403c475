// From the upstream's head to the relay: what the client is told, and how the bytes behind it are framed.
#include <algorithm>
#include <array>
#include <memory>

#include "admin_call.h"
#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "echo_source.h"
#include "exchange.h"
#include "guarding.h"
#include "header_policy.h"
#include "hedge.h"
#include "ledger.h"
#include "limit_lines.h"
#include "ownership.h"
#include "realtime.h"
#include "token_provenance.h"
#include "translated.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

constexpr std::string_view keepalive_comment = ": keep-alive\n\n";

}  // namespace

bool Exchange::has_type(const http::ResponseHead& head, std::string_view wanted) noexcept {
    const std::string_view type = head.value_of(HeaderId::content_type);
    return type.size() >= wanted.size() && http::equal_ignoring_case(type.substr(0, wanted.size()), wanted);
}

bool Exchange::is_event_stream(const http::ResponseHead& head) noexcept { return has_type(head, "text/event-stream"); }

bool Exchange::is_frame_stream(const http::ResponseHead& head) noexcept {
    return has_type(head, "application/vnd.amazon.eventstream");
}

/// Errors  what broke the answer in the very turn in which its head came: nothing of it was handed to the kernel yet,
///         and so it is no answer.
Result<void> Exchange::begin_relay() {
    if (echo_ != nullptr) {
        begin_made_relay();
        return {};
    }
    if (realtime_ != nullptr && services_.response_head.status == 101) return begin_session();
    realtime_.reset();  // refused: an answer like any other
    if (answered_) {
        relay_answer();
        return {};
    }
    const bool raced = races();
    const size_t held_before = client_->sender().held_bytes();
    answer_is_ours_ = true;
    relay_answer();
    answer_is_ours_ = false;
    if (relay_.holding()) return {};  // what has become of it is looked at when it ends
    const bool untold = relay_.end() == Relay::End::unfinished ||
                        (relay_.end() == Relay::End::broken && content_ns_ == 0);  // a stream's content is worth more
    if (!untold || aborted_) {
        claim_client();  // for good
        if (raced && !keeps_request() && draft_ != nullptr && (upstream_ == nullptr || upstream_->sender().idle()))
            release_request();
        return {};
    }
    take_back_answer(is_hedge() ? hedge_->client_held_bytes : held_before);
    if (is_hedge() && !client_->is_nobody()) Race(*hedge_->rival).take_client();
    return std::unexpected(error_);
}

void Exchange::take_back_answer(size_t held_before) {
    error_ = relay_.error();
    error_.retry = Retry::never;  // the upstream has taken the request, and perhaps done what it asks for
    client_->sender().take_back(held_before);
    forget_relay();
}

/// Nothing of what it was given has left.
void Exchange::forget_relay() {
    if (owned_ != nullptr) owned_->forget_events();
    std::destroy_at(&relay_);
    std::construct_at(&relay_, services_.shard(), client_->sender(), services_.stream_reader, services_.usage_reader,
                      static_cast<RelayOwner&>(*this));
    if (std::exchange(streaming_, false)) services_.metrics().streams_open.sub();
    relaying_ = false;
    if (opened_early_) return;
    answered_ = false;
    status_ = 0;
    head_ns_ = 0;
}

void Exchange::relay_answer() {
    error_ = {};  // an end that came in the same tick stands behind the answer, not in its place
    const http::ResponseHead& head = services_.response_head;
    RelayOptions options;
    options.source_framing = head.framing;
    options.source_length = head.content_length;
    const std::string_view coding = head.value_of(HeaderId::content_encoding);
    if (route_->ai) options.coding = http::content_coding(coding);
    const bool decoded = options.coding != http::ContentCoding::identity && head.framing != http::BodyFraming::none;
    if (!decoded) options.coding = http::ContentCoding::identity;
    options.frames = translated_ != nullptr && is_frame_stream(head);
    options.event_stream = route_->ai && (options.frames || is_event_stream(head));
    const bool tells_usage = llm::is_inspected(endpoint_) || (owned_ != nullptr && owned_->call.by_model);
    options.read_usage = route_->ai && !options.event_stream && head.status == 200 && tells_usage &&
                         (owned_ == nullptr || has_type(head, "application/json"));
    options.strip_usage = strip_usage_ && head.status == 200;
    watch_stream(options);
    if (plan().failover.continues && head.status == 200) keep_told(options);

    const bool counted = head.framing == http::BodyFraming::length && !decoded && !options.event_stream;
    if (head.framing == http::BodyFraming::none)
        options.client_framing = ClientFraming::none;
    else if (counted)
        options.client_framing = ClientFraming::length;
    else
        options.client_framing = minor_version_ == 1 ? ClientFraming::chunked : ClientFraming::until_close;

    upstream_reusable_ = head.keep_alive && head.framing != http::BodyFraming::until_close;
    const size_t head_bytes = head.head_bytes;
    const bool refused_early = answered_ && (!options.event_stream || head.status != 200);
    if (refused_early) {  // the client has a stream's head already
        options = RelayOptions{};
        options.event_stream = true;
        options.client_framing = minor_version_ == 1 ? ClientFraming::chunked : ClientFraming::until_close;
        watch_stream(options);
    }
    if (!refused_early) options.hold = hold_terms(options);
    status_ = answered_ ? status_ : head.status;
    if (options.hold.bytes_max == 0) claim_client();
    if (!answered_) write_answer_head(head, options);
    if (cache_ != nullptr && !refused_early) cache_->watch(options, head);
    io::BufferLease came = std::move(attempt_->answer_lease);
    const ByteBuffer came_before = std::move(attempt_->answer_bytes);
    start_relay(options);
    if (refused_early)
        return relay_.fail(
            Error{.code = Errc::bad_message,
                  .side = Side::upstream,
                  .what = "the upstream refused after the stream had been opened (route.NAME.keepalive)"});
    if (options.source_framing == http::BodyFraming::none) relay_.on_source_copy({});

    // What came with the head is the first of the body.
    if (came) {
        came.remove_prefix(head_bytes);
        const size_t rest_bytes = came.view().size();
        if (rest_bytes > 0 && relay_.on_source_bytes(std::move(came)) != rest_bytes) upstream_reusable_ = false;
    } else if (came_before.size() > head_bytes) {
        const std::string_view rest = came_before.view().substr(head_bytes);
        if (relay_.on_source_copy(rest) != rest.size()) upstream_reusable_ = false;
    }
    if (!relay_.ended() && upstream_ != nullptr && upstream_->ended()) relay_.on_source_end(upstream_->end());
}

void Exchange::start_relay(const RelayOptions& given) {
    phase_ = Phase::relay;
    RelayOptions options = given;
    options.flush_interval_ms = options.event_stream ? plan().flush_interval_ms : 0;
    options.buffer_bytes_max = plan().limits.pause_bytes();
    options.event_bytes_max = plan().limits.event_bytes;
    if (options.event_stream) {
        streaming_ = true;
        services_.metrics().streams_open.add();
        arm(Deadline::first_token, timeouts().first_token_ms);
    } else {
        arm(Deadline::inter_event, timeouts().inter_event_ms);
    }
    relaying_ = true;
    if (ClientQuota(*this).told() != nullptr) ClientQuota(*this).prepare_to_stop(options);
    if (guarding_ != nullptr) guarding_->watch(options);
    options.counts_text |= options.event_stream && services_.ledger() != nullptr;
    if (options.event_stream && (options.counts_text || plan().tokenizers != nullptr)) count_texts(options);
    // Another attempt, while nothing of this one has left; beside another, while it may be taken back.
    const bool may_follow = options.hold.bytes_max > 0 || races();
    if (!may_follow && (upstream_ == nullptr || upstream_->sender().idle())) release_request();
    relay_.begin(options);
}

/// By its model's own tokens, where they are known, for as long as no usage is told; else by an estimate, where
/// somebody wants to know.
void Exchange::count_texts(RelayOptions& options) {
    const llm::Tokenizer* const tokenizer =
        plan().tokenizers != nullptr ? plan().tokenizers->of_model(match().model) : nullptr;
    if (tokenizer == nullptr && !options.counts_text) return;
    auto& count = text_.make<std::optional<llm::TextCount>>();
    options.text_count = tokenizer != nullptr ? &count.emplace(*tokenizer, *services_.token_counter) : &count.emplace();
    if (options.translation != nullptr) options.translation->count(*options.text_count);
    if (options.watch != nullptr) options.watch->count(*options.text_count);
}

/// How much of an answer waits for its content, so that an attempt that fails before it has left no trace. Nothing
/// where the content is at hand; a stream's for as long as the conf says. After the last attempt none could follow:
/// then the client gets an error that it can act on in place of a part of an answer.
HoldTerms Exchange::hold_terms(const RelayOptions& options) const noexcept {
    if (echo_ != nullptr || !fails_over() || services_.response_head.status / 100 != 2) return {};
    const FailoverPlan& terms = plan().failover;
    if (options.event_stream)
        return {.bytes_max = terms.held_bytes_max(),
                .tokens = goes_on() ? 0 : terms.hold_tokens,  // where it goes on, it may do so once more
                .time_ms = terms.hold_ms};
    if (options.source_framing == http::BodyFraming::none || options.source_length == 0) {
        const bool empty = options.source_framing != http::BodyFraming::chunked &&
                           options.source_framing != http::BodyFraming::until_close;
        if (empty) return {};
    }
    const size_t at_hand = std::max(attempt_->answer_lease.view().size(), attempt_->answer_bytes.size());
    if (at_hand > services_.response_head.head_bytes) return {};
    return {.bytes_max = FailoverPlan::held_start_bytes_max};
}

/// From here on no other attempt can follow: what a stream of minutes would hold for one goes home.
void Exchange::release_request() noexcept {
    if (translated_ != nullptr) {
        translated_->request.release();
        (void)translated_->hold_documents();  // less than before
    }
    release_draft();
    if (body_mode_ != BodyMode::stream) release_body();
    end_attempt();
    request_lines_.release();
}

void Exchange::release_draft() noexcept {
    if (draft_ == nullptr) return;
    Block home = std::move(draft_->home);
    std::exchange(draft_, nullptr)->~Draft();
}

void Exchange::write_answer_head(const http::ResponseHead& source, const RelayOptions& options) {
    const size_t lines_bytes = ClientQuota(*this).told() != nullptr ? limit_lines_bytes_max : 0;
    const size_t cache_bytes = cache_ != nullptr ? CacheVisit::lines_bytes_max : 0;
    const size_t bytes_max = source.head_bytes + origin_.size() + dropped_.size() + context_line_.size() + lines_bytes +
                             cache_bytes + head_slack_bytes;
    const bool own_limits = ClientQuota(*this).is_told();
    Block room = services_.shard().blocks().take(bytes_max);
    http::HeadWriter head(room.data(), room.capacity());
    head.status(source.status, source.reason.empty() ? http::reason_phrase(source.status) : source.reason);
    const bool made = options.translation != nullptr;  // events of ours: their type is too
    if (made) head.header("content-type", wants_json_array() ? "application/json" : "text/event-stream; charset=utf-8");
    for (const http::Header& header : source.headers()) {
        const bool passes = route_->ai ? reaches_client(header) : passes_to_client(header);
        if (own_limits && tells_of_limits(header)) continue;
        if (passes && !(made && header.id == HeaderId::content_type)) head.header(header.name, header.value);
    }
    const http::ContentCoding coding = http::content_coding(source.value_of(HeaderId::content_encoding));
    const bool is_foreign = coding == http::ContentCoding::unknown || coding == http::ContentCoding::zstd;
    if (route_->ai && options.coding == http::ContentCoding::identity && is_foreign)
        head.header("content-encoding", source.value_of(HeaderId::content_encoding));
    if (options.client_framing == ClientFraming::chunked)
        head.raw("transfer-encoding: chunked\r\n");
    else if (options.client_framing == ClientFraming::length)
        head.header("content-length", source.content_length);
    else if (source.find(HeaderId::content_length) != nullptr && source.status != 204 &&
             options.client_framing == ClientFraming::none)
        head.header("content-length", source.content_length);  // HEAD: of the body that is not sent
    finish_answer_head(head, options.client_framing == ClientFraming::until_close);
    relay_.add_head(head.view(), options.hold.bytes_max > 0);
}

/// The lines that every answer has.
void Exchange::finish_answer_head(http::HeadWriter& head, bool ends_by_close) {
    if (route_ == nullptr || route_->ai) head.date(services_.date());
    head.header("x-request-id", request_id_);
    if (!origin_.empty()) {
        head.header("access-control-allow-origin", origin_);
        head.raw(
            "vary: Origin\r\naccess-control-expose-headers: x-request-id, x-loom-overhead-us, x-loom-provider, "
            "x-loom-attempts, x-loom-choice, x-loom-experiment, x-loom-failover, x-loom-rule, x-loom-task, "
            "x-loom-complexity, x-loom-model, x-loom-fallback, x-loom-hedge, x-loom-cache, x-loom-cache-similarity, "
            "x-loom-cache-key, x-loom-context-overflow, x-loom-context-trimmed, age, retry-after, ratelimit, "
            "ratelimit-policy\r\n");
    }
    head_ns_ = services_.shard().read_clock_ns();
    head.header("x-loom-overhead-us", overhead_ns() / 1000);
    if (!dropped_.empty()) head.header("x-loom-dropped", dropped_);
    if (!context_line_.empty()) head.raw(context_line_);
    ClientQuota(*this).write_lines(head);
    write_routing_lines(head);
    if (cache_ != nullptr) cache_->write_lines(head);
    const bool body_left = body_mode_ != BodyMode::none && !client_body_.done();
    ends_by_close_ = ends_by_close;
    closing_told_ = ends_by_close || !keep_alive_ || body_left || services_.draining();
    if (closing_told_)
        head.raw("connection: close\r\n");
    else if (minor_version_ == 0)
        head.raw("connection: keep-alive\r\n");
    head.end();
    answered_ = true;
    if (head.ok()) return;
    error_ = Error{.code = Errc::bad_message, .side = Side::internal, .what = "the answer's head cannot be written"};
    aborted_ = true;  // half a head would let the body be read as fields
    client_->abort();
}

/// Time spent in Loom itself until the head left: from the whole request to its sending, less the wait for a
/// connection, and from the upstream's head to ours.
uint64_t Exchange::overhead_ns() const noexcept {
    const uint64_t whole_ns = std::max(begun_ns_, body_ns_);
    if (forwarded_ns_ == 0) return head_ns_ - std::min(whole_ns + connect_wait_ns_, head_ns_);
    uint64_t sum = answer_ns_ != 0 && head_ns_ > answer_ns_ ? head_ns_ - answer_ns_ : 0;  // it may have left before
    if (body_ns_ > begun_ns_ && admitted_ns_ > begun_ns_)
        sum += admitted_ns_ - begun_ns_;  // before the body's last bytes
    if (forwarded_ns_ > whole_ns + connect_wait_ns_) sum += forwarded_ns_ - whole_ns - connect_wait_ns_;
    return sum;
}

/// Opens the client's stream before the upstream has answered, so that nobody on the way takes the silence for death.
/// It commits the status 200: what goes wrong later is told by an event.
void Exchange::begin_stream_early() {
    if (relaying_ && relay_.holding() && !opened_early_ && !relay_.give_head()) return;
    claim_client();
    if (!answered_) {
        http::ResponseHead head;
        head.status = 200;
        head.list.add("content-type", "text/event-stream", HeaderId::content_type);
        RelayOptions options;
        options.event_stream = true;
        options.client_framing = minor_version_ == 1 ? ClientFraming::chunked : ClientFraming::until_close;
        status_ = 200;
        write_answer_head(head, options);
    }
    opened_early_ = true;
    if (relaying_) return relay_.add_comment(keepalive_comment);
    net::Sender& sender = client_->sender();
    if (minor_version_ == 1) sender.add_copy("e\r\n");
    sender.add_copy(keepalive_comment);
    if (minor_version_ == 1) sender.add_copy(http::crlf);
    sender.flush();
}

void Exchange::pause_source() noexcept {
    if (echo_ != nullptr) echo_->pause();
    if (call_ != nullptr) call_->pause();
    if (upstream_ != nullptr) upstream_->stream().pause_reading();
    services_.metrics().stream_stalls.add();
    reader_stalled_ = true;
    arm(Deadline::client_write, plan().client.write_ms);
}

void Exchange::resume_source() noexcept {
    if (call_ != nullptr) return call_->resume();
    arm(Deadline::inter_event, timeouts().inter_event_ms);
    if (upstream_ != nullptr) upstream_->stream().start_reading();
    if (echo_ != nullptr) echo_->resume();
}

/// What the attempt's deadlines were for. It may still fail, and be replaced.
void Exchange::on_content_came() noexcept {
    if (attempt_ != nullptr) attempt_->deadline_ms = 0;
    if (stream_ && status_ < 400) {
        note_latency(relay_.content_came_ns());
        learn_of_answer(relay_.content_came_ns());
    }
    if (deadline_ == Deadline::first_token) arm(Deadline::inter_event, timeouts().inter_event_ms);
}

void Exchange::on_first_content() noexcept {
    if (content_ns_ == 0) content_ns_ = services_.shard().now_ns();
    keepalive_.disarm();
    if (holds_probe(passage_, instance_passage_))  // its stream may last for minutes
        judge_candidate({.provider = route::BreakerOutcome::success,
                         .model = route::BreakerOutcome::success,
                         .instance = route::BreakerOutcome::success});
    if (races() || keeps_request()) return;
    if (draft_ != nullptr && (upstream_ == nullptr || upstream_->sender().idle())) release_request();
}

void Exchange::on_event_passed() noexcept {
    if (deadline_ == Deadline::inter_event) arm(Deadline::inter_event, timeouts().inter_event_ms);
    if (limited_ != nullptr) ClientQuota(*this).note_output();
}

/// Of a stream that was stopped, as far as it came: the one number that its client is told, and that is booked to its
/// budgets, its limits and the ledger.
llm::Usage Exchange::stop_usage() noexcept {
    llm::Usage counted = usage();
    bool is_counted = relay_.seen_counted();
    if (counted.input == 0) {
        counted.input = prompt_.tokens;
        is_counted = is_counted && prompt_.is_counted() && Booking(*this).counts_as_asked();
    }
    counted.output = std::max(counted.output, relay_.seen_tokens());
    counted.total = counted.input + counted.output;
    counted.provenance = untold_provenance(is_counted);
    return counted;
}

void Exchange::on_relay_end() noexcept {
    if (relay_.holding() && relay_.end() != Relay::End::whole) return wake();  // it is no answer
    if (relay_.end() == Relay::End::cut) return wake();
    keepalive_.disarm();
    total_deadline_ms_ = 0;  // what is left is the client's to take
    if (relay_.end() == Relay::End::whole && !stream_ && status_ < 400) note_latency(services_.shard().now_ns());
    if ((relay_.end() == Relay::End::whole || was_stopped()) && streaming_) note_throughput(services_.shard().now_ns());
    if (relay_.end() != Relay::End::whole && error_.code == Errc::ok) error_ = relay_.error();
    if (relay_.end() == Relay::End::unfinished && !relay_.shows_cut() && !answer_is_ours_) {
        aborted_ = true;
        client_->abort();
    }
    arm(Deadline::client_write, plan().client.write_ms);
    wake();
}

}  // namespace loom::proxy
