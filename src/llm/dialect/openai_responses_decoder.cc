#include "openai_responses.h"

#include <span>
#include <vector>

#include "usage_object.h"

namespace loom::llm::responses {

namespace {

/// Every field of an event that matters, read before anything is told of it.
struct Event {
    Text type;
    Text delta;
    Text arguments;  // of response.function_call_arguments.done
    Json logprobs;
    Json annotation;
    uint64_t output_index = 0;
    uint64_t summary_index = 0;
    ErrorAnswer error;
    bool has_error = false;
    // its item
    Item item;
    // its response
    Text id;
    Text model;
    Json created;
    Text incomplete_reason;
    Usage usage;
    bool has_usage = false;
};

class EventReader {
  public:
    EventReader(Cursor& cursor, Event& event) : cursor_(cursor), event_(event) {}

    bool read() {
        return cursor_.peek() == '{' &&
               cursor_.each_member([this](Range key) { return member(name_of(cursor_, key)); }) && cursor_.at_end();
    }

  private:
    bool member(std::string_view name) {
        if (name == "type") return take_text(cursor_, event_.type);
        if (name == "delta") return take_text(cursor_, event_.delta);
        if (name == "arguments") return take_text(cursor_, event_.arguments);
        if (name == "output_index") return cursor_.take_count(event_.output_index) || cursor_.skip_value();
        if (name == "summary_index") return cursor_.take_count(event_.summary_index) || cursor_.skip_value();
        if (name == "logprobs") return take_json(cursor_, event_.logprobs);
        if (name == "annotation") return take_json(cursor_, event_.annotation);
        if (name == "item" && cursor_.peek() == '{') return item();
        if (name == "response" && cursor_.peek() == '{') return response();
        if (name == "error" && cursor_.peek() == '{') return error();
        return error_member(name);  // a flat error event's own
    }
    bool item() {
        Item& item = event_.item;
        return cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            if (name == "type") return take_text(cursor_, item.type);
            if (name == "id") return take_text(cursor_, item.id);
            if (name == "call_id") return take_text(cursor_, item.call_id);
            if (name == "name") return take_text(cursor_, item.name);
            if (name == "arguments") return take_text(cursor_, item.arguments);
            if (name == "input") return take_text(cursor_, item.input);
            if (name == "encrypted_content") return take_text(cursor_, item.encrypted);
            if (name == "action" || name == "operation") return take_json(cursor_, item.action);
            return cursor_.skip_value();
        });
    }
    bool response() {
        return cursor_.each_member([this](Range key) {
            const std::string_view name = name_of(cursor_, key);
            if (name == "id") return take_text(cursor_, event_.id);
            if (name == "model") return take_text(cursor_, event_.model);
            if (name == "created_at") return take_number(cursor_, event_.created);
            if (name == "error" && cursor_.peek() == '{') return error();
            if (name == "incomplete_details" && cursor_.peek() == '{') return incomplete();
            if (name == "usage" && cursor_.peek() == '{')
                return read_usage_object(cursor_, event_.usage, event_.has_usage);
            return cursor_.skip_value();
        });
    }
    bool incomplete() {
        return cursor_.each_member([this](Range key) {
            return name_of(cursor_, key) == "reason" ? take_text(cursor_, event_.incomplete_reason)
                                                     : cursor_.skip_value();
        });
    }
    bool error() {
        event_.has_error = true;
        return cursor_.each_member([this](Range key) {
            const std::string_view name = name_of(cursor_, key);
            return name == "type" ? take_text(cursor_, event_.error.type) : error_member(name);
        });
    }
    bool error_member(std::string_view name) {
        if (name == "message") return take_text(cursor_, event_.error.message);
        if (name == "code") return take_text(cursor_, event_.error.code);
        if (name == "param") return take_text(cursor_, event_.error.param);
        return cursor_.skip_value();
    }

