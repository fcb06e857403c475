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
      client_(client),
      stream_reader_(stream_reader),
      usage_reader_(usage_reader),
      owner_(owner),
      held_(shard.blocks()),
      backlog_(shard.blocks()),
      aside_(shard.blocks()),
      collected_(shard.blocks()) {}

Relay::~Relay() = default;

void Relay::begin(const RelayOptions& options) {
    options_ = options;
    holding_ = options.hold_bytes_max > 0;
    if (options.frames) frames_ = http::FrameSplitter(options.event_bytes_max);
    body_.start(options.source_framing, options.source_length, Side::upstream);
    if (options.coding == http::ContentCoding::identity) return;
    inflater_ = std::make_unique<http::Inflater>();
    const auto started = inflater_->start(options.coding);
    if (!started) fail(started.error());
}

void Relay::add_head(std::string_view head, bool hold) {
    holding_ = hold;
    if (hold) {
        aside_.append(head);
        start_head_bytes_ = static_cast<uint32_t>(head.size());
        return;
    }
    client_.add_copy(head);
    shard_.schedule_bulk(flush_);  // with what the tick brings behind it, or alone
}

bool Relay::give_head() {
    if (!options_.event_stream) return false;
    client_.add_copy(aside_.view().substr(0, start_head_bytes_));
    aside_.remove_prefix(std::exchange(start_head_bytes_, 0));
    schedule_flush();
    return true;
}

void Relay::give_held() {
    if (!std::exchange(holding_, false)) return;
    client_.add_copy(aside_.view());
    aside_.release();
    schedule_flush();
}

size_t Relay::on_source_bytes(io::BufferLease lease) {
    const size_t consumed = take(lease.view(), options_.flush_interval_ms > 0 ? Origin::passing : Origin::leased);
    client_.keep(std::move(lease));
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
    const bool adds = options_.observer != nullptr || options_.translation != nullptr;
    const bool own_end = body_.done() && (adds || body_.trailer_count() > 0);
    return same_framing && !changed_ && body_.at_chunk_boundary() && held_.empty() && !suspended_ && !own_end;
}

void Relay::take_payload(Output& output, std::string_view payload) {
    if (payload.empty()) return;
    payload_bytes_ += payload.size();
    if (inflater_ != nullptr) return take_inflated(output, payload);
    if (options_.event_stream) return take_events(output, payload);
    note_content();
    if (options_.read_usage) collect(payload);
    put(output, payload);
}

void Relay::take_inflated(Output& output, std::string_view coded) {
    changed_ = true;
    frame(output);
    if (unpack_waits_) return aside_.append(coded);
    unpack(output, coded);
}

/// Decodes as far as the client keeps up: a read may hold hundreds of times as many bytes as it has.
void Relay::unpack(Output& output, std::string_view coded) {
    Block block = shard_.blocks().take(inflated_bytes);
    output.origin = Origin::passing;
    for (bool more = true; more && !ended();) {
        // While the start is held, little is decoded: more makes it given (RelayOptions::hold_bytes_max).
        if (!holding_ && client_.held_bytes() + backlog_.size() > options_.buffer_bytes_max) {
            unpack_waits_ = true;
            return aside_.append(coded);
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
            note_content();
            if (options_.read_usage) collect(plain);
            put(output, plain);
        }
        frame(output);  // the block is used again
    }
}

void Relay::take_events(Output& output, std::string_view payload) {
    std::string_view run;  // neighbours that pass as they came, put as one piece
    while (!payload.empty() && !ended()) {
        if (suspended_) {
            backlog_.append(payload);
            break;
        }
        const size_t end = next_event_end(payload);
        if (frames_.fault() != nullptr) {
            frame(output);
            return fail(Error{.code = Errc::bad_message, .side = Side::upstream, .what = frames_.fault()});
        }
        if (end == 0) {
            put(output, run);
            return hold_front(output, payload);
        }
        const std::string_view event = payload.substr(0, end);
        payload.remove_prefix(end);
        if (oversize_event_) {
            oversize_event_ = false;
            put(output, event);
        } else if (!held_.empty()) {
            put_held_event(output, event);
        } else {
            put_event(output, event, run);
        }
    }
    put(output, run);
}

