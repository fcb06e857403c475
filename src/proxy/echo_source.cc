#include "echo_source.h"

#include "cache_visit.h"
#include "client_connection.h"
#include "exchange.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr int events_per_burst = 16;  // unpaced: a quantum, so that one stream does not hold the shard

}  // namespace

EchoSource::EchoSource(Exchange& exchange) : exchange_(exchange), hold_(exchange.services_.bodies()) {}

/// The texts that were embedded, the answer, and its copy on the way out.
Result<void> EchoSource::hold_whole() {
    if (hold_.hold(exchange_.body_.size() + 2 * text_.capacity())) return {};
    hold_.let_go();
    return fail(Errc::exhausted, Side::internal,
                "too many bodies are held here at once (limit.bodies_in_memory); try again");
}

Result<void> EchoSource::start(io::Shard& shard) {
    shard_ = &shard;
    const llm::Request& request = exchange_.draft_->request;
    streams_ = request.stream;
    const auto created = static_cast<int64_t>(exchange_.begun_wall_us_ / 1'000'000);
    const auto id = exchange_.services_.new_request_id();
    llm::Endpoint endpoint = exchange_.endpoint_;
    if (const auto& made = exchange_.translated_; made != nullptr) endpoint = made->endpoint();
    const auto started = answer_.start(endpoint, request, exchange_.document(), {id.data(), 24}, created);
    if (!started) return started;
    exchange_.forwarded_ns_ = shard.read_clock_ns();
    if (!streams_) {
        answer_.whole(text_);
        LOOM_TRY(hold_whole());
    }
    shard.timers().arm(pace_, exchange_.provider_->delay_ms);
    if (exchange_.provider_->delay_ms > 0) return {};
    pace_.disarm();
    shard.schedule_bulk(burst_);
    return {};
}

void EchoSource::on_pace(io::Timer& timer) noexcept {
    EchoSource& source = static_cast<Pace&>(timer).source;
    source.shard_->schedule_bulk(source.burst_);
}

void EchoSource::on_burst(io::Runnable& work) noexcept {
    EchoSource& source = static_cast<Burst&>(work).source;
    if (source.step_ == Step::events) return source.next_events();
    source.exchange_.answer_ns_ = source.shard_->now_ns();
    source.exchange_.answer_ = Exchange::AnswerState::ready;
    source.exchange_.wake();
}

void EchoSource::begin() {
    step_ = Step::events;
    if (streams_) return next_events();
    exchange_.relay_.on_source_copy(text_);
}

void EchoSource::resume() {
    if (!std::exchange(paused_, false) || step_ != Step::events) return;
    if (!pace_.armed()) shard_->schedule_bulk(burst_);
}

void EchoSource::next_events() {
    const uint64_t interval_ms = exchange_.provider_->token_interval_ms;
    const int burst = interval_ms > 0 ? 1 : events_per_burst;
    Relay& relay = exchange_.relay_;
    for (int i = 0; i < burst && !paused_ && !relay.ended(); ++i) {
        text_.clear();
        if (!answer_.next_event(text_)) {
            relay.on_source_end(Error{.code = Errc::closed, .side = Side::upstream});
            return;
        }
        relay.on_source_copy(text_);
    }
    if (paused_ || relay.ended()) return;
    if (interval_ms > 0)
        shard_->timers().arm(pace_, interval_ms);
    else
        shard_->schedule_next_tick(burst_);
}

void Exchange::begin_made_relay() {
    http::ResponseHead head;
    head.status = 200;
    RelayOptions options;
    options.source_framing = http::BodyFraming::until_close;
    options.event_stream = echo_->streams();
    options.strip_usage = false;
    if (echo_->streams()) {
        head.list.add("content-type", "text/event-stream; charset=utf-8", http::HeaderId::content_type);
        head.list.add("cache-control", "no-cache", http::HeaderId::cache_control);
        options.client_framing = minor_version_ == 1 ? ClientFraming::chunked : ClientFraming::until_close;
    } else {
        head.list.add("content-type", "application/json", http::HeaderId::content_type);
        head.content_length = echo_->whole().size();
        options.client_framing = ClientFraming::length;
        options.source_framing = http::BodyFraming::length;
        options.source_length = head.content_length;
        options.read_usage = true;
    }
    watch_stream(options);
    status_ = 200;
    if (!answered_) write_answer_head(head, options);
    if (cache_ != nullptr) cache_->watch(options, head);
    start_relay(options);
    echo_->begin();
}

}  // namespace loom::proxy
