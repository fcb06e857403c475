#include "openai_responses.h"
#include "usage_object.h"

namespace loom::llm::responses {

namespace {

/// What a whole response says beside its output.
struct Head {
    Text status;
    Text incomplete_reason;
    ErrorAnswer error;
    bool has_error = false;
};

class AnswerReader {
  public:
    AnswerReader(Context& context, std::string_view body, Tokens tokens, ChatAnswer& answer)
        : reading_{.context = context, .cursor = Cursor(body, tokens), .is_answer = true},
          cursor_(reading_.cursor),
          context_(context),
          answer_(answer),
          choice_(answer.choices.add(context.arena)) {}

    bool read() {
        const bool good = cursor_.peek() == '{' &&
                          cursor_.each_member([this](Range key) { return member(reading_.name_of(key)); }) &&
                          cursor_.at_end();
        if (!good || !has_output_) return false;
        finish();
        return true;
    }

  private:
    bool member(std::string_view name) {
        if (name == "id") return take_text(cursor_, answer_.id);
        if (name == "model") return take_text(cursor_, answer_.model);
        if (name == "created_at") return created();
        if (name == "service_tier") return take_text(cursor_, answer_.service_tier);
        if (name == "status") return take_text(cursor_, head_.status);
        if (name == "output" && cursor_.peek() == '[') return output();
        if (name == "incomplete_details" && cursor_.peek() == '{') return incomplete();
        if (name == "error" && cursor_.peek() == '{') return error();
        if (name == "usage" && cursor_.peek() == '{') {
            bool found = false;
            return read_usage_object(cursor_, answer_.usage, found);
        }
        return cursor_.skip_value();  // what it repeats of the request
    }
    /// Some servers write a fraction.
    bool created() {
        Json number;
        if (!take_number(cursor_, number)) return false;
        const double seconds = value_of(number);
        answer_.created = seconds > 0 && seconds < 1e12 ? static_cast<uint64_t>(seconds) : 0;
        return true;
    }
    bool incomplete() {
        return cursor_.each_member([this](Range key) {
            return reading_.name_of(key) == "reason" ? take_text(cursor_, head_.incomplete_reason)
                                                     : cursor_.skip_value();
        });
    }
    bool error() {
        head_.has_error = true;
        return cursor_.each_member([this](Range key) {
            return reading_.name_of(key) == "message" ? take_text(cursor_, head_.error.message) : cursor_.skip_value();
        });
    }
    bool output() {
        has_output_ = true;
        return cursor_.each_element([this] {
            Item item;
            if (!read_item(reading_, item)) return false;
            if (has(item.logprobs)) choice_.logprobs = chat_logprobs(item.logprobs, context_.arena);
            if (!add_assistant_parts(reading_, item, choice_.parts)) context_.losses.add("output[].type");
            return true;
        });
    }

    void finish() {
        bool has_call = false, has_refusal = false;
        for (Part& part : choice_.parts) {
            has_call |= part.kind == Part::Kind::tool_call;
            has_refusal |= part.kind == Part::Kind::refusal;
            if (has(part.tool_name)) part.tool_name = context_.aliases.original_of(part.tool_name);
        }
        choice_.finish = FinishReason::stop;
        if (has_refusal) choice_.finish = FinishReason::refusal;
        if (has_call) choice_.finish = FinishReason::tool_calls;
        if (head_.status == "incomplete")
            choice_.finish =
                head_.incomplete_reason == "content_filter" ? FinishReason::content_filter : FinishReason::length;
        if (head_.status == "failed" || head_.status == "cancelled" || head_.has_error)
            choice_.finish = FinishReason::error;
        choice_.finish_text = has(head_.incomplete_reason) ? head_.incomplete_reason : head_.status;
        if (head_.has_error && has(head_.error.message)) choice_.finish_text = head_.error.message;
    }

    Reading reading_;
    Cursor& cursor_;
    Context& context_;
    ChatAnswer& answer_;
    Choice& choice_;
    Head head_;
    bool has_output_ = false;
};

/// The items of one choice, in the order of its parts.
class OutputWriter {
  public:
    OutputWriter(JsonOut& json, Text id, const Choice& choice, Context& context)
        : json_(json), id_(id), choice_(choice), context_(context) {}

    void write() {
        json_.open_array();
        for (const Part& part : choice_.parts) write(part);
        if (in_message_) close_message();
        json_.close_array();
    }

