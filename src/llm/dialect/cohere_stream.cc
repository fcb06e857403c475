// Cohere's stream: message-start; content-start, content-delta, content-end; tool-plan-delta; tool-call-start,
// tool-call-delta, tool-call-end; citation-start, citation-end; message-end, which is the last.
#include <array>
#include <utility>

#include "cohere.h"
#include "cohere_citation.h"

namespace loom::llm::cohere {

namespace {

constexpr uint32_t open_calls_max = 16;  // the model writes one call after the other

/// What one event says, whichever it is; read whole before any of it is told.
struct Event {
    std::string_view type;
    Text id;
    uint64_t index = 0;
    Text text;
    Text thinking;  // of the content, or of the plan
    Text tool_id;
    Text tool_name;
    Text arguments;
    Text finish_reason;
    Text error;
    CohereCitation citation;
    Usage usage;
};

class EventReader {
  public:
    EventReader(Cursor& cursor, Context& context, Event& event) noexcept
        : cursor_(cursor), context_(context), event_(event) {}
    bool run() {
        return cursor_.each_member([&](Range key) { return read_member(key); }) && cursor_.at_end();
    }

  private:
    bool read_member(Range key);
    bool read_delta();
    bool read_message();
    bool read_content();
    bool read_call();

    Cursor& cursor_;
    Context& context_;
    Event& event_;
};

bool EventReader::read_member(Range key) {
    const std::string_view name = name_of(cursor_, key);
    if (name == "type") return take_text(cursor_, event_.type);
    if (name == "id") return take_text(cursor_, event_.id);
    if (name == "index") return cursor_.take_count(event_.index) || cursor_.skip_value();
    return name == "delta" && cursor_.peek() == '{' ? read_delta() : cursor_.skip_value();
}

bool EventReader::read_delta() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "finish_reason") return take_text(cursor_, event_.finish_reason);
        if (name == "error") return take_text(cursor_, event_.error);
        if (cursor_.peek() != '{') return cursor_.skip_value();
        if (name == "usage") return read_usage(cursor_, event_.usage);
        return name == "message" ? read_message() : cursor_.skip_value();
    });
}

bool EventReader::read_message() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "tool_plan") return take_text(cursor_, event_.thinking);
        if (cursor_.peek() != '{') return cursor_.skip_value();
        if (name == "content") return read_content();
        if (name == "citations") return read_citation(cursor_, context_, event_.citation);
        return name == "tool_calls" ? read_call() : cursor_.skip_value();
    });
}

bool EventReader::read_content() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "text") return take_text(cursor_, event_.text);
        return name == "thinking" ? take_text(cursor_, event_.thinking) : cursor_.skip_value();
    });
}

bool EventReader::read_call() {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "id") return take_text(cursor_, event_.tool_id);
        if (name != "function" || cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range inner) {
            const std::string_view word = name_of(cursor_, inner);
            if (word == "name") return take_text(cursor_, event_.tool_name);
            return word == "arguments" ? take_text(cursor_, event_.arguments) : cursor_.skip_value();
        });
    });
}

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view name, std::string_view data, Context& context, DeltaSink& sink) override;
    bool read_end(Context&, DeltaSink&) override { return ended_; }

  private:
    using Kind = Delta::Kind;
    struct OpenCall {
        uint64_t index = 0;
        uint32_t tool = 0;
        bool has_arguments = false;
    };

    bool tell(const Event& event, Context& context, DeltaSink& sink);
    void tell_citation(const CohereCitation& citation, Context& context, DeltaSink& sink);
    bool start_call(const Event& event, Context& context, DeltaSink& sink);
    void tell_arguments(const Event& event, DeltaSink& sink);
    void end_call(const Event& event, DeltaSink& sink);
    void end_message(const Event& event, DeltaSink& sink);
    OpenCall* open_call(uint64_t index) noexcept;

    std::array<OpenCall, open_calls_max> open_{};
    uint32_t open_count_ = 0;
    uint32_t call_count_ = 0;
    uint64_t content_index_ = 0;
    bool content_ended_ = false;
    bool started_ = false;
    bool ended_ = false;
    bool failed_ = false;
};

