#include <algorithm>
#include <string>
#include <vector>

#include "anthropic.h"
#include "anthropic_blocks.h"
#include "anthropic_usage.h"

namespace loom::llm::anthropic {

namespace {

constexpr size_t waiting_calls_max = 128;
constexpr size_t waiting_bytes_max = 1 << 20;

/// Tells when the arguments of a call, which come in pieces inside of strings, are a whole JSON value.
class ArgumentsScan {
  public:
    void feed(Text inside) noexcept {
        for (size_t i = 0; i < inside.size(); ++i) {
            char c = inside[i];
            if (c == '\\' && i + 1 < inside.size()) {
                c = inside[++i];
                if (c == 'u') i += 4;  // no structure is written this way
                if (c != '"' && c != '\\') c = ' ';
            }
            step(c);
        }
    }
    [[nodiscard]] bool whole() const noexcept { return begun_ && depth_ == 0; }

  private:
    void step(char c) noexcept {
        if (in_string_) {
            if (is_escaped_) {
                is_escaped_ = false;
            } else if (c == '\\') {
                is_escaped_ = true;
            } else if (c == '"') {
                in_string_ = false;
            }
            return;
        }
        if (c == '"') in_string_ = true;
        if (c == '{' || c == '[') {
            begun_ = true;
            depth_ += 1;
        }
        if ((c == '}' || c == ']') && depth_ > 0) depth_ -= 1;
    }

    uint32_t depth_ = 0;
    bool begun_ = false;
    bool in_string_ = false;
    bool is_escaped_ = false;
};

class Encoder final : public StreamEncoder {
  public:
    void write(const Delta& delta, Context& context, ByteBuffer& out) override;
    Step note_source(std::string_view data, Context& context) override;

  private:
    enum class Block : uint8_t { none, text, thinking, tool };
    /// A call that began before the one that is open was whole: blocks stand one after the other.
    struct Call {
        uint32_t tool = 0;
        std::string id;
        std::string name;
        std::string arguments;
    };
    /// One event, from its name to its blank line.
    class EventOut {
      public:
        EventOut(std::string_view name, ByteBuffer& out) : json(out) {
            out.append("event: ");
            out.append(name);
            out.append("\ndata: ");
            json.open_object();
            json.member("type", name);
        }
        ~EventOut() {
            json.close_object();
            json.out().append("\n\n");
        }
        JsonOut json;
    };

    void write_content(const Delta& delta);
    void write_start(const Delta& delta);
    void write_text(Text text);
    void write_thinking(const Delta& delta);
    void write_redacted(Text data);
    void write_citation(Json citation);
    void write_arguments(Text piece);
    void write_end();
    void write_error(const ErrorAnswer& error);
    void begin_call(const Delta& delta);
    void take_arguments(const Delta& delta);
    void open_call(uint32_t tool, Text id, Text name, Text arguments);
    void open_next_call();
    void open(Block block);
    void close();
    void finish_calls();
    Call* waiting_call(uint32_t tool) noexcept;
    template <class Write>
    void write_block_start(Write&& write);
    template <class Write>
    void write_delta(std::string_view type, Write&& write);

    // of the call at hand
    Context* context_ = nullptr;
    ByteBuffer* out_ = nullptr;

