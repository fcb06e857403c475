#include "openai_responses.h"

#include <string>
#include <vector>

namespace loom::llm::responses {

namespace {

/// One event, from its name to its blank line.
class EventOut {
  public:
    EventOut(ByteBuffer& out, std::string_view type, uint64_t& sequence) : out_(out), json_(out) {
        out.append("event: ");
        out.append(type);
        out.append("\ndata: ");
        json_.open_object();
        json_.member("type", type);
        json_.member_number("sequence_number", sequence++);
    }
    EventOut(const EventOut&) = delete;
    ~EventOut() {
        json_.close_object();
        out_.append("\n\n");
    }
    JsonOut* operator->() { return &json_; }
    JsonOut& json() { return json_; }

  private:
    ByteBuffer& out_;
    JsonOut json_;
};

/// An item's or a part's own text and all finished items are kept, for `.done` events and the last one repeat them: up
/// to kept_bytes_max. Beyond, deltas still pass as they come, what repeats them ends where the room did, and the
/// response ends as incomplete.
class Encoder final : public StreamEncoder {
  public:
    static constexpr size_t kept_bytes_max = 8 << 20;

    void write(const Delta& delta, Context& context, ByteBuffer& out) override {
        using Kind = Delta::Kind;
        if (is_over_) return;
        if (delta.kind == Kind::ping) return;
        if (delta.kind == Kind::error) return write_error(delta, context, out);
        if (delta.usage != nullptr) usage_ = *delta.usage;
        start(delta, context, out);
        if (delta.choice != 0) return context.losses.add("n");
        switch (delta.kind) {
            case Kind::text: return write_text(delta, false, context, out);
            case Kind::refusal: return write_text(delta, true, context, out);
            case Kind::thinking: return write_thinking(delta, context, out);
            case Kind::signature: return write_signature(delta, context, out);
            case Kind::redacted_thinking: return write_proof(delta.text, Seal::redacted, context, out);
            case Kind::tool_call: return begin_call(delta, context, out);
            case Kind::arguments: return write_arguments(delta, context, out);
            case Kind::citation: return write_citation(delta, context, out);
            case Kind::image: return context.losses.add("inlineData");
            case Kind::logprobs: return write_logprobs(delta, context, out);
            case Kind::part_end: return end_part(context, out);
            case Kind::finish: finish_ = delta.reason; return;
            case Kind::end: return write_end(context, out);
            default: return;
        }
    }

    /// Ids, indexes and numbers are the provider's. Its items end in several events, and this one's in one go: so
    /// only in the middle of a text, and before the first item, both stand at the same place.
    Step note_source(std::string_view data, Context& context) override {
        const auto place = place_of(data, context);
        if (!place || !has(place->type)) return Step::lost;
        sequence_ = place->sequence_number + 1;
        const bool is_known =
            !has(place->item_type) || place->item_type == "message" || place->item_type == "reasoning";
        if (!is_known || open_ == Open::calls || place->type == "response.reasoning_text.delta") return Step::lost;
        const Text type = place->type;
        if (open_ == Open::nothing) {
            const bool is_start = type == "response.created" || type == "response.in_progress";
            return is_start ? Step::here : Step::between;
        }
        if (has(place->item_id) && !place->item_id.empty()) {
            index_ = place->output_index;
            item_id_ = ItemId(place->item_id);
        }
        const bool is_text =
            open_ == Open::message && type == (is_refusal_ ? "response.refusal.delta" : "response.output_text.delta");
        const bool is_thought = open_ == Open::reasoning && type == "response.reasoning_summary_text.delta";
        const bool is_same = in_part_ && place->part_index == content_index_ && has(place->item_id);
        return (is_text || is_thought) && is_same ? Step::here : Step::between;
    }

  private:
    enum class Open : uint8_t { nothing, message, reasoning, calls };

    struct Call {
        uint32_t tool;
        uint64_t index;  // of its item
        std::string id;
        std::string name;
        std::string arguments;  // inside of a string
        bool is_custom;
    };

    // the response

    void start(const Delta& delta, Context& context, ByteBuffer& out) {
        if (std::exchange(is_started_, true)) return;
        const bool is_start = delta.kind == Delta::Kind::start;
        id_ = response_id(is_start ? delta.id : Text(), context);
        created_ = is_start && delta.created != 0 ? delta.created : context.terms.created;
        write_response("response.created", {.status = "in_progress"}, nullptr, context, out);
        write_response("response.in_progress", {.status = "in_progress"}, nullptr, context, out);
    }