/// The front of an event waits for its end: what a client gets is whole events. One that is longer than can be held
/// passes in parts, unless an observer must see it.
void Relay::hold_front(Output& output, std::string_view part) {
    if (!oversize_event_ && held_.size() + part.size() <= options_.event_bytes_max) return held_.append(part);
    if (options_.observer != nullptr || options_.translation != nullptr) {
        frame(output);
        return fail(Error{.code = Errc::too_large,
                          .side = Side::upstream,
                          .what = "an event is larger than can be inspected (stream.event_max)"});
    }
    if (!held_.empty()) {
        frame(output);
        put_made(output, held_.view());
        held_.release();
    }
    oversize_event_ = true;
    note_content();
    put(output, part);
}

size_t Relay::next_event_end(std::string_view payload) noexcept {
    return options_.frames ? frames_.next_event_end(payload) : splitter_.next_event_end(payload);
}

/// False for an event without data: a comment, or nothing that is known.
bool Relay::parse(std::string_view event, http::SseEvent& parsed) {
    if (options_.frames) {
        http::EventFrame frame;
        if (!http::parse_frame(event, frame)) return false;
        parsed.event = frame.name;
        parsed.data = frame.data;
        return true;
    }
    auto read = http::parse_event(event, parsed, {});
    if (!read) {  // several data lines: they are joined in the scratch
        collected_.reserve(event.size());
        read = http::parse_event(event, parsed, {collected_.data(), collected_.capacity()});
    }
    return read && parsed.has_data;
}

llm::EventFacts Relay::read_facts(const http::SseEvent& event) {
    if (options_.watch != nullptr) return options_.watch->event(event.event, event.data, usage_);
    return stream_reader_.read(event.data, usage_);
}

void Relay::note(const llm::EventFacts& facts) {
    done_seen_ |= facts.done;
    error_told_ |= facts.is_error;
    event_count_ += 1;
}

Verdict Relay::judge(std::string_view event, llm::Edits& edits) {
    http::SseEvent parsed;
    if (!parse(event, parsed)) return Verdict::pass;
    EventView view{.bytes = event,
                   .data = parsed.data,
                   .data_offset = parsed.data_offset,
                   .data_in_place = parsed.data_in_place,
                   .facts = suspended_facts_ != nullptr ? *suspended_facts_ : read_facts(parsed)};
    suspended_facts_.reset();
    Verdict verdict = Verdict::pass;
    if (options_.observer != nullptr) verdict = options_.observer->on_event(view, edits);
    if (verdict == Verdict::suspend) {  // a watch that reads an event twice takes it for two
        suspended_facts_ = std::make_unique<llm::EventFacts>(view.facts);
        return verdict;
    }
    note(view.facts);
    if (const char* const fault = fault_at_start(view.facts, parsed); fault != nullptr) {
        fail(Error{.code = Errc::bad_message, .side = Side::upstream, .what = fault});
        return Verdict::pass;
    }
    if (view.facts.usage_only && options_.strip_usage) return Verdict::drop;
    if (view.facts.has_content || view.facts.finished || view.facts.done || view.facts.is_error) note_content();
    owner_.on_event_passed();
    return verdict;
}

