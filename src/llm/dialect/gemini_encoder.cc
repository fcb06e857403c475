#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gemini.h"
#include "gemini_grounding_writer.h"

namespace loom::llm::gemini {

namespace {

/// What stands around each event: SSE, or the commas and brackets of one array.
class Frame {
  public:
    void open(const Context& context, ByteBuffer& out) {
        is_array_ = context.terms.json_array;
        out.append(!is_array_ ? "data: " : first_ ? "[" : ",\r\n");
        first_ = false;
    }
    void close(ByteBuffer& out) const {
        if (!is_array_) out.append("\n\n");
    }
    void end(ByteBuffer& out) const {
        if (is_array_) out.append("]");
    }

  private:
    bool first_ = true;
    bool is_array_ = false;
};

/// A call whose arguments are not whole yet: Gemini's are objects.
struct WaitingCall {
    uint32_t choice = 0;
    uint32_t tool = 0;
    std::string id, name;
    std::optional<std::string> signature;
    bool is_text = false;  // arguments: the inside of a string
    std::string arguments;
};

/// Text is written as it comes. How a choice ended waits for the usage: both stand in the stream's last event.
class Encoder final : public StreamEncoder {
  public:
    void write(const Delta& delta, Context& context, ByteBuffer& out) override {
        using Kind = Delta::Kind;
        if (ended_) return;
        if (delta.usage != nullptr) usage_ = *delta.usage;
        if (delta.choice >= choices_max) return context.losses.add("n");
        switch (delta.kind) {
            case Kind::start: return start(delta);
            case Kind::tool_call: return begin_call(delta, context, out);
            case Kind::arguments: return add_arguments(delta, context);
            case Kind::logprobs: return write_logprobs_event(delta, context, out);
            case Kind::citation: return groundings_[delta.choice].add(delta.json, context);
            case Kind::image: return write_image(delta, context, out);
            case Kind::finish: return finish(delta, context, out);
            case Kind::error: return fail(delta, context, out);
            case Kind::end: return end(context, out);
            case Kind::part_end: return groundings_[delta.choice].end_text();
            case Kind::usage:
            case Kind::ping: return;
            default: write_text(delta, context, out);
        }
    }

  private:
    void start(const Delta& delta) {
        if (has(delta.id)) id_ = delta.id;
        if (has(delta.model)) model_ = delta.model;
    }

    // calls

    void begin_call(const Delta& delta, Context& context, ByteBuffer& out) {
        if (calls_.size() == calls_max) flush_calls(calls_.front().choice, context, out);
        WaitingCall& call = calls_.emplace_back();
        call.choice = delta.choice;
        call.tool = delta.tool;
        call.id = delta.tool_id;
        call.name = delta.tool_name;
        if (has(delta.signature)) call.signature = delta.signature;
    }

    void add_arguments(const Delta& delta, Context& context) {
        const auto call = std::find_if(calls_.rbegin(), calls_.rend(), [&delta](const WaitingCall& waiting) {
            return waiting.choice == delta.choice && waiting.tool == delta.tool;
        });
        if (call == calls_.rend()) return;
        const bool is_text = !has(delta.json);
        const std::string_view piece = is_text ? delta.text : delta.json;
        if (arguments_bytes_ + piece.size() > arguments_bytes_max)
            return context.losses.add("tool_calls[].function.arguments");
        arguments_bytes_ += piece.size();
        call->is_text = is_text;
        call->arguments.append(piece);
    }

    /// All that wait, in one event: parallel calls stand beside each other.
    void flush_calls(uint32_t choice, Context& context, ByteBuffer& out) {
        const auto is_of_choice = [choice](const WaitingCall& call) { return call.choice == choice; };
        if (std::ranges::none_of(calls_, is_of_choice)) return;
        JsonOut json(out);
        open_event(context, json);
        open_parts(json);
        for (const WaitingCall& call : calls_)
            if (is_of_choice(call)) write_waiting(call, context, json);
        close_parts(choice, json);
        json.close_object();
        close_event(context, json);
        std::erase_if(calls_, is_of_choice);
        if (calls_.empty()) arguments_bytes_ = 0;
    }

    static void write_waiting(const WaitingCall& call, Context& context, JsonOut& json) {
        Part part{.kind = Part::Kind::tool_call, .tool_id = call.id};
        if (call.signature) part.signature = *call.signature;
        (call.is_text ? part.arguments_text : part.arguments) = call.arguments;
        if (call.arguments.empty()) part.arguments = "{}";
        write_call(part, call.name, arguments_object(part, context), json);
    }

    // content

