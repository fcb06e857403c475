#include "loom/proxy/relay.h"

#include "loom/llm/error.h"

namespace loom::proxy {
namespace {

constexpr size_t collected_tail_bytes = 16 * 1024;
constexpr size_t inflated_bytes = 16 * 1024;

}  // namespace

Relay::Relay(io::Shard& shard, net::Sender& client, llm::StreamReader& stream_reader, llm::UsageReader& usage_reader,
             RelayOwner& owner)
    : shard_(shard),
      client_(&client),
      stream_reader_(stream_reader),
      usage_reader_(usage_reader),
      owner_(owner),
      held_(shard.blocks()),
      backlog_(shard.blocks()),
      coded_(shard.blocks()),
      collected_(shard.blocks()),
      start_(shard, *this) {}

Relay::~Relay() = default;

void Relay::begin(const RelayOptions& options) {
    options_ = options;
    start_.begin(options.hold);
    if (options.frames) frames_ = http::FrameSplitter(options.event_bytes_max);
    body_.start(options.source_framing, options.source_length, Side::upstream);
    if (options.coding == http::ContentCoding::identity) return;
    inflater_ = std::make_unique<http::Inflater>();
    const auto started = inflater_->start(options.coding);
    if (!started) fail(started.error());
}

void Relay::add_head(std::string_view head, bool hold) {
    if (hold) return start_.add_head(head);
    client_->add_copy(head);
    shard_.schedule_bulk(flush_);  // with what the tick brings behind it, or alone
}

bool Relay::give_head() {
    if (!options_.event_stream) return false;
    start_.give_head(*client_);
    schedule_flush();
    return true;
}

size_t Relay::on_source_bytes(io::BufferLease lease) {
    const size_t consumed = take(lease.view(), options_.flush_interval_ms > 0 ? Origin::passing : Origin::leased);
    client_->keep(std::move(lease));
    return consumed;
}

size_t Relay::on_source_copy(std::string_view bytes) { return take(bytes, Origin::passing); }

/// Walks one read, some chunks at a time. Where nothing was changed and they are whole and hold whole events, their
/// bytes go on as they are.
size_t Relay::take(std::string_view raw, Origin origin) {
    if (ended()) return 0;  // whatever comes behind an answer belongs to none
    Output output{.origin = origin};
    std::array<std::string_view, payloads_max> payloads;
    size_t consumed = 0;
    while (consumed < raw.size() && !body_.done()) {
        const bool clean_start = body_.at_chunk_boundary() && held_.empty() && !suspended_;
        changed_ = false;
        const auto walk = body_.walk(raw.substr(consumed), payloads);
        for (size_t i = 0; i < walk.payload_count && !ended(); ++i) take_payload(output, payloads[i]);
        const std::string_view walked = raw.substr(consumed, walk.consumed);
        consumed += walk.consumed;
        if (ended()) return consumed;
        if (walk.fault.code != Errc::ok) {
            frame(output);
            fail(walk.fault);
            return raw.size();
        }
        if (clean_start && may_pass_raw()) {
            terminated_ = body_.done();
            if (options_.tap != nullptr) tap(output);
            emit(walked, origin);
            output.count = 0;
            output.bytes = 0;
        } else {
            frame(output);
        }
    }
    if (body_.done()) finish_source();
    return consumed;
}

bool Relay::may_pass_raw() const noexcept {
    const bool same_framing =
        options_.client_framing == ClientFraming::chunked && options_.source_framing == http::BodyFraming::chunked;
    // Trailers stay behind: they are fields that no list of ours has let through. And who has something to say behind
    // the last event says it before the end.
    const bool adds = options_.observer != nullptr || options_.translation != nullptr || options_.told != nullptr ||
                      options_.guard != nullptr;
    const bool own_end = body_.done() && (adds || body_.trailer_count() > 0);
    return same_framing && !changed_ && body_.at_chunk_boundary() && held_.empty() && !suspended_ && !own_end;
}

void Relay::take_payload(Output& output, std::string_view payload) {
    if (payload.empty()) return;
    payload_bytes_ += payload.size();
    if (inflater_ != nullptr) return take_inflated(output, payload);
    if (options_.event_stream) return take_events(output, payload);
    give_start();
    if (options_.read_usage) collect(payload);
    put(output, payload);
}

void Relay::take_inflated(Output& output, std::string_view coded) {
    changed_ = true;
    frame(output);
    if (unpack_waits_) return coded_.append(coded);
    unpack(output, coded);
}

/// Decodes as far as the client keeps up: a read may hold hundreds of times as many bytes as it has.
void Relay::unpack(Output& output, std::string_view coded) {
    Block block = shard_.blocks().take(inflated_bytes);
    output.origin = Origin::passing;
    for (bool more = true; more && !ended();) {
        // While the start is held, little is decoded: more makes it given (HoldTerms::bytes_max).
        if (!start_.holding() && client_->held_bytes() + backlog_.size() > options_.buffer_bytes_max) {
            unpack_waits_ = true;
            return coded_.append(coded);
        }
        const auto step = inflater_->next(coded, {block.data(), block.capacity()});
        if (!step) return fail(step.error());
        coded.remove_prefix(step->consumed);
        more = !coded.empty() || step->produced == block.capacity();
        if (step->consumed == 0 && step->produced == 0) more = false;
        const std::string_view plain(block.data(), step->produced);
        if (plain.empty()) continue;
        if (options_.event_stream) {
            take_events(output, plain);
        } else {
            give_start();
            if (options_.read_usage) collect(plain);
            put(output, plain);
        }
        frame(output);  // the block is used again
    }
}

void Relay::go_on_unpacking() {
    if (suspended_ || client_->held_bytes() > options_.buffer_bytes_max / 2) return;
    unpack_waits_ = false;
    ByteBuffer coded = std::move(coded_);
    coded_ = ByteBuffer(shard_.blocks());
    Output output{.origin = Origin::passing};
    unpack(output, coded.view());
    frame(output);
    if (!waits() && !ended()) take_end_that_waited();
}

/// The source has ended while what it had sent before still waited.
void Relay::take_end_that_waited() {
    if (!source_over_) return;
    if (error_.code == Errc::ok) return finish_source();
    on_source_end(std::exchange(error_, Error{}));
}

void Relay::put(Output& output, std::string_view bytes) {
    if (bytes.empty()) return;
    if (output.count == pieces_max) frame(output);
    output.pieces[output.count++] = bytes;
    output.bytes += bytes.size();
}

/// Bytes that are gone when the caller returns: framed on their own, at once, behind what was put before them.
void Relay::put_made(Output& output, std::string_view bytes) {
    frame(output);
    const Origin origin = std::exchange(output.origin, Origin::passing);
    put(output, bytes);
    frame(output);
    output.origin = origin;
}

void Relay::tap(const Output& output) noexcept {
    for (uint32_t i = 0; i < output.count; ++i) options_.tap->on_payload(output.pieces[i]);
}

void Relay::frame(Output& output) {
    if (output.count == 0) return;
    if (options_.tap != nullptr) tap(output);
    changed_ = true;  // what was framed by us cannot pass raw any more
    const bool chunked = options_.client_framing == ClientFraming::chunked;
    if (chunked) {
        std::array<char, http::chunk_head_bytes_max> head;
        emit({head.data(), http::write_chunk_head(head.data(), output.bytes)}, Origin::passing);
    }
    for (uint32_t i = 0; i < output.count; ++i) emit(output.pieces[i], output.origin);
    if (chunked) emit(http::crlf, Origin::passing);
    output.count = 0;
    output.bytes = 0;
}

void Relay::emit(std::string_view bytes, Origin origin) {
    if (options_.client_framing == ClientFraming::none) return;
    if (start_.holding()) {
        if (ended() || start_.add(bytes)) return;  // ended: of an answer that is none
        if (content_came_ns_ != 0) return give_start();
        return give_held();  // so many events without content are a sign of life of their own
    }
    if (origin == Origin::leased)
        client_->add_leased(bytes);
    else
        client_->add_copy(bytes);
    schedule_flush();
}

void Relay::schedule_flush() {
    const bool now = options_.flush_interval_ms == 0 || ended() || client_->held_bytes() > options_.buffer_bytes_max;
    if (now) return shard_.schedule_bulk(flush_);
    if (!flush_timer_.armed()) shard_.timers().arm(flush_timer_, options_.flush_interval_ms);
}

void Relay::on_flush_timer(io::Timer& timer) noexcept {
    Relay& relay = static_cast<FlushTimer&>(timer).relay;
    relay.shard_.schedule_bulk(relay.flush_);
}

void Relay::on_flush(io::Runnable& work) noexcept {
    Relay& relay = static_cast<Flush&>(work).relay;
    relay.client_->flush();
    if (relay.ended() || relay.source_paused_ || relay.client_->held_bytes() <= relay.options_.buffer_bytes_max) return;
    relay.source_paused_ = true;
    relay.owner_.pause_source();
}

void Relay::on_client_progress() {
    if (unpack_waits_ && !ended()) go_on_unpacking();
    if (!source_paused_ || ended() || client_->held_bytes() > options_.buffer_bytes_max / 2) return;
    source_paused_ = false;
    if (!suspended_) owner_.resume_source();
}

void Relay::on_client_failed(const Error& why) {
    if (ended()) return;
    error_ = why;
    end_with(End::client_lost);
}

/// Content may wait for more of its like; what ends an answer, and what is told of its end, waits for nothing.
void Relay::note_content(const llm::EventFacts& facts) {
    if (start_given_) return;
    const bool is_end = facts.finished || facts.done || facts.is_error;
    if (!is_end && !facts.has_content) return;
    note_came();
    if (is_end || !start_.holding() || !start_.note_content(facts)) give_start();
}

void Relay::note_came() {
    if (content_came_ns_ != 0) return;
    content_came_ns_ = shard_.now_ns();
    owner_.on_content_came();
}

void Relay::give_start() {
    if (std::exchange(start_given_, true)) return;
    note_came();
    if (start_.holding()) give_held();
    owner_.on_first_content();
}

void Relay::give_held() {
    owner_.claim_client();
    start_.give(*client_);
    schedule_flush();
}

void Relay::add_comment(std::string_view comment) {
    if (ended() || !options_.event_stream || !held_.empty() || suspended_ || oversize_event_) return;
    const bool held = start_.step_aside();  // it is for the way, not of the answer
    PayloadTap* const tap = std::exchange(options_.tap, nullptr);
    Output output{.origin = Origin::passing};
    put(output, comment);
    frame(output);
    options_.tap = tap;
    start_.step_back(held);
}

void Relay::collect(std::string_view payload) {
    if (collected_.empty() && body_.done() && inflater_ == nullptr) {
        read_usage_of(payload);
        options_.read_usage = false;
        return;
    }
    if (collected_.size() + payload.size() > collected_bytes_max) {
        if (payload.size() > collected_tail_bytes) {
            collected_.clear();
            payload.remove_prefix(payload.size() - collected_tail_bytes);
        } else if (collected_.size() > collected_tail_bytes) {
            collected_.remove_prefix(collected_.size() - collected_tail_bytes);
        }
    }
    collected_.append(payload);
}

void Relay::read_usage() {
    if (options_.read_usage && !collected_.empty()) read_usage_of(collected_.view());
    collected_.release();
}

/// An answer without usage is booked without.
void Relay::read_usage_of(std::string_view answer) {
    if (options_.watch != nullptr)
        (void)options_.watch->answer(answer, usage_);
    else
        (void)usage_reader_.read(answer, usage_);
}

void Relay::on_source_end(const Error& why) {
    if (ended()) return;
    if (waits()) {  // what came before the end goes first
        source_over_ = true;
        error_ = why;
        return;
    }
    const auto regular = why.code == Errc::closed ? body_.on_eof() : Result<void>(std::unexpected(why));
    if (!regular) return fail(regular.error());
    const bool ends_here = options_.watch != nullptr && options_.watch->end();
    if (options_.event_stream && options_.translation == nullptr && !done_seen_ && !ends_here && !holds_done()) {
        // Only the closing says that this stream has ended, and a provider that died closes just the same.
        return fail(Error{.code = Errc::closed, .side = Side::upstream, .what = "the stream ended without [DONE]"});
    }
    finish_source();
}

/// `data: [DONE]` without the blank line that would make it an event.
bool Relay::holds_done() const {
    http::SseEvent last;
    return http::parse_event(held_.view(), last, {}) && last.data == "[DONE]";
}

void Relay::finish_source() {
    source_over_ = true;
    if (waits()) return;
    if (inflater_ != nullptr) {
        const auto whole = inflater_->on_end();
        if (!whole) return fail(whole.error());
    }
    read_usage();
    Output output{.origin = Origin::passing};
    if (oversize_event_)
        put_made(output, held_.view());
    else if (!held_.empty())
        put_held_event(output, {});  // a last event without its blank line
    if (suspended_ || ended()) return;
    if (options_.translation != nullptr && options_.event_stream && !end_translation(output)) {
        return fail(Error{.code = Errc::closed,
                          .side = Side::upstream,
                          .what = "the upstream's stream ended before its answer was whole"});
    }
    if (ended()) return;
    // In order, and yet nothing says that the answer is whole.
    if (options_.translation == nullptr && may_be_cut() && !done_seen_)
        return fail(Error{.code = Errc::closed,
                          .side = Side::upstream,
                          .what = "the upstream's stream ended before its answer was whole"});
    if (start_.holding() && content_came_ns_ == 0)
        return fail(Error{.code = Errc::closed,
                          .side = Side::upstream,
                          .what = "the upstream's answer ended before its first content"});
    if (start_.holding()) give_start();
    put_guards_end(output);
    if (options_.guard != nullptr) obey_guard(output, EventGuard::Step::changed);
    if (stops_) return stop(output, {});
    if (options_.observer != nullptr) put_made(output, options_.observer->on_end());
    if (options_.client_framing == ClientFraming::chunked && !terminated_) emit(http::last_chunk, Origin::passing);
    end_with(End::whole);
}

void Relay::fail(const Error& why) {
    if (ended()) return;
    error_ = why;
    if (start_.holding()) return end_with(End::unfinished);
    if (may_be_cut() && why.side == Side::upstream) return end_with(End::cut);
    if (!options_.event_stream || oversize_event_ || options_.client_framing == ClientFraming::none)
        return end_with(End::unfinished);
    tell_broken();
    end_with(End::broken);
}

/// Is what the client has a part that another source may go on with?
bool Relay::may_be_cut() const noexcept {
    return options_.told != nullptr && options_.told->may_go_on() && start_given_ && !oversize_event_;
}

/// The client stands at the border of an event: one of ours says that no more will come.
void Relay::tell_broken() {
    held_.release();
    Output output{.origin = Origin::passing};
    put_guards_end(output);
    if (options_.observer != nullptr) put_made(output, options_.observer->on_end());
    std::array<char, llm::error_bytes_max> room;
    const bool late = error_.code == Errc::timed_out;
    const bool is_told = error_told_ && (options_.told == nullptr || options_.translation == nullptr);
    if (is_told) {  // by the upstream itself
    } else if (options_.translation != nullptr) {
        ByteBuffer made(shard_.blocks());
        options_.translation->fail(error_.what, llm::error_type::api, made);
        put_made(output, made.view());
    } else {
        const llm::ErrorBody body{.message = error_.what,
                                  .type = llm::error_type::api,
                                  .code = late ? "upstream_timeout" : "upstream_stream_broken"};
        put_made(output, llm::write_error_event(options_.client_protocol, late ? 504 : 502, room, body));
    }
    if (options_.client_framing == ClientFraming::chunked) emit(http::last_chunk, Origin::passing);
}

void Relay::end_with(End end) {
    end_ = end;
    held_.release();
    backlog_.release();
    coded_.release();
    start_.forget();
    collected_.release();
    inflater_.reset();
    flush_timer_.disarm();
    if (start_.holding())
        flush_.unlink();
    else if (end == End::whole || end == End::broken || end == End::stopped || (end == End::unfinished && shows_cut()))
        shard_.schedule_bulk(flush_);
    else
        flush_.unlink();
    owner_.on_relay_end();
}

}  // namespace loom::proxy
