// ConverseStream: messageStart, then per block contentBlockStart (of tools alone), contentBlockDelta and
// contentBlockStop, then messageStop, then metadata with the usage, which is the last.
#include <array>

#include "bedrock.h"
#include "citation.h"

namespace loom::llm::bedrock {

namespace {

constexpr uint32_t open_calls_max = 16;  // models write one block after the other

/// What one event says, whichever it is; read whole before any of it is told.
struct Event {
    uint64_t block = 0;
    bool starts_call = false;
    bool is_server_tool = false;
    Text tool_id;
    Text tool_name;
    Text input;
    Text text;
    Text thinking;
    Text signature;
    Text redacted;
    Json citation;
    bool has_citation = false;
    std::string_view unknown;  // a member of the delta that no client's protocol has
    Text stop_reason;
    Text stop_sequence;
    Usage usage;
    Text message;
    Text original_message;
    uint64_t original_status = 0;
};

class EventReader {
  public:
    EventReader(Cursor& cursor, Arena& arena, Event& event) noexcept : cursor_(cursor), arena_(arena), event_(event) {}
    bool run() {
        return cursor_.each_member([&](Range key) { return read_member(key); }) && cursor_.at_end();
    }

  private:
    bool read_member(Range key);
    bool read_start();
    bool read_delta();
    bool read_thinking();

    Cursor& cursor_;
    Arena& arena_;
    Event& event_;
};

bool EventReader::read_member(Range key) {
    const std::string_view name = name_of(cursor_, key);
    if (name == "contentBlockIndex") return cursor_.take_count(event_.block) || cursor_.skip_value();
    if (name == "stopReason") return take_text(cursor_, event_.stop_reason);
    if (name == "message") return take_text(cursor_, event_.message);
    if (name == "originalMessage") return take_text(cursor_, event_.original_message);
    if (name == "originalStatusCode") return cursor_.take_count(event_.original_status) || cursor_.skip_value();
    if (cursor_.peek() != '{') return cursor_.skip_value();
    if (name == "start") return read_start();
    if (name == "delta") return read_delta();
    if (name == "usage") return read_usage(cursor_, event_.usage);
    if (name == "additionalModelResponseFields") return read_stop_sequence(cursor_, event_.stop_sequence);
    return cursor_.skip_value();
}

bool EventReader::read_start() {
    return cursor_.each_member([&](Range key) {
        if (name_of(cursor_, key) != "toolUse" || cursor_.peek() != '{') {
            event_.unknown = name_of(cursor_, key);
            return cursor_.skip_value();
        }
        event_.starts_call = true;
        return cursor_.each_member([&](Range inner) {
            const std::string_view name = name_of(cursor_, inner);
            if (name == "toolUseId") return take_text(cursor_, event_.tool_id);
            if (name == "name") return take_text(cursor_, event_.tool_name);
            Text type;
            if (!take_text(cursor_, type)) return false;
            event_.is_server_tool |= name == "type" && type == "server_tool_use";
            return true;
        });
    });
}

bool EventReader::read_delta() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "text") return take_text(cursor_, event_.text);
        if (cursor_.peek() == '{') {
            if (name == "reasoningContent") return read_thinking();
            if (name == "citation") {
                event_.has_citation = true;
                return read_citation(cursor_, arena_, event_.citation);
            }
            if (name == "toolUse") {
                return cursor_.each_member([&](Range inner) {
                    return name_of(cursor_, inner) == "input" ? take_text(cursor_, event_.input) : cursor_.skip_value();
                });
            }
        }
        event_.unknown = name;
        return cursor_.skip_value();
    });
}

bool EventReader::read_thinking() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "text") return take_text(cursor_, event_.thinking);
        if (name == "signature") return take_text(cursor_, event_.signature);
        return name == "redactedContent" ? take_text(cursor_, event_.redacted) : cursor_.skip_value();
    });
}

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view event, std::string_view data, Context& context, DeltaSink& sink) override;
    bool read_end(Context& context, DeltaSink& sink) override;

  private:
    using Kind = Delta::Kind;
    struct OpenCall {
        uint64_t block = 0;
        uint32_t tool = 0;
        bool has_arguments = false;
    };

    bool tell(std::string_view name, const Event& event, Context& context, DeltaSink& sink);
    bool start_block(const Event& event, Context& context, DeltaSink& sink);
    void tell_delta(const Event& event, Context& context, DeltaSink& sink);
    void stop_block(const Event& event, DeltaSink& sink);
    void tell_error(std::string_view name, int status, const Event& event, DeltaSink& sink);
    void end_when_whole(DeltaSink& sink);
    OpenCall* open_call(uint64_t block) noexcept;

    HeldCitations citations_;  // of the block that is open
    std::array<OpenCall, open_calls_max> open_{};
    uint32_t open_count_ = 0;
    uint32_t call_count_ = 0;
    bool started_ = false;
    bool finished_ = false;   // messageStop
    bool has_usage_ = false;  // metadata
    bool ended_ = false;
    bool failed_ = false;
};

