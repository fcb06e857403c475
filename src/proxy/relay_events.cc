// What a relay does with each event: where it ends, what it says, what the client gets of it.
#include "loom/proxy/relay.h"

namespace loom::proxy {

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
        if (stops_ && !ended()) return stop(output, run);
    }
    put(output, run);
}

void Relay::stop_here(const Error& why) noexcept {
    if (ended() || stops_ || done_seen_ || error_told_ || usage_told_) return;
    const llm::Translation* const end = options_.translation != nullptr ? options_.translation : options_.shadow;
    if (end == nullptr || !end->may_stop()) return;
    stops_ = true;
    error_ = why;
}

/// The client stands behind an event, and gets the end of its stream from us.
void Relay::stop(Output& output, std::string_view run) {
    put(output, run);
    frame(output);
    give_start();
    if (options_.observer != nullptr) put_made(output, options_.observer->on_end());
    ByteBuffer made(shard_.blocks());
    (options_.translation != nullptr ? options_.translation : options_.shadow)->stop(owner_.stop_usage(), made);
    put_guarded(output, made.view());
    if (ended()) return;
    if (options_.client_framing == ClientFraming::chunked) emit(http::last_chunk, Origin::passing);
    end_with(End::stopped);
}

/// Whole events in the client's protocol.
void Relay::put_guarded(Output& output, std::string_view events) {
    if (options_.guard == nullptr) return put_made(output, events);
    changed_ = true;
    http::SseSplitter splitter;
    ByteBuffer made(shard_.blocks());
    auto step = EventGuard::Step::as_it_came;
    while (!events.empty() && step != EventGuard::Step::refused) {
        const size_t end = splitter.next_event_end(events);
        const std::string_view event = events.substr(0, end == 0 ? events.size() : end);
        events.remove_prefix(event.size());
        step = options_.guard->on_event(event, made);
        if (step == EventGuard::Step::as_it_came) made.append(event);
    }
    put_made(output, made.view());
    obey_guard(output, step);
}

/// False: the event passes as it came.
bool Relay::guard_changes(Output& output, std::string_view event, std::string_view& run) {
    if (options_.guard == nullptr) return false;
    ByteBuffer made(shard_.blocks());
    const EventGuard::Step step = options_.guard->on_event(event, made);
    if (step == EventGuard::Step::as_it_came && made.empty()) {
        obey_guard(output, step);
        return false;
    }
    changed_ = true;
    put(output, run);
    run = {};
    put_made(output, made.view());
    obey_guard(output, step);
    return true;
}

void Relay::put_guards_end(Output& output) {
    if (options_.guard == nullptr) return;
    ByteBuffer made(shard_.blocks());
    options_.guard->on_end(made);
    put_made(output, made.view());
}

void Relay::obey_guard(Output& output, EventGuard::Step step) {
    if (step == EventGuard::Step::refused) {
        frame(output);
        return fail(Error{
            .code = Errc::bad_message,
            .side = Side::upstream,
            .what =
                "an event of the upstream's stream cannot be looked through for what this route does not tell "
                "(security.pii_detection, security.exfiltration, security.content_filtering, security.strip_html)"});
    }
    if (options_.guard->blocks_answer())
        stop_here(Error{.code = Errc::forbidden,
                        .side = Side::downstream,
                        .what = "the answer holds what may not be told (security.pii_detection, "
                                "security.exfiltration, security.content_filtering): the stream was ended"});
}