bool Decoder::read(std::string_view name, std::string_view data, Context& context, DeltaSink& sink) {
    if (ended_ || failed_ || data == "[DONE]") return true;
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(data, tokens);
    Event event;
    if (!EventReader(cursor, context, event).run()) return false;
    if (event.type.empty()) event.type = name;
    return tell(event, context, sink);
}

bool Decoder::tell(const Event& event, Context& context, DeltaSink& sink) {
    const std::string_view type = event.type;
    // Citations may come behind the content that they are of (citation_options.mode "accurate"): it ends with what is
    // next.
    const bool goes_on = type == "content-end" || type.starts_with("citation-");
    if (!goes_on && std::exchange(content_ended_, false)) sink.on_delta({.kind = Kind::part_end});
    if (type == "message-start") {
        if (!started_) sink.on_delta({.kind = Kind::start, .id = event.id});
        started_ = true;
    } else if (type == "content-start" || type == "content-delta" || type == "tool-plan-delta") {
        if (type == "content-start") content_index_ = event.index;
        if (!event.thinking.empty()) sink.on_delta({.kind = Kind::thinking, .text = event.thinking});
        if (!event.text.empty()) sink.on_delta({.kind = Kind::text, .text = event.text});
    } else if (type == "content-end") {
        content_ended_ = true;
    } else if (type == "tool-call-start") {
        return start_call(event, context, sink);
    } else if (type == "tool-call-delta") {
        tell_arguments(event, sink);
    } else if (type == "tool-call-end") {
        end_call(event, sink);
    } else if (type == "citation-start") {
        tell_citation(event.citation, context, sink);
    } else if (type == "message-end") {
        end_message(event, sink);
    }
    return true;
}

/// Of a content that others have followed it has no place any more.
void Decoder::tell_citation(const CohereCitation& citation, Context& context, DeltaSink& sink) {
    if (citation.content_index && *citation.content_index != content_index_) return context.losses.add("citations");
    for (const Json annotation : annotations_of(citation, context))
        sink.on_delta({.kind = Kind::citation, .json = annotation});
}

bool Decoder::start_call(const Event& event, Context& context, DeltaSink& sink) {
    if (open_count_ == open_.size() || open_call(event.index) != nullptr) return false;
    open_[open_count_++] = {.index = event.index, .tool = call_count_};
    sink.on_delta({.kind = Kind::tool_call,
                   .tool = call_count_++,
                   .tool_id = event.tool_id,
                   .tool_name = context.aliases.original_of(event.tool_name)});
    tell_arguments(event, sink);
    return true;
}

void Decoder::tell_arguments(const Event& event, DeltaSink& sink) {
    OpenCall* const call = event.arguments.empty() ? nullptr : open_call(event.index);
    if (call == nullptr) return;
    call->has_arguments = true;
    sink.on_delta({.kind = Kind::arguments, .tool = call->tool, .text = event.arguments});
}

void Decoder::end_call(const Event& event, DeltaSink& sink) {
    if (OpenCall* const call = open_call(event.index); call != nullptr) {
        // No arguments are an empty text here, which is no JSON.
        if (!call->has_arguments) sink.on_delta({.kind = Kind::arguments, .tool = call->tool, .text = "{}"});
        *call = open_[--open_count_];
    }
    sink.on_delta({.kind = Kind::part_end});
}

void Decoder::end_message(const Event& event, DeltaSink& sink) {
    const bool reported = event.usage.provenance == Usage::Provenance::reported;
    if (!event.error.empty()) {
        if (reported) sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
        failed_ = true;
        const ErrorAnswer error{.status = 500, .message = event.error, .type = event.finish_reason};
        sink.on_delta({.kind = Kind::error, .error = &error});
        return;
    }
    ended_ = true;
    sink.on_delta(
        {.kind = Kind::finish, .reason = finish_reason(event.finish_reason), .finish_text = event.finish_reason});
    if (reported) sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
    sink.on_delta({.kind = Kind::end});
}

Decoder::OpenCall* Decoder::open_call(uint64_t index) noexcept {
    for (uint32_t i = 0; i < open_count_; ++i)
        if (open_[i].index == index) return &open_[i];
    return nullptr;
}

}  // namespace

std::unique_ptr<StreamDecoder> make_decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::cohere
