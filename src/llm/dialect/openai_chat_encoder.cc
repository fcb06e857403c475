#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "openai_chat.h"

namespace loom::llm::openai_chat {

namespace {

using Kind = Delta::Kind;

constexpr uint32_t choices_max = 128;
constexpr uint32_t calls_max = 256;
constexpr size_t id_bytes_max = 256;

class Encoder final : public StreamEncoder {
  public:
    void write(const Delta& delta, Context& context, ByteBuffer& out) override {
        if (ended_) return;
        switch (delta.kind) {
            case Kind::start: return start(delta);
            case Kind::usage: return note_usage(delta);
            case Kind::error: return write_error_event(delta, out);
            case Kind::end: return write_end(context, out);
            case Kind::part_end: return end_part(delta.choice);
            case Kind::ping: return;
            default: break;
        }
        note_usage(delta);
        if (delta.choice >= choices_max) return context.losses.add("n");
        if (delta.choice >= choices_.size()) choices_.resize(delta.choice + 1);
        if (choices_[delta.choice].finished) return;
        write_choice(delta, context, out);
    }

  private:
    struct ChoiceState {
        bool begun = false;  // its role was said
        bool finished = false;
        bool refused = false;
        uint32_t call_count = 0;
        Span part;  // of its content: the part that grows at its end
    };
    struct Call {
        uint32_t choice;
        uint32_t tool;
        bool has_arguments;
    };

    void start(const Delta& delta) {
        if (delta.id.size() <= id_bytes_max) id_ = delta.id;  // else ours: a cut could split an escape
        created_ = delta.created;
        note_usage(delta);
    }
    void note_usage(const Delta& delta) {
        if (delta.usage != nullptr) usage_ = *delta.usage;
    }

    void end_part(uint32_t choice) {
        if (choice < choices_.size()) choices_[choice].part.begin = choices_[choice].part.end;
    }

    // events
    void open_event(Context& context, JsonOut& json) {
        const TranslateTerms& terms = context.terms;
        json.out().append("data: ");
        json.open_object();
        json.key("id");
        id_.empty() ? json.string(terms.fallback_id) : json.text(id_);
        json.member_string("object", "chat.completion.chunk");
        json.member_number("created", created_ != 0 ? created_ : terms.created);
        json.member_string("model", terms.client_model);
        json.key("choices");
        json.open_array();
    }
    void close_event(Context& context, JsonOut& json) {
        json.close_array();
        if (context.terms.include_usage) json.member_null("usage");
        json.close_object();
        json.out().append("\n\n");
    }
    void open_delta(uint32_t choice, Context& context, JsonOut& json) {
        open_event(context, json);
        json.open_object();
        json.member_number("index", choice);
        json.key("delta");
        json.open_object();
        if (!std::exchange(choices_[choice].begun, true)) json.member_string("role", "assistant");
    }
    void close_delta(Context& context, JsonOut& json, Json logprobs = {}, std::string_view finish = {}) {
        json.close_object();
        json.key("logprobs");
        has(logprobs) ? json.json(logprobs) : json.null();
        json.key("finish_reason");
        finish.empty() ? json.null() : json.string(finish);
        json.close_object();
        close_event(context, json);
    }

    void write_choice(const Delta& delta, Context& context, ByteBuffer& out) {
        JsonOut json(out);
        switch (delta.kind) {
            case Kind::text:
                choices_[delta.choice].part.end += code_points(delta.text);
                return write_text("content", delta, context, json);
            case Kind::refusal:
                choices_[delta.choice].refused = true;
                return write_text("refusal", delta, context, json);
            case Kind::thinking: return write_thought(delta, context, json);
            case Kind::signature:
                return write_block({.kind = Part::Kind::thinking, .text = "", .signature = delta.signature}, delta,
                                   context, json);
            case Kind::redacted_thinking:
                return write_block({.kind = Part::Kind::redacted_thinking, .text = delta.text}, delta, context, json);
            case Kind::tool_call: return write_call(delta, context, json);
            case Kind::arguments: return write_arguments_piece(delta, context, json);
            case Kind::citation: return write_citation(delta, context, out);
            case Kind::image: return write_image(delta, context, json);
            case Kind::logprobs: open_delta(delta.choice, context, json); return close_delta(context, json, delta.json);
            case Kind::finish: return write_finish(delta.choice, delta.reason, context, out);
            default: return;
        }
    }
    void write_text(std::string_view name, const Delta& delta, Context& context, JsonOut& json) {
        if (delta.text.empty()) return;
        open_delta(delta.choice, context, json);
        json.member(name, delta.text);
        close_delta(context, json);
    }
    void write_thought(const Delta& delta, Context& context, JsonOut& json) {
        write_text("reasoning_content", delta, context, json);
        if (!has(delta.signature)) return;
        JsonOut second(json.out());
        write_block({.kind = Part::Kind::thinking, .text = "", .signature = delta.signature}, delta, context, second);
    }
    /// The text of a block was told as `reasoning_content`: here is what proves it.
    void write_block(const Part& block, const Delta& delta, Context& context, JsonOut& json) {
        open_delta(delta.choice, context, json);
        json.key("thinking_blocks");
        json.open_array();
        write_thinking_block(block, json);
        json.close_array();
        close_delta(context, json);
    }
    /// As in a whole answer.
    void write_image(const Delta& delta, Context& context, JsonOut& json) {
        open_delta(delta.choice, context, json);
        json.key("images");
        json.open_array();
        write_image_url(*delta.media, json);
        json.close_array();
        close_delta(context, json);
    }
    void write_citation(const Delta& delta, Context& context, ByteBuffer& out) {
        const size_t before = out.size();
        const bool begun = choices_[delta.choice].begun;
        JsonOut json(out);
        open_delta(delta.choice, context, json);
        json.key("annotations");
        json.open_array();
        const bool is_written = write_annotation(delta.json, choices_[delta.choice].part, context, json);
        json.close_array();
        close_delta(context, json);
        if (is_written) return;
        out.resize(before);
        choices_[delta.choice].begun = begun;
        context.losses.add("citations");
    }