    void write_response(std::string_view type, Outcome outcome, const ErrorAnswer* error, Context& context,
                        ByteBuffer& out) {
        EventOut event(out, type, sequence_);
        const bool is_last = outcome.status != "in_progress";
        const Envelope envelope{.id = id_,
                                .created = created_,
                                .status = outcome.status,
                                .incomplete_reason = outcome.incomplete_reason,
                                .error = error,
                                .usage = is_last ? &usage_ : nullptr};
        event->key("response");
        open_envelope(event.json(), envelope, context);
        event->open_array();
        if (!output_.empty()) event->json(output_);
        event->close_array();
        close_envelope(event.json(), envelope, context);
    }

    void write_end(Context& context, ByteBuffer& out) {
        close_open(context, out);
        is_over_ = true;
        Outcome outcome = outcome_of(finish_, has_refusal_);
        if (is_cut_ && outcome.status == "completed") outcome = outcome_of(FinishReason::length, false);
        if (outcome.status == "failed") {
            const ErrorAnswer error{.message = "the model's answer ended with an error"};
            return write_response("response.failed", outcome, &error, context, out);
        }
        const bool is_whole = outcome.status == "completed";
        write_response(is_whole ? "response.completed" : "response.incomplete", outcome, nullptr, context, out);
    }

    /// Both that OpenAI sends: SDKs throw at `error`, Codex reads `response.failed`. The error's fields stand flat, as
    /// the API's reference has them, and in an object, as they come from its servers.
    void write_error(const Delta& delta, Context& context, ByteBuffer& out) {
        static const ErrorAnswer unsaid{.message = "the stream broke"};
        const ErrorAnswer& error = delta.error != nullptr ? *delta.error : unsaid;
        is_over_ = true;
        if (id_.empty()) id_ = response_id({}, context);
        if (created_ == 0) created_ = context.terms.created;
        {
            EventOut event(out, "error", sequence_);
            write_error_fields(event.json(), error);
            event->key("error");
            event->open_object();
            event->member("type", has(error.type) ? error.type : Text("server_error"));
            write_error_fields(event.json(), error);
            event->close_object();
        }
        write_response("response.failed", {.status = "failed"}, &error, context, out);
    }
    static void write_error_fields(JsonOut& json, const ErrorAnswer& error) {
        const auto word = [&json](std::string_view name, Text text) {
            if (has(text)) return json.member(name, text);
            json.member_null(name);
        };
        word("code", error.code);
        json.member("message", has(error.message) ? error.message : Text(""));
        word("param", error.param);
    }

    // items

    /// Appends to what is kept, or to nothing once the room is used up.
    void keep(std::string& to, Text piece, Context& context) {
        if (has_room(piece.size(), context)) to += piece;
    }
    /// An element of a list, or some: with the comma before it, or not at all.
    void keep_element(std::string& to, Json element, Context& context) {
        const std::string_view comma = to.empty() ? "" : ",";
        if (has_room(comma.size() + element.size(), context)) to.append(comma).append(element);
    }
    bool has_room(size_t bytes, Context& context) {
        is_cut_ |= kept_bytes_ + bytes > kept_bytes_max;
        if (is_cut_) context.losses.add("output[].content");
        if (!is_cut_) kept_bytes_ += bytes;
        return !is_cut_;
    }

    /// Writes an item with both an event and what is kept of the output, the same to the byte.
    template <class WriteItem>
    void item_done(uint64_t index, ByteBuffer& out, WriteItem&& write_item) {
        EventOut event(out, "response.output_item.done", sequence_);
        event->member_number("output_index", index);
        event->key("item");
        const size_t begin = out.size();
        write_item(event.json());
        if (!output_.empty()) output_ += ',';
        output_ += out.view().substr(begin);
    }
    template <class WriteItem>
    void item_added(uint64_t index, ByteBuffer& out, WriteItem&& write_item) {
        EventOut event(out, "response.output_item.added", sequence_);
        event->member_number("output_index", index);
        event->key("item");
        write_item(event.json());
    }

