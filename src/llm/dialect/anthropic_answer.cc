#include "anthropic_blocks.h"
#include "anthropic_content.h"
#include "anthropic_usage.h"

namespace loom::llm::anthropic {

namespace {

struct StopRow {
    std::string_view name;
    FinishReason reason;
};

/// Both ways: for a reason that several names have, the first is told.
constexpr StopRow stop_rows[] = {
    {"end_turn", FinishReason::stop},
    {"max_tokens", FinishReason::length},
    {"stop_sequence", FinishReason::stop_sequence},
    {"tool_use", FinishReason::tool_calls},
    {"pause_turn", FinishReason::pause},
    {"refusal", FinishReason::refusal},
    {"refusal", FinishReason::content_filter},
    {"model_context_window_exceeded", FinishReason::length},
};

class AnswerReader {
  public:
    AnswerReader(std::string_view body, Tokens tokens, Context& context, ChatAnswer& answer) noexcept
        : cursor_(body, tokens), context_(context), answer_(answer) {}

    [[nodiscard]] bool run() {
        if (!cursor_.each_member([&](Range key) { return read_member(name_of(cursor_, key)); })) return false;
        if (!cursor_.at_end()) return cursor_.fail_here("something follows the document");
        if (!content_seen_) return cursor_.fail_at(0, "the answer has no content");
        choice_.finish = finish_reason_of(choice_.finish_text);
        answer_.choices.add(context_.arena, choice_);
        answer_.usage = counts_.usage();
        answer_.service_tier = read_tier(counts_.service_tier());
        return true;
    }
    [[nodiscard]] const Fault& fault() const noexcept { return cursor_.fault(); }

  private:
    bool read_member(std::string_view name) {
        if (name == "id") return take_text(cursor_, answer_.id);
        if (name == "model") return take_text(cursor_, answer_.model);
        if (name == "stop_reason") return take_text(cursor_, choice_.finish_text);
        if (name == "stop_sequence") return take_text(cursor_, choice_.stop_sequence);
        if (name == "usage") return counts_.read(cursor_);
        if (name != "content") return cursor_.skip_value();
        content_seen_ = true;
        choice_.parts = {};
        return BlockReader(cursor_, context_).read_blocks(choice_.parts);
    }

    Cursor cursor_;
    Context& context_;
    ChatAnswer& answer_;
    Choice choice_;
    Counts counts_;
    bool content_seen_ = false;
};

/// Returns how many calls there are.
uint32_t write_content(const Choice& choice, Context& context, JsonOut& json) {
    uint32_t call_count = 0;
    json.key("content");
    json.open_array();
    for (const Part& part : choice.parts) {
        switch (part.kind) {
            case Part::Kind::text:
            case Part::Kind::refusal:
                if (part.text.empty()) break;
                if (part.thought) {
                    write_thinking_block(part, json);
                } else {
                    write_cited_text(part, context, json);
                }
                break;
            case Part::Kind::thinking: write_thinking_block(part, json); break;
            case Part::Kind::redacted_thinking: write_redacted_block(part, json); break;
            case Part::Kind::tool_call:
                write_tool_use_block(part, call_id(part.tool_id, call_count, context), part.tool_name, context, json);
                call_count += 1;
                break;
            default: context.losses.add("content"); break;  // an answer of Anthropic's is text
        }
    }
    json.close_array();
    return call_count;
}

}  // namespace

FinishReason finish_reason_of(Text stop_reason) noexcept {
    if (stop_reason.empty()) return FinishReason::none;
    for (const StopRow& row : stop_rows)
        if (row.name == stop_reason) return row.reason;
    return FinishReason::other;
}

std::string_view stop_reason_of(FinishReason reason, Text text, bool tool_called) noexcept {
    const bool is_vague = reason == FinishReason::none || reason == FinishReason::stop || reason == FinishReason::other;
    if (tool_called && is_vague) return "tool_use";
    for (const StopRow& row : stop_rows)
        if (row.reason == reason && row.name == text) return row.name;
    for (const StopRow& row : stop_rows)
        if (row.reason == reason) return row.name;
    return "end_turn";
}

Text read_tier(Text tier) noexcept { return tier == "standard" ? Text("default") : tier; }
Text write_tier(Text tier) noexcept {
    if (tier == "default") return "standard";
    return tier == "priority" || tier == "batch" ? tier : Text();  // Anthropic's clients know no others
}

Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) {
    Tokens tokens;
    Fault fault;
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        AnswerReader reader(body, tokens, context, answer);
        if (reader.run()) return {};
        fault = reader.fault();
    }
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, Side::upstream, fault.what);
}

void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) {
    const TranslateTerms& terms = context.terms;
    static constexpr Choice nothing{};
    const Choice& choice = answer.choices.empty() ? nothing : answer.choices.front();
    if (answer.choices.count() > 1) context.losses.add("n");
    JsonOut json(out);
    json.open_object();
    if (answer.id.empty()) {
        json.member_string("id", terms.fallback_id);
    } else {
        json.member("id", answer.id);
    }
    json.member("type", "message");
    json.member("role", "assistant");
    if (terms.client_model.empty()) {
        json.member("model", has(answer.model) ? answer.model : Text(""));
    } else {
        json.member_string("model", terms.client_model);
    }
    const uint32_t call_count = write_content(choice, context, json);
    json.member("stop_reason", stop_reason_of(choice.finish, choice.finish_text, call_count > 0));
    if (has(choice.stop_sequence)) {
        json.member("stop_sequence", choice.stop_sequence);
    } else {
        json.member_null("stop_sequence");
    }
    json.key("usage");
    write_usage(answer.usage, answer.service_tier, json);
    json.close_object();
    if (has(choice.logprobs)) context.losses.add("logprobs");
}

}  // namespace loom::llm::anthropic