bool Decoder::read(std::string_view name, std::string_view data, Context& context, DeltaSink& sink) {
    if (ended_ || failed_) return true;
    Event event;
    if (name == "error") {  // a frame of the type "error" has a text for its payload (http/event_stream.h)
        event.message = escaped(data, context.arena);
        tell_error(name, 500, event, sink);
        return true;
    }
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(data, tokens);
    if (!EventReader(cursor, context.arena, event).run()) return false;
    if (const int status = status_of(name); status != 0) {
        tell_error(name, status, event, sink);
        return true;
    }
    return tell(name, event, context, sink);
}

bool Decoder::tell(std::string_view name, const Event& event, Context& context, DeltaSink& sink) {
    if (name == "messageStart") {
        if (!started_) sink.on_delta({.kind = Kind::start});
        started_ = true;
    } else if (name == "contentBlockStart") {
        return start_block(event, context, sink);
    } else if (name == "contentBlockDelta") {
        tell_delta(event, context, sink);
    } else if (name == "contentBlockStop") {
        stop_block(event, sink);
    } else if (name == "messageStop") {
        if (finished_) return true;
        citations_.tell(sink);
        finished_ = true;
        sink.on_delta({.kind = Kind::finish,
                       .reason = finish_reason(event.stop_reason),
                       .finish_text = event.stop_reason,
                       .stop_sequence = event.stop_sequence});
        end_when_whole(sink);
    } else if (name == "metadata") {
        if (event.usage.provenance == Usage::Provenance::reported)
            sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
        has_usage_ = true;
        end_when_whole(sink);
    }
    return true;
}

bool Decoder::start_block(const Event& event, Context& context, DeltaSink& sink) {
    if (!event.unknown.empty()) context.losses.add(event.unknown);
    if (!event.starts_call) return true;
    if (event.is_server_tool) {
        context.losses.add("server_tool_use");
        return true;
    }
    if (open_count_ == open_.size() || open_call(event.block) != nullptr) return false;
    open_[open_count_++] = {.block = event.block, .tool = call_count_};
    sink.on_delta({.kind = Kind::tool_call,
                   .tool = call_count_++,
                   .tool_id = event.tool_id,
                   .tool_name = context.aliases.original_of(event.tool_name)});
    return true;
}

void Decoder::tell_delta(const Event& event, Context& context, DeltaSink& sink) {
    if (!event.unknown.empty()) context.losses.add(event.unknown);
    if (!event.text.empty()) sink.on_delta({.kind = Kind::text, .text = event.text});
    if (!event.thinking.empty()) sink.on_delta({.kind = Kind::thinking, .text = event.thinking});
    if (!event.signature.empty()) sink.on_delta({.kind = Kind::signature, .signature = event.signature});
    if (!event.redacted.empty()) sink.on_delta({.kind = Kind::redacted_thinking, .text = event.redacted});
    if (has(event.citation)) citations_.take(event.citation, sink);
    if (event.has_citation && !has(event.citation)) context.losses.add("citations");
    OpenCall* const call = event.input.empty() ? nullptr : open_call(event.block);
    if (call == nullptr) return;
    call->has_arguments = true;
    sink.on_delta({.kind = Kind::arguments, .tool = call->tool, .text = event.input});
}

void Decoder::stop_block(const Event& event, DeltaSink& sink) {
    if (OpenCall* const call = open_call(event.block); call != nullptr) {
        // A call without arguments has an empty text for them here, which is no JSON.
        if (!call->has_arguments) sink.on_delta({.kind = Kind::arguments, .tool = call->tool, .text = "{}"});
        *call = open_[--open_count_];
    }
    citations_.tell(sink);
    sink.on_delta({.kind = Kind::part_end});
}

void Decoder::tell_error(std::string_view name, int status, const Event& event, DeltaSink& sink) {
    failed_ = true;
    ErrorAnswer error{.status = status, .message = event.message, .type = name};
    if (event.original_status >= 400 && event.original_status < 600)
        error.status = static_cast<int>(event.original_status);
    if (error.message.empty()) error.message = event.original_message;
    if (error.message.empty()) error.message = "the provider's stream ended with an error";
    sink.on_delta({.kind = Kind::error, .error = &error});
}

void Decoder::end_when_whole(DeltaSink& sink) {
    if (!finished_ || !has_usage_) return;
    ended_ = true;
    sink.on_delta({.kind = Kind::end});
}

/// Some models' streams end without metadata.
bool Decoder::read_end(Context&, DeltaSink& sink) {
    has_usage_ = true;
    if (!ended_ && !failed_) end_when_whole(sink);
    return ended_;
}

Decoder::OpenCall* Decoder::open_call(uint64_t block) noexcept {
    for (uint32_t i = 0; i < open_count_; ++i)
        if (open_[i].block == block) return &open_[i];
    return nullptr;
}

}  // namespace

std::unique_ptr<StreamDecoder> make_decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::bedrock