/// What the client gets for an event of another protocol: nothing, or events of its own.
void Relay::put_translated(Output& output, std::string_view event) {
    changed_ = true;
    http::SseEvent parsed;
    if (!parse(event, parsed)) return;
    ByteBuffer made(shard_.blocks());
    const llm::EventFacts facts = options_.translation->event(parsed.event, parsed.data, made, usage_);
    note(facts);
    if (const char* const fault = fault_at_start(facts, parsed); fault != nullptr)
        return fail(Error{.code = Errc::bad_message, .side = Side::upstream, .what = fault});
    if (facts.has_content || facts.finished || facts.done || facts.is_error) note_content();
    owner_.on_event_passed();
    put_made(output, made.view());
    // What it said is lost to the client, which would take what is left for the whole.
    if (facts.malformed && !parsed.data.empty())
        fail(Error{.code = Errc::bad_message,
                   .side = Side::upstream,
                   .what = "an event of the upstream's stream cannot be translated"});
}

/// What shows, before the first content, that there will be none worth having.
const char* Relay::fault_at_start(const llm::EventFacts& facts, const http::SseEvent& event) const noexcept {
    if (!holding_) return nullptr;
    if (facts.is_error) return "the upstream's stream began with an error";
    if (facts.malformed && !facts.done && !event.data.empty())
        return "the upstream's stream began with what is no event";
    const bool bare_done =
        facts.done && !facts.finished && options_.watch == nullptr && options_.translation == nullptr;
    return bare_done ? "the upstream's stream ended before its first content" : nullptr;
}

/// What the client's protocol owes behind the last event. False when the answer is not whole.
bool Relay::end_translation(Output& output) {
    if (done_seen_ || error_told_) return true;
    ByteBuffer made(shard_.blocks());
    const bool whole = options_.translation->end(made, usage_);
    put_made(output, made.view());
    return whole;
}

void Relay::put_event(Output& output, std::string_view event, std::string_view& run) {
    if (options_.translation != nullptr) return put_translated(output, event);
    llm::Edits edits;
    switch (judge(event, edits)) {
        case Verdict::pass:
            if (!run.empty() && run.data() + run.size() == event.data()) {
                run = {run.data(), run.size() + event.size()};
            } else {
                put(output, run);
                run = event;
            }
            return;
        case Verdict::drop:
            changed_ = true;
            put(output, run);
            run = {};
            return;
        case Verdict::edit:
            put(output, run);
            run = {};
            put_edited(output, event, edits);
            return;
        case Verdict::suspend:
            put(output, run);
            run = {};
            suspend_at(output, event, {});
            return;
    }
}

void Relay::put_held_event(Output& output, std::string_view end) {
    held_.append(end);
    ByteBuffer event = std::move(held_);
    held_ = ByteBuffer(shard_.blocks());
    changed_ = true;
    if (options_.translation != nullptr) return put_translated(output, event.view());
    llm::Edits edits;
    switch (judge(event.view(), edits)) {
        case Verdict::pass: return put_made(output, event.view());
        case Verdict::drop: return;
        case Verdict::edit: return put_edited(output, event.view(), edits);
        case Verdict::suspend: return suspend_at(output, event.view(), {});
    }
}

void Relay::put_edited(Output& output, std::string_view event, const llm::Edits& edits) {
    changed_ = true;
    ByteBuffer made(shard_.blocks());
    made.reserve(edits.output_bytes(event.size()));
    edits.gather(event, [&made](std::string_view piece) { made.append(piece); });
    put_made(output, made.view());
}

void Relay::suspend_at(Output& output, std::string_view event, std::string_view rest) {
    changed_ = true;
    frame(output);
    suspended_ = true;
    backlog_.append(event);
    backlog_.append(rest);
    owner_.pause_source();
}

void Relay::resume() {
    if (!suspended_ || ended()) return;
    suspended_ = false;
    ByteBuffer waiting = std::move(backlog_);
    backlog_ = ByteBuffer(shard_.blocks());
    Output output{.origin = Origin::passing};
    splitter_.reset();
    take_events(output, waiting.view());
    frame(output);
    if (suspended_ || ended()) return;
    if (!source_over_ && !source_paused_) owner_.resume_source();
    if (unpack_waits_) return go_on_unpacking();
    take_end_that_waited();
}