    Cursor& cursor_;
    Event& event_;
};

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view, std::string_view data, Context& context, DeltaSink& sink) override {
        if (data == "[DONE]") return true;  // of servers that speak chat elsewhere
        Tokens tokens;
        Fault fault;
        if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return false;
        Cursor cursor(data, tokens);
        Event event;
        if (!EventReader(cursor, event).read() || !has(event.type)) return false;
        if (is_over_) return true;
        return tell(event, context, sink);
    }

    bool read_end(Context&, DeltaSink&) override { return is_whole_; }

  private:
    using Kind = Delta::Kind;
    static constexpr size_t calls_max = 1024;

    struct Call {
        uint64_t output_index;
        bool is_custom = false;
        bool has_arguments = false;
        bool is_done = false;
    };
    struct Row {
        std::string_view type;
        bool (Decoder::*tell)(const Event&, Context&, DeltaSink&);
    };
    static std::span<const Row> rows();

    bool tell(const Event& event, Context& context, DeltaSink& sink) {
        for (const Row& row : rows())
            if (row.type == event.type) return (this->*row.tell)(event, context, sink);
        return true;  // what we do not know is no harm
    }

    bool created(const Event& event, Context&, DeltaSink& sink) {
        if (std::exchange(is_started_, true)) return true;
        const double seconds = value_of(event.created);
        const bool good = seconds > 0 && seconds < 1e12;
        sink.on_delta({.kind = Kind::start,
                       .id = event.id,
                       .model = event.model,
                       .created = good ? static_cast<uint64_t>(seconds) : 0,
                       .usage = event.has_usage ? &event.usage : nullptr});
        return true;
    }

    bool text(const Event& event, Context& context, DeltaSink& sink) {
        if (!has(event.delta)) return false;
        if (!event.delta.empty()) sink.on_delta({.kind = Kind::text, .text = event.delta});
        if (event.logprobs.find('{') != event.logprobs.npos)
            sink.on_delta({.kind = Kind::logprobs, .json = chat_logprobs(event.logprobs, context.arena)});
        return true;
    }
    bool refusal(const Event& event, Context&, DeltaSink& sink) {
        if (!has(event.delta)) return false;
        has_refusal_ = true;
        sink.on_delta({.kind = Kind::refusal, .text = event.delta});
        return true;
    }
    bool thinking(const Event& event, Context&, DeltaSink& sink) {
        if (!has(event.delta)) return false;
        has_thought_ = true;
        sink.on_delta({.kind = Kind::thinking, .text = event.delta});
        return true;
    }
    /// The paragraphs of a summary are parts; elsewhere thinking is one text.
    bool summary_part(const Event& event, Context&, DeltaSink& sink) {
        if (event.summary_index > 0) sink.on_delta({.kind = Kind::thinking, .text = "\\n\\n"});
        return true;
    }
    bool annotation(const Event& event, Context&, DeltaSink& sink) {
        if (has(event.annotation)) sink.on_delta({.kind = Kind::citation, .json = event.annotation});
        return true;
    }
    bool part_done(const Event&, Context&, DeltaSink& sink) {
        sink.on_delta({.kind = Kind::part_end});
        return true;
    }

    // calls

    static bool is_call(const Item& item) { return item.type == "function_call" || item.type == "custom_tool_call"; }
    static bool is_local_call(const Item& item) {
        return item.type == "local_shell_call" || item.type == "shell_call" || item.type == "apply_patch_call";
    }

    Call* find(uint64_t output_index) {
        for (size_t i = calls_.size(); i-- > 0;)
            if (calls_[i].output_index == output_index) return &calls_[i];
        return nullptr;
    }
    uint32_t index_of(const Call& call) const { return static_cast<uint32_t>(&call - calls_.data()); }

    Call* begin_call(const Event& event, Text name, Context& context, DeltaSink& sink) {
        if (calls_.size() == calls_max) return nullptr;
        const bool is_custom = event.item.type == "custom_tool_call";
        Call& call = calls_.emplace_back(Call{.output_index = event.output_index, .is_custom = is_custom});
        sink.on_delta({.kind = Kind::tool_call,
                       .tool = index_of(call),
                       .tool_id = has(event.item.call_id) ? event.item.call_id : event.item.id,
                       .tool_name = context.aliases.original_of(name)});
        if (is_custom) pass_arguments(call, R"({\"input\":\")", sink);
        return &call;
    }
    void pass_arguments(Call& call, Text text, DeltaSink& sink) {
        if (text.empty()) return;
        sink.on_delta({.kind = Kind::arguments, .tool = index_of(call), .text = text});
    }
    void pass_input(Call& call, Text text, Context& context, DeltaSink& sink) {
        if (text.empty()) return;
        call.has_arguments = true;
        pass_arguments(call, call.is_custom ? escaped(text, context.arena) : text, sink);
    }

    bool item_added(const Event& event, Context& context, DeltaSink& sink) {
        if (event.item.type == "reasoning") has_thought_ = false;
        if (!is_call(event.item) || find(event.output_index) != nullptr) return true;
        Call* const call = begin_call(event, event.item.name, context, sink);
        if (call == nullptr) return false;
        pass_input(*call, call->is_custom ? event.item.input : event.item.arguments, context, sink);
        return true;
    }
    bool arguments(const Event& event, Context& context, DeltaSink& sink) {
        Call* const call = find(event.output_index);
        if (call == nullptr || call->is_done || !has(event.delta)) return false;
        pass_input(*call, event.delta, context, sink);
        return true;
    }
    /// Some servers tell the arguments only here.
    bool arguments_done(const Event& event, Context& context, DeltaSink& sink) {
        Call* const call = find(event.output_index);
        if (call == nullptr) return true;  // the item itself tells them once more
        if (!call->has_arguments && !call->is_done) pass_input(*call, event.arguments, context, sink);
        return true;
    }
    bool call_done(const Event& event, Context& context, DeltaSink& sink) {
        Call* call = find(event.output_index);
        if (call == nullptr) call = begin_call(event, event.item.name, context, sink);
        if (call == nullptr) return false;
        if (std::exchange(call->is_done, true)) return true;
        if (!call->has_arguments)
            pass_input(*call, call->is_custom ? event.item.input : event.item.arguments, context, sink);
        if (call->is_custom) pass_arguments(*call, R"(\"})", sink);
        sink.on_delta({.kind = Kind::part_end});
        return true;
    }
    /// A shell's call comes whole: as a call of a function with its action for arguments.
    bool local_call_done(const Event& event, Context& context, DeltaSink& sink) {
        if (find(event.output_index) != nullptr) return true;
        const Text type = event.item.type;
        Call* const call = begin_call(event, type.substr(0, type.rfind("_call")), context, sink);
        if (call == nullptr) return false;
        call->is_done = true;
        const Json action = has(event.item.action) ? event.item.action : Json("{}");
        sink.on_delta({.kind = Kind::arguments, .tool = index_of(*call), .json = action});
        sink.on_delta({.kind = Kind::part_end});
        return true;
    }

    bool item_done(const Event& event, Context& context, DeltaSink& sink) {
        if (is_call(event.item)) return call_done(event, context, sink);
        if (is_local_call(event.item)) return local_call_done(event, context, sink);
        if (event.item.type == "reasoning") return reasoning_done(event, context, sink);
        if (event.item.type != "message" && has(event.item.type)) context.losses.add("output[].type");
        return true;
    }
    bool reasoning_done(const Event& event, Context& context, DeltaSink& sink) {
        const Text proof = event.item.encrypted;
        if (has(proof) && !proof.empty()) {
            if (!has_thought_) sink.on_delta({.kind = Kind::thinking, .text = ""});
            sink.on_delta({.kind = Kind::signature,
                           .signature = sealed({Seal::thinking, proof}, Protocol::openai_responses, context.arena)});
        }
        has_thought_ = false;
        sink.on_delta({.kind = Kind::part_end});
        return true;
    }

    // the end

    void end(const Event& event, FinishReason reason, DeltaSink& sink) {
        is_over_ = is_whole_ = true;
        if (event.has_usage) sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
        sink.on_delta({.kind = Kind::finish, .reason = reason, .finish_text = event.incomplete_reason});
        sink.on_delta({.kind = Kind::end});
    }
    bool completed(const Event& event, Context&, DeltaSink& sink) {
        end(event,
            !calls_.empty() ? FinishReason::tool_calls
            : has_refusal_  ? FinishReason::refusal
                            : FinishReason::stop,
            sink);
        return true;
    }
    bool incomplete(const Event& event, Context&, DeltaSink& sink) {
        const bool is_filter = event.incomplete_reason == "content_filter";
        end(event, is_filter ? FinishReason::content_filter : FinishReason::length, sink);
        return true;
    }
    bool failed(const Event& event, Context&, DeltaSink& sink) {
        is_over_ = true;
        if (event.has_usage) sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
        ErrorAnswer error = event.error;
        if (!has(error.message)) error.message = "the provider ended the response as failed";
        if (!has(error.type)) error.type = "server_error";
        sink.on_delta({.kind = Kind::error, .error = &error});
        return true;
    }

    std::vector<Call> calls_;
    bool is_started_ = false;
    bool is_over_ = false;
    bool is_whole_ = false;
    bool has_refusal_ = false;
    bool has_thought_ = false;  // of the reasoning item at hand
};

std::span<const Decoder::Row> Decoder::rows() {
    static constexpr Row table[] = {
        {"response.output_text.delta", &Decoder::text},
        {"response.function_call_arguments.delta", &Decoder::arguments},
        {"response.reasoning_summary_text.delta", &Decoder::thinking},
        {"response.reasoning_text.delta", &Decoder::thinking},
        {"response.custom_tool_call_input.delta", &Decoder::arguments},
        {"response.refusal.delta", &Decoder::refusal},
        {"response.created", &Decoder::created},
        {"response.output_item.added", &Decoder::item_added},
        {"response.output_item.done", &Decoder::item_done},
        {"response.function_call_arguments.done", &Decoder::arguments_done},
        {"response.reasoning_summary_part.added", &Decoder::summary_part},
        {"response.output_text.annotation.added", &Decoder::annotation},
        {"response.content_part.done", &Decoder::part_done},
        {"response.completed", &Decoder::completed},
        {"response.incomplete", &Decoder::incomplete},
        {"response.failed", &Decoder::failed},
        {"response.cancelled", &Decoder::failed},
        {"error", &Decoder::failed},
    };
    return table;
}

}  // namespace

std::unique_ptr<StreamDecoder> make_decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::responses