    void open(Open what, std::string_view kind) {
        open_ = what;
        index_ = items_++;
        item_id_ = ItemId(kind, id_, index_);
        content_index_ = 0;
    }
    void close_open(Context& context, ByteBuffer& out) {
        switch (std::exchange(open_, Open::nothing)) {
            case Open::nothing: return;
            case Open::message: return close_message(context, out);
            case Open::reasoning: return close_reasoning(context, out);
            case Open::calls: return close_calls(context, out);
        }
    }
    std::string_view item_status() const {
        const bool is_short = finish_ == FinishReason::length || finish_ == FinishReason::content_filter || is_cut_;
        return is_short ? "incomplete" : "completed";
    }
    void end_part(Context& context, ByteBuffer& out) {
        if (open_ == Open::message && in_part_) return close_part(context, out);
        if (open_ == Open::reasoning) close_open(context, out);
    }

    // messages

    void write_message(JsonOut& json, std::string_view status, std::string_view content) {
        json.open_object();
        json.member("id", item_id_.text());
        json.member("type", "message");
        json.member("status", status);
        json.member("role", "assistant");
        json.key("content");
        json.open_array();
        if (!content.empty()) json.json(content);
        json.close_array();
        json.close_object();
    }
    /// The part at hand, with what was told of it.
    void write_part(JsonOut& json, std::string_view text) {
        json.open_object();
        json.member("type", is_refusal_ ? "refusal" : "output_text");
        json.member(is_refusal_ ? "refusal" : "text", text);
        if (!is_refusal_) {
            write_list(json, "annotations", annotations_);
            write_list(json, "logprobs", logprobs_);
        }
        json.close_object();
    }
    static void write_list(JsonOut& json, std::string_view name, std::string_view elements) {
        json.key(name);
        json.open_array();
        if (!elements.empty()) json.json(elements);
        json.close_array();
    }
    void place(EventOut& event) {
        event->member("item_id", item_id_.text());
        event->member_number("output_index", index_);
        event->member_number(open_ == Open::reasoning ? "summary_index" : "content_index", content_index_);
    }

    void open_part(bool is_refusal, Context& context, ByteBuffer& out) {
        if (open_ == Open::message && in_part_ && is_refusal == is_refusal_) return;
        if (open_ != Open::message) {
            close_open(context, out);
            open(Open::message, "msg");
            item_added(index_, out, [this](JsonOut& json) { write_message(json, "in_progress", {}); });
        }
        if (in_part_) close_part(context, out);
        in_part_ = true;
        is_refusal_ = is_refusal;
        EventOut event(out, "response.content_part.added", sequence_);
        place(event);
        event->key("part");
        write_part(event.json(), "");
    }

    void write_text(const Delta& delta, bool is_refusal, Context& context, ByteBuffer& out) {
        if (has(delta.signature)) context.losses.add("signature");
        if (delta.text.empty()) return;
        has_refusal_ |= is_refusal;
        open_part(is_refusal, context, out);
        keep(text_, delta.text, context);
        text_points_ += code_points(delta.text);
        EventOut event(out, is_refusal ? "response.refusal.delta" : "response.output_text.delta", sequence_);
        place(event);
        event->member("delta", delta.text);
        if (!is_refusal) write_list(event.json(), "logprobs", {});
    }

    /// They come behind their text: with a delta that adds none to it.
    void write_logprobs(const Delta& delta, Context& context, ByteBuffer& out) {
        const Json array = logprobs_array(delta.json, context);
        if (array.size() <= 2) return;
        if (array.find_first_not_of(" \t\r\n", 1) >= array.size() - 1) return;
        open_part(false, context, out);
        const Text elements = array.substr(1, array.size() - 2);
        keep_element(logprobs_, elements, context);
        EventOut event(out, "response.output_text.delta", sequence_);
        place(event);
        event->member("delta", "");
        event->member_json("logprobs", array);
    }

    void write_citation(const Delta& delta, Context& context, ByteBuffer& out) {
        const Json annotation = annotation_of(delta.json, text_points_, context);
        if (!has(annotation)) return context.losses.add("citations");
        open_part(false, context, out);
        keep_element(annotations_, annotation, context);
        EventOut event(out, "response.output_text.annotation.added", sequence_);
        place(event);
        event->member_number("annotation_index", annotation_count_++);
        event->member_json("annotation", annotation);
    }