void Relay::go_on_unpacking() {
    if (suspended_ || client_.held_bytes() > options_.buffer_bytes_max / 2) return;
    unpack_waits_ = false;
    ByteBuffer coded = std::move(aside_);
    aside_ = ByteBuffer(shard_.blocks());
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

void Relay::frame(Output& output) {
    if (output.count == 0) return;
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
    if (holding_) {
        if (ended()) return;  // of an answer that is none
        aside_.append(bytes);
        // So many events without content are a sign of life of their own.
        if (aside_.size() > options_.hold_bytes_max) give_held();
        return;
    }
    if (origin == Origin::leased)
        client_.add_leased(bytes);
    else
        client_.add_copy(bytes);
    schedule_flush();
}

void Relay::schedule_flush() {
    const bool now = options_.flush_interval_ms == 0 || ended() || client_.held_bytes() > options_.buffer_bytes_max;
    if (now) return shard_.schedule_bulk(flush_);
    if (!flush_timer_.armed()) shard_.timers().arm(flush_timer_, options_.flush_interval_ms);
}

void Relay::on_flush_timer(io::Timer& timer) noexcept {
    Relay& relay = static_cast<FlushTimer&>(timer).relay;
    relay.shard_.schedule_bulk(relay.flush_);
}

void Relay::on_flush(io::Runnable& work) noexcept {
    Relay& relay = static_cast<Flush&>(work).relay;
    relay.client_.flush();
    if (relay.ended() || relay.source_paused_ || relay.client_.held_bytes() <= relay.options_.buffer_bytes_max) return;
    relay.source_paused_ = true;
    relay.owner_.pause_source();
}

void Relay::on_client_progress() {
    if (unpack_waits_ && !ended()) go_on_unpacking();
    if (!source_paused_ || ended() || client_.held_bytes() > options_.buffer_bytes_max / 2) return;
    source_paused_ = false;
    if (!suspended_) owner_.resume_source();
}

void Relay::on_client_failed(const Error& why) {
    if (ended()) return;
    error_ = why;
    end_with(End::client_lost);
}

void Relay::note_content() {
    if (content_seen_) return;
    content_seen_ = true;
    give_held();
    owner_.on_first_content();
}

void Relay::add_comment(std::string_view comment) {
    if (ended() || !options_.event_stream || !held_.empty() || suspended_ || oversize_event_) return;
    const bool held = std::exchange(holding_, false);  // it is for the way, not of the answer
    Output output{.origin = Origin::passing};
    put(output, comment);
    frame(output);
    holding_ = held;
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
    if (holding_)
        return fail(Error{.code = Errc::closed,
                          .side = Side::upstream,
                          .what = "the upstream's answer ended before its first content"});
    give_held();
    if (options_.observer != nullptr) put_made(output, options_.observer->on_end());
    if (options_.client_framing == ClientFraming::chunked && !terminated_) emit(http::last_chunk, Origin::passing);
    end_with(End::whole);
}

void Relay::fail(const Error& why) {
    if (ended()) return;
    error_ = why;
    if (holding_) return end_with(End::unfinished);
    if (!options_.event_stream || oversize_event_ || options_.client_framing == ClientFraming::none)
        return end_with(End::unfinished);
    tell_broken();
    end_with(End::broken);
}

/// The client stands at the border of an event: one of ours says that no more will come.
void Relay::tell_broken() {
    held_.release();
    Output output{.origin = Origin::passing};
    if (options_.observer != nullptr) put_made(output, options_.observer->on_end());
    std::array<char, llm::error_bytes_max> room;
    const bool late = error_.code == Errc::timed_out;
    if (error_told_) {  // by the upstream itself
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
    aside_.release();
    collected_.release();
    inflater_.reset();
    flush_timer_.disarm();
    if (holding_)
        flush_.unlink();
    else if (end == End::whole || end == End::broken || (end == End::unfinished && shows_cut()))
        shard_.schedule_bulk(flush_);
    else
        flush_.unlink();
    owner_.on_relay_end();
}

}  // namespace loom::proxy