  private:
    std::string_view status() const {
        return choice_.finish == FinishReason::length || choice_.finish == FinishReason::content_filter ? "incomplete"
                                                                                                        : "completed";
    }
    void write(const Part& part) {
        using Kind = Part::Kind;
        const bool is_content = part.kind == Kind::text || part.kind == Kind::refusal;
        if (in_message_ && !is_content) close_message();
        switch (part.kind) {
            case Kind::text:
            case Kind::refusal: return write_content(part);
            case Kind::tool_call: return write_call(part);
            case Kind::thinking: return write_reasoning(part.text, part.signature, Seal::thinking);
            case Kind::redacted_thinking: return write_reasoning({}, part.text, Seal::redacted);
            default: return context_.losses.add("content");  // an image or a sound that the model made
        }
    }
    void open_item(std::string_view kind, std::string_view type) {
        json_.open_object();
        json_.member("id", ItemId(kind, id_, index_++).text());
        json_.member("type", type);
    }

    void write_content(const Part& part) {
        if (!in_message_) {
            open_item("msg", "message");
            json_.member("status", status());
            json_.member("role", "assistant");
            json_.key("content");
            json_.open_array();
            in_message_ = true;
        }
        const bool is_refusal = part.kind == Part::Kind::refusal;
        if (has(part.signature)) context_.losses.add("signature");
        json_.open_object();
        json_.member("type", is_refusal ? "refusal" : "output_text");
        json_.member(is_refusal ? "refusal" : "text", has(part.text) ? part.text : Text(""));
        if (!is_refusal) {
            json_.key("annotations");
            write_annotations(json_, part, context_);
            write_logprobs();
        }
        json_.close_object();
    }
    /// They stand at the first text: chat has one list for all of a choice.
    void write_logprobs() {
        const bool is_first = !std::exchange(logprobs_written_, true);
        const Json array = is_first && has(choice_.logprobs) ? logprobs_array(choice_.logprobs, context_) : Json();
        json_.member_json("logprobs", has(array) ? array : Json("[]"));
    }
    void close_message() {
        json_.close_array();
        json_.close_object();
        in_message_ = false;
    }

    void write_reasoning(Text text, Text proof, Seal seal) {
        open_item("rs", "reasoning");
        json_.key("summary");
        json_.open_array();
        if (!text.empty()) {
            json_.open_object();
            json_.member("type", "summary_text");
            json_.member("text", text);
            json_.close_object();
        }
        json_.close_array();
        if (has(proof)) write_proof(proof, seal);
        json_.close_object();
    }
    void write_proof(Text proof, Seal seal) {
        const Protocol provider = context_.terms.provider;
        const bool is_openai = provider == Protocol::openai_responses;
        const auto own = is_openai ? unsealed(proof, provider) : std::nullopt;
        json_.member("encrypted_content", own ? own->opaque : sealed({seal, proof}, provider, context_.arena));
    }

    void write_call(const Part& part) {
        if (has(part.signature)) write_reasoning({}, part.signature, Seal::call);
        const bool is_custom = context_.memo != nullptr && context_.memo->is_free_text_tool(part.tool_name);
        open_item(is_custom ? "ctc" : "fc", is_custom ? "custom_tool_call" : "function_call");
        json_.member("status", "completed");
        json_.member("call_id", part.tool_id);
        json_.member("name", part.tool_name);
        if (is_custom) {
            json_.member("input", unwrapped_input(part, context_));
        } else if (has(part.arguments)) {
            json_.member_string("arguments", part.arguments);
        } else {
            json_.member("arguments", is_blank(part.arguments_text) ? Text("{}") : part.arguments_text);
        }
        json_.close_object();
    }

    JsonOut& json_;
    Text id_;
    const Choice& choice_;
    Context& context_;
    uint64_t index_ = 0;
    bool in_message_ = false;
    bool logprobs_written_ = false;
};

}  // namespace

Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::passed, tokens, fault))
        return fail(Errc::bad_message, Side::upstream, "the answer is not JSON");
    if (!AnswerReader(context, body, tokens, answer).read())
        return fail(Errc::bad_message, Side::upstream, "the answer is no response object");
    return {};
}

void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) {
    static const Choice none;
    const Choice& choice = answer.choices.empty() ? none : answer.choices.front();
    if (answer.choices.count() > 1) context.losses.add("n");
    bool has_refusal = false;
    for (const Part& part : choice.parts) has_refusal |= part.kind == Part::Kind::refusal;
    const Outcome outcome = outcome_of(choice.finish, has_refusal);
    const Text id = response_id(answer.id, context);
    const ErrorAnswer error{.message = has(choice.finish_text) ? choice.finish_text : Text("")};
    const Envelope envelope{.id = id,
                            .created = answer.created != 0 ? answer.created : context.terms.created,
                            .status = outcome.status,
                            .incomplete_reason = outcome.incomplete_reason,
                            .error = outcome.status == "failed" ? &error : nullptr,
                            .usage = &answer.usage,
                            .service_tier = answer.service_tier};
    JsonOut json(out);
    open_envelope(json, envelope, context);
    OutputWriter(json, id, choice, context).write();
    close_envelope(json, envelope, context);
}

}  // namespace loom::llm::responses