    void close_part(Context&, ByteBuffer& out) {
        {
            EventOut event(out, is_refusal_ ? "response.refusal.done" : "response.output_text.done", sequence_);
            place(event);
            event->member(is_refusal_ ? "refusal" : "text", std::string_view(text_));
            if (!is_refusal_) write_list(event.json(), "logprobs", logprobs_);
        }
        EventOut event(out, "response.content_part.done", sequence_);
        place(event);
        event->key("part");
        const size_t begin = out.size();
        write_part(event.json(), text_);
        if (!content_.empty()) content_ += ',';
        content_ += out.view().substr(begin);
        text_.clear();
        text_points_ = 0;
        annotations_.clear();
        logprobs_.clear();
        annotation_count_ = 0;
        content_index_ += 1;
        in_part_ = false;
    }
    void close_message(Context& context, ByteBuffer& out) {
        if (in_part_) close_part(context, out);
        item_done(index_, out, [this](JsonOut& json) { write_message(json, item_status(), content_); });
        content_.clear();
    }

    // thinking

    void write_reasoning(JsonOut& json, std::string_view text, Text proof) {
        json.open_object();
        json.member("id", item_id_.text());
        json.member("type", "reasoning");
        json.key("summary");
        json.open_array();
        if (!text.empty()) write_summary(json, text);
        json.close_array();
        json.member("encrypted_content", proof);
        json.close_object();
    }
    static void write_summary(JsonOut& json, std::string_view text) {
        json.open_object();
        json.member("type", "summary_text");
        json.member("text", text);
        json.close_object();
    }

    void open_reasoning(Context& context, ByteBuffer& out) {
        if (open_ == Open::reasoning) return;
        close_open(context, out);
        open(Open::reasoning, "rs");
        item_added(index_, out, [this](JsonOut& json) { write_reasoning(json, {}, {}); });
    }

    void write_thinking(const Delta& delta, Context& context, ByteBuffer& out) {
        open_reasoning(context, out);
        if (!delta.text.empty()) write_summary_delta(delta.text, context, out);
        if (has(delta.signature)) keep_proof(delta.signature, context);
    }
    void write_summary_delta(Text text, Context& context, ByteBuffer& out) {
        if (!std::exchange(in_part_, true)) {
            EventOut event(out, "response.reasoning_summary_part.added", sequence_);
            place(event);
            event->key("part");
            write_summary(event.json(), "");
        }
        keep(text_, text, context);
        EventOut event(out, "response.reasoning_summary_text.delta", sequence_);
        place(event);
        event->member("delta", text);
    }
    /// Whole or not at all: a part of a proof proves nothing.
    void keep_proof(Text proof, Context& context) {
        proof_.clear();
        keep(proof_, proof, context);
    }
    void write_signature(const Delta& delta, Context& context, ByteBuffer& out) {
        open_reasoning(context, out);
        keep_proof(delta.signature, context);
        close_open(context, out);
    }
    /// An item that holds a proof and nothing to read.
    void write_proof(Text proof, Seal seal, Context& context, ByteBuffer& out) {
        close_open(context, out);
        open_reasoning(context, out);
        keep_proof(proof, context);
        seal_ = seal;
        close_open(context, out);
    }

    void close_reasoning(Context& context, ByteBuffer& out) {
        open_ = Open::reasoning;  // for place()
        if (std::exchange(in_part_, false)) {
            {
                EventOut event(out, "response.reasoning_summary_text.done", sequence_);
                place(event);
                event->member("text", std::string_view(text_));
            }
            EventOut event(out, "response.reasoning_summary_part.done", sequence_);
            place(event);
            event->key("part");
            write_summary(event.json(), text_);
        }
        open_ = Open::nothing;
        const Text proof = proof_.empty() ? Text() : encrypted(context);
        item_done(index_, out, [&](JsonOut& json) { write_reasoning(json, text_, proof); });
        text_.clear();
        proof_.clear();
        seal_ = Seal::thinking;
    }
    Text encrypted(Context& context) {
        const Protocol provider = context.terms.provider;
        const bool is_openai = provider == Protocol::openai_responses;
        const auto own = is_openai ? unsealed(proof_, provider) : std::nullopt;
        return own ? own->opaque : sealed({seal_, proof_}, provider, context.arena);
    }

    // calls

