#include "openai_completions.h"

#include <string>
#include <vector>

#include "json_out.h"

namespace loom::llm::completions {

namespace {

std::string_view finish_word(FinishReason reason) noexcept {
    switch (reason) {
        case FinishReason::length: return "length";
        case FinishReason::content_filter:
        case FinishReason::refusal: return "content_filter";
        default: return "stop";
    }
}

Text id_or_fallback(Text id, Context& context) {
    constexpr size_t id_bytes_max = 128;
    const bool good = has(id) && !id.empty() && id.size() <= id_bytes_max;
    return good ? id : escaped(context.terms.fallback_id, context.arena);
}

void open_document(JsonOut& json, Text id, uint64_t created, Context& context) {
    json.open_object();
    json.member("id", id);
    json.member("object", "text_completion");
    json.member_number("created", created);
    json.member_string("model", context.terms.client_model);
    json.key("choices");
    json.open_array();
}

void write_usage(JsonOut& json, const Usage& usage) {
    json.key("usage");
    json.open_object();
    json.member_number("prompt_tokens", usage.input);
    json.member_number("completion_tokens", usage.output);
    json.member_number("total_tokens", usage.total != 0 ? usage.total : usage.input + usage.output);
    json.key("prompt_tokens_details");
    json.open_object();
    json.member_number("cached_tokens", usage.cached_input);
    json.close_object();
    json.key("completion_tokens_details");
    json.open_object();
    json.member_number("reasoning_tokens", usage.reasoning);
    json.close_object();
    json.close_object();
}

void write_choice(JsonOut& json, uint32_t index, Text text, FinishReason reason) {
    json.open_object();
    json.member("text", text);
    json.member_number("index", index);
    json.member_null("logprobs");
    if (reason == FinishReason::none) {
        json.member_null("finish_reason");
    } else {
        json.member("finish_reason", finish_word(reason));
    }
    json.close_object();
}

/// What the model said, a refusal too; what it thought has no place, nor has a call that nobody asked for.
Text text_of(const Choice& choice, Context& context) {
    ArenaList<Part> texts;
    for (const Part& part : choice.parts) {
        const bool is_text = part.kind == Part::Kind::text || part.kind == Part::Kind::refusal;
        if (is_text) texts.add(context.arena, {.text = part.text});
        if (has(part.citations)) context.losses.add("citations");
        if (part.kind == Part::Kind::tool_call) context.losses.add("tool_calls");
        if (part.kind == Part::Kind::thinking) context.losses.add("reasoning_content");
    }
    const Text text = joined_text(texts, "", context.arena);
    return has(text) ? text : Text("");
}

class Encoder final : public StreamEncoder {
  public:
    void write(const Delta& delta, Context& context, ByteBuffer& out) override {
        using Kind = Delta::Kind;
        if (is_over_) return;
        if (delta.kind == Kind::error) return write_error(delta, context, out);
        if (delta.usage != nullptr) usage_ = *delta.usage;
        switch (delta.kind) {
            case Kind::start: return start(delta.id, delta.created, context);
            case Kind::text:
            case Kind::refusal:
                if (!delta.text.empty()) write_chunk(delta.choice, delta.text, FinishReason::none, context, out);
                return;
            case Kind::thinking: return context.losses.add("reasoning_content");
            case Kind::tool_call: return context.losses.add("tool_calls");
            case Kind::citation: return context.losses.add("citations");
            case Kind::image: return context.losses.add("inlineData");
            case Kind::finish: return finish(delta, context, out);
            case Kind::end: return end(context, out);
            default: return;
        }
    }

  private:
    static constexpr uint32_t choices_max = 128;

    void start(Text id, uint64_t created, Context& context) {
        if (!id_.empty()) return;
        id_ = id_or_fallback(id, context);
        created_ = created != 0 ? created : context.terms.created;
    }
    void write_chunk(uint32_t choice, Text text, FinishReason reason, Context& context, ByteBuffer& out) {
        start({}, 0, context);
        out.append("data: ");
        JsonOut json(out);
        open_document(json, id_, created_, context);
        write_choice(json, choice, text, reason);
        json.close_array();
        if (context.terms.include_usage) json.member_null("usage");
        json.close_object();
        out.append("\n\n");
    }
    void finish(const Delta& delta, Context& context, ByteBuffer& out) {
        if (delta.choice >= choices_max) return;
        if (finished_.size() <= delta.choice) finished_.resize(delta.choice + 1);
        if (finished_[delta.choice]) return;
        finished_[delta.choice] = true;
        const FinishReason reason = delta.reason == FinishReason::none ? FinishReason::stop : delta.reason;
        write_chunk(delta.choice, "", reason, context, out);
    }
    void end(Context& context, ByteBuffer& out) {
        if (finished_.empty()) finish({.reason = FinishReason::stop}, context, out);
        is_over_ = true;
        if (context.terms.include_usage && usage_.provenance != Usage::Provenance::none) {
            out.append("data: ");
            JsonOut json(out);
            open_document(json, id_, created_, context);
            json.close_array();
            write_usage(json, usage_);
            json.close_object();
            out.append("\n\n");
        }
        out.append("data: [DONE]\n\n");
    }
    void write_error(const Delta& delta, Context& context, ByteBuffer& out) {
        is_over_ = true;
        static const ErrorAnswer unsaid{.message = "the stream broke", .type = "api_error"};
        out.append("data: ");
        openai_completions_dialect().write_error(delta.error != nullptr ? *delta.error : unsaid, context, out);
        out.append("\n\n");
    }

    std::string id_;
    uint64_t created_ = 0;
    Usage usage_;
    std::vector<bool> finished_;  // of each choice
    bool is_over_ = false;
};

}  // namespace

void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) {
    JsonOut json(out);
    open_document(json, id_or_fallback(answer.id, context),
                  answer.created != 0 ? answer.created : context.terms.created, context);
    for (const Choice& choice : answer.choices) {
        const FinishReason reason = choice.finish == FinishReason::none ? FinishReason::stop : choice.finish;
        write_choice(json, choice.index, text_of(choice, context), reason);
    }
    json.close_array();
    if (answer.usage.provenance != Usage::Provenance::none) write_usage(json, answer.usage);
    json.close_object();
}

std::unique_ptr<StreamEncoder> make_encoder() { return std::make_unique<Encoder>(); }

}  // namespace loom::llm::completions