    bool started_ = false;
    bool ended_ = false;
    bool refused_ = false;
    bool tool_called_ = false;
    Block open_ = Block::none;
    uint64_t index_ = 0;  // of the block that is open, else of the next
    uint32_t open_tool_ = 0;
    bool has_arguments_ = false;
    bool is_cited_ = false;            // the text that is open has citations of a place behind which it does not go on
    bool call_ended_ = false;          // the call that is open is whole, for its provider said so
    Block source_open_ = Block::none;  // of a stream that passes: as its provider has told it
    uint64_t source_index_ = 0;
    ArgumentsScan scan_;
    std::vector<Call> waiting_;
    size_t waiting_bytes_ = 0;
    FinishReason reason_ = FinishReason::none;
    std::string finish_text_;
    std::string stop_sequence_;
    bool has_stop_sequence_ = false;
    Usage usage_;
};

void Encoder::write(const Delta& delta, Context& context, ByteBuffer& out) {
    using Kind = Delta::Kind;
    if (ended_ || delta.choice != 0) return;
    context_ = &context;
    out_ = &out;
    if (delta.usage != nullptr) usage_ = *delta.usage;
    switch (delta.kind) {
        case Kind::start:
            if (!started_) write_start(delta);
            break;
        case Kind::usage: break;
        case Kind::ping: EventOut("ping", out); break;
        case Kind::logprobs: context.losses.add("logprobs"); break;
        case Kind::image: context.losses.add("inlineData"); break;
        case Kind::finish:
            reason_ = delta.reason;
            finish_text_ = delta.finish_text;
            has_stop_sequence_ = has(delta.stop_sequence);
            stop_sequence_ = delta.stop_sequence;
            break;
        case Kind::error: write_error(delta.error != nullptr ? *delta.error : ErrorAnswer{}); break;
        case Kind::end: write_end(); break;
        default: write_content(delta); break;
    }
}

/// Which block is open is what the provider has said, not what would have been said here: a block that is empty so
/// far is open, and one whose signature has come is so too.
StreamEncoder::Step Encoder::note_source(std::string_view data, Context& context) {
    const auto place = place_of(data, context);
    if (!place || !has(place->type)) return Step::lost;
    const bool is_at_hand = source_open_ != Block::none && place->index == source_index_;
    if (place->type == "content_block_start") {
        const bool is_text = place->block_type == "text";
        if (source_open_ != Block::none || (!is_text && place->block_type != "thinking")) return Step::lost;
        source_open_ = is_text ? Block::text : Block::thinking;
        source_index_ = place->index;
    } else if (place->type == "content_block_delta") {
        if (!is_at_hand) return Step::lost;
    } else if (place->type == "content_block_stop") {
        if (!is_at_hand) return Step::lost;
        source_open_ = Block::none;
        source_index_ += 1;
    }
    if (open_ == Block::tool) return Step::lost;
    open_ = source_open_;
    index_ = source_index_;
    is_cited_ = false;
    return started_ ? Step::here : Step::between;
}

void Encoder::write_content(const Delta& delta) {
    using Kind = Delta::Kind;
    if (!started_) write_start({.kind = Kind::start});
    switch (delta.kind) {
        case Kind::refusal: refused_ = true; [[fallthrough]];
        case Kind::text: write_text(delta.text); break;
        case Kind::thinking:
        case Kind::signature: write_thinking(delta); break;
        case Kind::redacted_thinking: write_redacted(delta.text); break;
        case Kind::tool_call: begin_call(delta); break;
        case Kind::arguments: take_arguments(delta); break;
        case Kind::citation: write_citation(delta.json); break;
        case Kind::part_end:
            if (open_ == Block::text || open_ == Block::thinking) close();
            if (open_ == Block::tool && waiting_.empty()) call_ended_ = true;
            break;
        default: break;
    }
}

/// Counts that are not known yet are 0; the last event has them all.
void Encoder::write_start(const Delta& delta) {
    started_ = true;
    const TranslateTerms& terms = context_->terms;
    EventOut event("message_start", *out_);
    JsonOut& json = event.json;
    json.key("message");
    json.open_object();
    json.member("id", delta.id.empty() ? escaped(terms.fallback_id, context_->arena) : delta.id);
    json.member("type", "message");
    json.member("role", "assistant");
    json.member("model", terms.client_model.empty() ? Text(delta.model.data() ? delta.model : "")
                                                    : escaped(terms.client_model, context_->arena));
    json.key("content");
    json.json("[]");
    json.member_null("stop_reason");
    json.member_null("stop_sequence");
    json.key("usage");
    write_usage(usage_, {}, json);
    json.close_object();
}

template <class Write>
void Encoder::write_block_start(Write&& write) {
    EventOut event("content_block_start", *out_);
    event.json.member_number("index", index_);
    event.json.key("content_block");
    write(event.json);
}

template <class Write>
void Encoder::write_delta(std::string_view type, Write&& write) {
    EventOut event("content_block_delta", *out_);
    event.json.member_number("index", index_);
    event.json.key("delta");
    event.json.open_object();
    event.json.member("type", type);
    write(event.json);
    event.json.close_object();
}

void Encoder::open(Block block) {
    if (open_ == block) return;
    finish_calls();
    close();
    open_ = block;
    write_block_start([&](JsonOut& json) {
        json.json(block == Block::text ? R"({"type":"text","text":""})"
                                       : R"({"type":"thinking","thinking":"","signature":""})");
    });
}

void Encoder::close() {
    is_cited_ = false;
    if (open_ == Block::none) return;
    if (open_ == Block::tool && !has_arguments_) write_arguments("{}");
    open_ = Block::none;
    EventOut event("content_block_stop", *out_);
    event.json.member_number("index", index_++);
}

void Encoder::write_text(Text text) {
    if (text.empty()) return;
    if (is_cited_ && open_ == Block::text) close();
    open(Block::text);
    write_delta("text_delta", [&](JsonOut& json) { json.member("text", text); });
}

void Encoder::write_thinking(const Delta& delta) {
    open(Block::thinking);
    if (!delta.text.empty()) write_delta("thinking_delta", [&](JsonOut& json) { json.member("thinking", delta.text); });
    if (delta.signature.empty()) return;
    write_delta("signature_delta", [&](JsonOut& json) { json.member("signature", delta.signature); });
    close();  // a signature proves all that was before it
}

void Encoder::write_redacted(Text data) {
    finish_calls();
    close();
    write_block_start([&](JsonOut& json) { write_redacted_block({.text = data}, json); });
    EventOut event("content_block_stop", *out_);
    event.json.member_number("index", index_++);
}

void Encoder::write_citation(Json citation) {
    const Json own = citation_of(citation, *context_);
    if (!has(own) || open_ != Block::text) return context_->losses.add("annotations");
    write_delta("citations_delta", [&](JsonOut& json) { json.member_json("citation", own); });
    // It stands for its block: what another provider cites at a place ends there.
    is_cited_ = !is_citation(citation);
}

void Encoder::begin_call(const Delta& delta) {
    tool_called_ = true;
    if (has(delta.signature)) context_->losses.add("thought_signature");
    const Text id = call_id(delta.tool_id, delta.tool, *context_);
    if (open_ == Block::tool && delta.tool == open_tool_) return;  // it was told before
    if (open_ == Block::tool && !scan_.whole() && !call_ended_ && waiting_call(delta.tool) == nullptr) {
        waiting_bytes_ += id.size() + delta.tool_name.size();
        waiting_.push_back({delta.tool, std::string(id), std::string(delta.tool_name), {}});
        if (waiting_.size() > waiting_calls_max || waiting_bytes_ > waiting_bytes_max) finish_calls();
        return;
    }
    open_call(delta.tool, id, delta.tool_name, {});
}

void Encoder::open_call(uint32_t tool, Text id, Text name, Text arguments) {
    close();
    open_ = Block::tool;
    open_tool_ = tool;
    has_arguments_ = call_ended_ = false;
    scan_ = {};
    write_block_start([&](JsonOut& json) {
        json.open_object();
        json.member("type", "tool_use");
        json.member("id", id);
        json.member("name", name);
        json.key("input");
        json.json("{}");
        json.close_object();
    });
    write_arguments(arguments);
}

void Encoder::write_arguments(Text piece) {
    if (piece.empty()) return;
    has_arguments_ = true;
    scan_.feed(piece);
    write_delta("input_json_delta", [&](JsonOut& json) { json.member("partial_json", piece); });
}

void Encoder::take_arguments(const Delta& delta) {
    const Text piece = has(delta.json) ? escaped(delta.json, context_->arena) : delta.text;
    if (open_ == Block::tool && delta.tool == open_tool_) {
        write_arguments(piece);
        while (scan_.whole() && !waiting_.empty()) open_next_call();
        return;
    }
    Call* const call = waiting_call(delta.tool);
    if (call == nullptr) {
        if (!is_blank(piece)) context_->losses.add("tool_calls");  // its block is closed already
        return;
    }
    call->arguments += piece;
    waiting_bytes_ += piece.size();
    if (waiting_bytes_ > waiting_bytes_max) finish_calls();
}

Encoder::Call* Encoder::waiting_call(uint32_t tool) noexcept {
    const auto at = std::ranges::find(waiting_, tool, &Call::tool);
    return at == waiting_.end() ? nullptr : &*at;
}

void Encoder::open_next_call() {
    const Call call = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    waiting_bytes_ -= call.id.size() + call.name.size() + call.arguments.size();
    open_call(call.tool, call.id, call.name, call.arguments);
}

/// All calls that wait get their blocks: the answer goes on to something else, or they are too many to keep.
void Encoder::finish_calls() {
    while (!waiting_.empty()) open_next_call();
}

void Encoder::write_end() {
    if (!started_) write_start({.kind = Delta::Kind::start});
    finish_calls();
    close();
    ended_ = true;
    const bool declined = refused_ && (reason_ == FinishReason::none || reason_ == FinishReason::stop);
    {
        EventOut event("message_delta", *out_);
        JsonOut& json = event.json;
        json.key("delta");
        json.open_object();
        json.member("stop_reason",
                    stop_reason_of(declined ? FinishReason::refusal : reason_, finish_text_, tool_called_));
        if (has_stop_sequence_) {
            json.member("stop_sequence", stop_sequence_);
        } else {
            json.member_null("stop_sequence");
        }
        json.close_object();
        json.key("usage");
        write_usage(usage_, {}, json);
    }
    EventOut("message_stop", *out_);
}

void Encoder::write_error(const ErrorAnswer& error) {
    ended_ = true;
    out_->append("event: error\ndata: ");
    write_error_document(error, *out_);
    out_->append("\n\n");
}

}  // namespace

std::unique_ptr<StreamEncoder> make_encoder() { return std::make_unique<Encoder>(); }

}  // namespace loom::llm::anthropic