/// The front of an event waits for its end: what a client gets is whole events. One that is longer than can be held
/// passes in parts, unless an observer must see it.
void Relay::hold_front(Output& output, std::string_view part) {
    if (!oversize_event_ && held_.size() + part.size() <= options_.event_bytes_max) return held_.append(part);
    if (options_.guard != nullptr) {
        // One that acts refuses what it cannot read; one that only counts stands in nobody's way.
        ByteBuffer unused(shard_.blocks());
        const EventGuard::Step step = options_.guard->on_event("data: {\n\n", unused);
        if (step == EventGuard::Step::as_it_came) options_.guard = nullptr;
    }
    if (options_.observer != nullptr || options_.translation != nullptr || options_.guard != nullptr) {
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
    options_.told = nullptr;  // nobody knows what it says
    options_.shadow = nullptr;
    options_.follower = nullptr;
    give_start();
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
    llm::EventFacts facts = stream_reader_.read(event.data, usage_);
    if (start_.counts_text()) facts.text_bytes = llm::bytes_of(stream_reader_.texts());
    if (options_.text_count != nullptr) count_texts(event.data);
    return facts;
}

void Relay::count_texts(std::string_view data) {
    for (const llm::TextField& text : stream_reader_.texts())
        if (text.range.length > 2) options_.text_count->add(data.substr(text.range.offset + 1, text.range.length - 2));
    if (stream_reader_.texts_overflowed()) options_.text_count->add_unread(data.size());
}

void Relay::note(const llm::EventFacts& facts) {
    done_seen_ |= facts.done;
    error_told_ |= facts.is_error;
    usage_told_ |= facts.usage_only;
    event_count_ += 1;
    if (options_.text_count != nullptr) options_.text_count->end_event(facts.has_content);
    if (options_.tap != nullptr) options_.tap->on_event(facts);
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
    if (cuts_at(view.facts, parsed)) return Verdict::drop;
    if (view.facts.usage_only && options_.strip_usage) return Verdict::drop;
    note_content(view.facts);
    if (options_.follower != nullptr) options_.follower->follow(parsed.event, parsed.data, view.facts);
    if (options_.shadow != nullptr && !options_.shadow->shadow(parsed.event, parsed.data)) options_.shadow = nullptr;
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
    note_content(facts);
    owner_.on_event_passed();
    put_guarded(output, made.view());
    if (ended()) return;
    // The client was not told of it yet: another source may go on, or else it is told now.
    if (facts.is_error && options_.told != nullptr)
        return fail(
            Error{.code = Errc::bad_message, .side = Side::upstream, .what = "the upstream's stream brought an error"});
    // What it said is lost to the client, which would take what is left for the whole.
    if (facts.malformed && !parsed.data.empty())
        fail(Error{.code = Errc::bad_message,
                   .side = Side::upstream,
                   .what = "an event of the upstream's stream cannot be translated"});
}

/// Does an event of a stream that passes as it came say that the rest is to come from somebody else? Then it does not
/// pass.
bool Relay::cuts_at(const llm::EventFacts& facts, const http::SseEvent& event) {
    if (options_.translation != nullptr || !may_be_cut()) return false;
    if (facts.is_error)
        cut_ = "the upstream's stream brought an error";
    else if (facts.malformed && !facts.done && !event.data.empty())
        cut_ = "an event of the upstream's stream is none";
    if (facts.is_error) options_.follower->follow(event.event, event.data, facts);  // its words, if nobody goes on
    if (!may_be_cut()) cut_ = nullptr;
    return cut_ != nullptr;
}

/// What passed before it is on its way.
void Relay::cut_there(Output& output) {
    frame(output);
    fail(Error{.code = Errc::bad_message, .side = Side::upstream, .what = std::exchange(cut_, nullptr)});
}

/// What shows, while nothing has left, that the rest is not worth having.
const char* Relay::fault_at_start(const llm::EventFacts& facts, const http::SseEvent& event) const noexcept {
    if (!start_.holding()) return nullptr;
    if (facts.is_error) return "the upstream's stream began with an error";
    if (facts.malformed && !facts.done && !event.data.empty())
        return "the upstream's stream began with what is no event";
    const bool bare_done = content_came_ns_ == 0 && facts.done && !facts.finished && options_.watch == nullptr &&
                           options_.translation == nullptr;
    return bare_done ? "the upstream's stream ended before its first content" : nullptr;
}

/// What the client's protocol owes behind the last event. False when the answer is not whole.
bool Relay::end_translation(Output& output) {
    if (done_seen_ || error_told_) return true;
    ByteBuffer made(shard_.blocks());
    const bool whole = options_.translation->end(made, usage_);
    put_guarded(output, made.view());
    return whole;
}

void Relay::put_event(Output& output, std::string_view event, std::string_view& run) {
    if (options_.translation != nullptr) return put_translated(output, event);
    llm::Edits edits;
    switch (judge(event, edits)) {
        case Verdict::pass:
            if (guard_changes(output, event, run)) return;
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
            if (cut_ != nullptr) cut_there(output);
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
        case Verdict::pass: return put_guarded(output, event.view());
        case Verdict::drop: return cut_ != nullptr ? cut_there(output) : void();
        case Verdict::edit: return put_edited(output, event.view(), edits);
        case Verdict::suspend: return suspend_at(output, event.view(), {});
    }
}

void Relay::put_edited(Output& output, std::string_view event, const llm::Edits& edits) {
    changed_ = true;
    ByteBuffer made(shard_.blocks());
    made.reserve(edits.output_bytes(event.size()));
    edits.gather(event, [&made](std::string_view piece) { made.append(piece); });
    put_guarded(output, made.view());
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

}  // namespace loom::proxy