    void write_call(JsonOut& json, const Call& call, std::string_view status, Text text) {
        json.open_object();
        json.member("id", call_item(call).text());
        json.member("type", call.is_custom ? "custom_tool_call" : "function_call");
        json.member("status", status);
        json.member("call_id", std::string_view(call.id));
        json.member("name", std::string_view(call.name));
        json.member(call.is_custom ? "input" : "arguments", text);
        json.close_object();
    }
    ItemId call_item(const Call& call) const { return ItemId(call.is_custom ? "ctc" : "fc", id_, call.index); }
    void place(EventOut& event, const Call& call) {
        event->member("item_id", call_item(call).text());
        event->member_number("output_index", call.index);
    }

    void begin_call(const Delta& delta, Context& context, ByteBuffer& out) {
        constexpr size_t calls_max = 1024;  // open at a time
        if (has(delta.signature)) write_proof(delta.signature, Seal::call, context, out);
        if (open_ != Open::calls || calls_.size() == calls_max) close_open(context, out);
        open_ = Open::calls;
        const bool is_custom = context.memo != nullptr && context.memo->is_free_text_tool(delta.tool_name);
        calls_.push_back(
            {.tool = delta.tool, .index = items_++, .id = {}, .name = {}, .arguments = {}, .is_custom = is_custom});
        Call& call = calls_.back();
        keep(call.id, delta.tool_id, context);
        keep(call.name, delta.tool_name, context);
        item_added(call.index, out, [&](JsonOut& json) { write_call(json, call, "in_progress", ""); });
    }

    void write_arguments(const Delta& delta, Context& context, ByteBuffer& out) {
        Call* call = nullptr;
        for (size_t i = calls_.size(); i-- > 0 && call == nullptr;)
            if (calls_[i].tool == delta.tool) call = &calls_[i];
        if (open_ != Open::calls || call == nullptr) return context.losses.add("tool_calls");
        write_arguments(*call, has(delta.json) ? escaped(delta.json, context.arena) : delta.text, context, out);
    }
    /// A custom tool's input is known when all of its wrapping is.
    void write_arguments(Call& call, Text text, Context& context, ByteBuffer& out) {
        if (text.empty()) return;
        keep(call.arguments, text, context);
        if (call.is_custom) return;
        EventOut event(out, "response.function_call_arguments.delta", sequence_);
        place(event, call);
        event->member("delta", text);
    }

    void close_calls(Context& context, ByteBuffer& out) {
        for (Call& call : calls_) close_call(call, context, out);
        calls_.clear();
    }
    void close_call(Call& call, Context& context, ByteBuffer& out) {
        Text text = call.arguments;
        if (call.is_custom) {
            text = unwrapped_input({.arguments_text = call.arguments}, context);
            EventOut event(out, "response.custom_tool_call_input.delta", sequence_);
            place(event, call);
            event->member("delta", text);
        } else if (is_blank(call.arguments)) {
            write_arguments(call, "{}", context, out);
            text = call.arguments;
        }
        {
            EventOut event(
                out, call.is_custom ? "response.custom_tool_call_input.done" : "response.function_call_arguments.done",
                sequence_);
            place(event, call);
            event->member(call.is_custom ? "input" : "arguments", text);
        }
        item_done(call.index, out, [&](JsonOut& json) { write_call(json, call, item_status(), text); });
    }

    // of the response
    std::string id_;
    uint64_t created_ = 0;
    uint64_t sequence_ = 0;
    uint64_t items_ = 0;
    Usage usage_;
    FinishReason finish_ = FinishReason::none;
    std::string output_;  // finished items
    size_t kept_bytes_ = 0;
    bool is_cut_ = false;
    bool is_started_ = false;
    bool is_over_ = false;
    bool has_refusal_ = false;
    // of the item at hand
    Open open_ = Open::nothing;
    uint64_t index_ = 0;
    ItemId item_id_{"", "", 0};
    std::string content_;  // finished parts
    std::string proof_;
    Seal seal_ = Seal::thinking;
    std::vector<Call> calls_;
    // of its part
    bool in_part_ = false;
    bool is_refusal_ = false;
    uint64_t content_index_ = 0;
    std::string text_;
    std::string annotations_;
    std::string logprobs_;
    uint64_t annotation_count_ = 0;
    uint64_t text_points_ = 0;  // the code points of the part's text
};

}  // namespace

std::unique_ptr<StreamEncoder> make_encoder() { return std::make_unique<Encoder>(); }

}  // namespace loom::llm::responses