    // calls
    void write_call(const Delta& delta, Context& context, JsonOut& json) {
        if (calls_.size() == calls_max) return context.losses.add("tool_calls");
        calls_.push_back({delta.choice, delta.tool, false});
        choices_[delta.choice].call_count += 1;
        open_delta(delta.choice, context, json);
        if (context.aliases.legacy_functions) {
            if (delta.tool > 0) context.losses.add("tool_calls");  // there is room for one
            json.key("function_call");
            write_function(delta.tool_name, json);
        } else {
            open_call(delta.tool, json);
            json.member("id", delta.tool_id);
            json.member_string("type", "function");
            json.key("function");
            write_function(delta.tool_name, json);
            write_extra_content(delta.signature, json);
            close_call(json);
        }
        close_delta(context, json);
    }
    void write_function(Text name, JsonOut& json) {
        json.open_object();
        json.key("name");
        json.text(name);
        json.member_string("arguments", "");
        json.close_object();
    }
    void open_call(uint32_t tool, JsonOut& json) {
        json.key("tool_calls");
        json.open_array();
        json.open_object();
        json.member_number("index", tool);
    }
    void close_call(JsonOut& json) {
        json.close_object();
        json.close_array();
    }
    void write_arguments_piece(const Delta& delta, Context& context, JsonOut& json) {
        const auto call = std::ranges::find_if(
            calls_, [&](const Call& one) { return one.choice == delta.choice && one.tool == delta.tool; });
        if (call == calls_.end() || (delta.text.empty() && delta.json.empty())) return;
        call->has_arguments |= !is_blank(delta.text) || !delta.json.empty();
        const bool legacy = context.aliases.legacy_functions;
        if (legacy && delta.tool > 0) return;
        open_delta(delta.choice, context, json);
        if (!legacy) open_call(delta.tool, json);
        json.key(legacy ? "function_call" : "function");
        json.open_object();
        json.key("arguments");
        delta.json.empty() ? json.text(delta.text) : json.string(delta.json);
        json.close_object();
        if (!legacy) close_call(json);
        close_delta(context, json);
    }
    /// A call without arguments has an empty object of them: "" is no JSON.
    void complete_arguments(uint32_t choice, Context& context, ByteBuffer& out) {
        for (const Call& call : calls_) {
            if (call.choice != choice || call.has_arguments) continue;
            JsonOut json(out);
            write_arguments_piece({.choice = choice, .tool = call.tool, .text = "{}"}, context, json);
        }
    }

    // ends
    void write_finish(uint32_t choice, FinishReason reason, Context& context, ByteBuffer& out) {
        complete_arguments(choice, context, out);
        ChoiceState& state = choices_[choice];
        state.finished = true;
        const bool has_calls = state.call_count > 0;
        std::string_view word = finish_word(reason, has_calls, state.refused);
        if (word == "tool_calls" && context.aliases.legacy_functions) word = "function_call";
        JsonOut json(out);
        open_delta(choice, context, json);
        close_delta(context, json, {}, word);
    }
    void write_end(Context& context, ByteBuffer& out) {
        if (choices_.empty()) choices_.resize(1);
        for (uint32_t i = 0; i < choices_.size(); ++i)
            if (!choices_[i].finished) write_finish(i, FinishReason::none, context, out);
        if (context.terms.include_usage && usage_.provenance != Usage::Provenance::none)
            write_usage_event(context, out);
        out.append("data: [DONE]\n\n");
        ended_ = true;
    }
    void write_usage_event(Context& context, ByteBuffer& out) {
        JsonOut json(out);
        open_event(context, json);
        json.close_array();
        write_usage(usage_, json);
        json.close_object();
        out.append("\n\n");
    }
    /// Without `[DONE]`: the answer is not whole.
    void write_error_event(const Delta& delta, ByteBuffer& out) {
        ended_ = true;
        const ErrorAnswer unknown{.message = "the upstream reported an error"};
        out.append("data: ");
        write_error(delta.error != nullptr ? *delta.error : unknown, out);
        out.append("\n\n");
    }

    std::string id_;
    uint64_t created_ = 0;
    Usage usage_;
    std::vector<ChoiceState> choices_;
    std::vector<Call> calls_;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<StreamEncoder> encoder() { return std::make_unique<Encoder>(); }

}  // namespace loom::llm::openai_chat