    void write_text(const Delta& delta, Context& context, ByteBuffer& out) {
        Part part{.text = has(delta.text) ? delta.text : "", .signature = delta.signature};
        if (delta.kind == Delta::Kind::thinking || delta.kind == Delta::Kind::signature)
            part.kind = Part::Kind::thinking;
        if (delta.kind == Delta::Kind::redacted_thinking) part.kind = Part::Kind::redacted_thinking;
        if (part.text.empty() && !has(part.signature)) return;
        if (delta.kind == Delta::Kind::text) keep(groundings_[delta.choice], part.text);
        flush_calls(delta.choice, context, out);
        JsonOut json(out);
        open_event(context, json);
        open_parts(json);
        write_text_part(part, json);
        close_parts(delta.choice, json);
        json.close_object();
        close_event(context, json);
    }

    void keep(GroundingWriter& grounding, Text piece) {
        text_bytes_ += piece.size();
        text_bytes_ > text_bytes_max ? grounding.cut() : grounding.append(piece);
    }

    void write_image(const Delta& delta, Context& context, ByteBuffer& out) {
        flush_calls(delta.choice, context, out);
        JsonOut json(out);
        open_event(context, json);
        open_parts(json);
        json.open_object();
        write_media({.kind = Part::Kind::image, .media = *delta.media}, json);
        json.close_object();
        close_parts(delta.choice, json);
        json.close_object();
        close_event(context, json);
    }
    void write_logprobs_event(const Delta& delta, Context& context, ByteBuffer& out) {
        JsonOut json(out);
        open_event(context, json);
        open_parts(json);
        write_text_part({}, json);
        close_parts(delta.choice, json);
        write_logprobs(delta.json, context, json);
        json.close_object();
        close_event(context, json);
    }

    // the end

    void finish(const Delta& delta, Context& context, ByteBuffer& out) {
        flush_calls(delta.choice, context, out);
        if (!endings_[delta.choice]) endings_[delta.choice] = delta.reason;
    }

    void end(Context& context, ByteBuffer& out) {
        for (uint32_t choice = 0; choice < choices_max; ++choice) flush_calls(choice, context, out);
        if (std::ranges::none_of(endings_, [](const auto& ending) { return ending.has_value(); }))
            endings_[0] = FinishReason::stop;  // nobody said why, yet the answer is whole
        JsonOut json(out);
        open_event(context, json);
        for (uint32_t choice = 0; choice < choices_max; ++choice) {
            if (!endings_[choice] && groundings_[choice].empty()) continue;
            open_parts(json);
            write_text_part({}, json);  // clients look for a part in every event
            close_parts(choice, json);
            if (endings_[choice]) json.member_string("finishReason", finish_word(*endings_[choice]));
            groundings_[choice].write(json);
            json.close_object();
        }
        json.close_array();
        write_usage(usage_, json);
        close_data(context, json);
        frame_.end(out);
        ended_ = true;
    }

    void fail(const Delta& delta, Context& context, ByteBuffer& out) {
        frame_.open(context, out);
        write_error(delta.error != nullptr ? *delta.error : ErrorAnswer{}, context, out);
        frame_.close(out);
        frame_.end(out);
        ended_ = true;
    }

    // an event: {"candidates":[{"content":{"parts":[…],"role":"model"},"index":0}],"modelVersion":…,"responseId":…}

    void open_event(Context& context, JsonOut& json) {
        frame_.open(context, json.out());
        json.open_object();
        json.key("candidates");
        json.open_array();
    }
    static void open_parts(JsonOut& json) {
        json.open_object();
        json.key("content");
        json.open_object();
        json.key("parts");
        json.open_array();
    }
    static void close_parts(uint32_t choice, JsonOut& json) {
        json.close_array();
        json.member_string("role", "model");
        json.close_object();
        json.member_number("index", choice);
    }
    void close_event(Context& context, JsonOut& json) {
        json.close_array();
        close_data(context, json);
    }
    void close_data(Context& context, JsonOut& json) {
        write_identity(model_, id_, context, json);
        json.close_object();
        frame_.close(json.out());
    }

    static constexpr uint32_t choices_max = 8;  // candidateCount's most
    static constexpr size_t calls_max = 128;
    static constexpr size_t arguments_bytes_max = size_t{4} << 20;
    static constexpr size_t text_bytes_max = size_t{1} << 20;  // of all choices, kept for what cites it

    Frame frame_;
    std::string id_, model_;
    Usage usage_;
    std::vector<WaitingCall> calls_;
    size_t arguments_bytes_ = 0;
    std::array<std::optional<FinishReason>, choices_max> endings_;
    std::array<GroundingWriter, choices_max> groundings_;
    size_t text_bytes_ = 0;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<StreamEncoder> make_encoder() { return std::make_unique<Encoder>(); }

}  // namespace loom::llm::gemini
