#include <array>
#include <optional>

#include "anthropic.h"
#include "anthropic_usage.h"
#include "citation.h"

namespace loom::llm::anthropic {

namespace {

/// One event, its members gathered before any is told: a malformed one tells nothing.
struct Event {
    Text type;
    uint32_t index = 0;
    std::optional<Cursor> message, block, delta, usage, error;
};

/// A content block or a delta of one, gathered likewise.
struct Piece {
    Text type, text, thinking, signature, data, id, name, partial_json;
    Json input, citation;
};

bool collect(Cursor& cursor, Event& event) {
    const auto keep = [&](std::optional<Cursor>& at) {
        if (cursor.peek() != '{') return cursor.skip_value();
        at = cursor;
        return cursor.skip_value();
    };
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, event.type);
        if (name == "message") return keep(event.message);
        if (name == "content_block") return keep(event.block);
        if (name == "delta") return keep(event.delta);
        if (name == "usage") return keep(event.usage);
        if (name == "error") return keep(event.error);
        uint64_t index = 0;
        if (name != "index" || !cursor.take_count(index)) return cursor.skip_value();
        event.index = static_cast<uint32_t>(std::min<uint64_t>(index, UINT32_MAX));
        return true;
    });
    return good && cursor.at_end();
}

/// The cursor's object was judged whole already.
Piece piece_at(Cursor cursor) {
    Piece piece;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, piece.type);
        if (name == "text") return take_text(cursor, piece.text);
        if (name == "thinking") return take_text(cursor, piece.thinking);
        if (name == "signature") return take_text(cursor, piece.signature);
        if (name == "data") return take_text(cursor, piece.data);
        if (name == "id") return take_text(cursor, piece.id);
        if (name == "name") return take_text(cursor, piece.name);
        if (name == "partial_json") return take_text(cursor, piece.partial_json);
        if (name == "input") return take_json(cursor, piece.input);
        if (name == "citation") return take_json(cursor, piece.citation);
        return cursor.skip_value();
    });
    return good ? piece : Piece{};
}

/// Without members: "{}", or "{ }".
bool is_empty_object(Json value) noexcept {
    return value.size() >= 2 && value.find_first_not_of(" \t\r\n", 1) == value.size() - 1;
}

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view name, std::string_view data, Context& context, DeltaSink& sink) override;
    bool read_end(Context&, DeltaSink&) override { return ended_; }

  private:
    /// Blocks come one after the other; servers that speak the protocol by heart only have been seen to interleave
    /// them, so each delta goes by its own index.
    struct Block {
        enum class Kind : uint8_t { text, thinking, tool, other };
        uint32_t index = 0;
        Kind kind = Kind::other;
        bool has_arguments = false;
        uint32_t tool = 0;
    };
    static constexpr uint32_t blocks_max = 32;

    bool tell(const Event& event, Context& context, DeltaSink& sink);
    bool tell_start(const Event& event, DeltaSink& sink);
    bool tell_block_start(const Event& event, Context& context, DeltaSink& sink);
    bool tell_tool_start(Block& block, const Piece& piece, Context& context, DeltaSink& sink);
    bool tell_block_delta(const Event& event, DeltaSink& sink);
    bool tell_block_stop(const Event& event, DeltaSink& sink);
    bool tell_message_delta(const Event& event, DeltaSink& sink);
    bool tell_error(const Event& event, DeltaSink& sink);
    void tell_end(DeltaSink& sink);
    bool read_usage(const std::optional<Cursor>& at);
    Block* block_of(uint32_t index) noexcept;

    std::array<Block, blocks_max> blocks_;  // that are open
    uint32_t block_count_ = 0;
    uint32_t tool_count_ = 0;
    HeldCitations citations_;  // of the block that is open
    Counts counts_;
    Usage usage_;
    bool started_ = false;
    bool finished_ = false;
    bool ended_ = false;  // as the protocol has it
    bool failed_ = false;
};

bool Decoder::read(std::string_view name, std::string_view data, Context& context, DeltaSink& sink) {
    if (ended_ || failed_ || data == "[DONE]") return true;  // OpenAI's, which some append to whatever they send
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(data, tokens);
    Event event;
    if (!collect(cursor, event)) return false;
    if (!has(event.type)) event.type = name;
    return tell(event, context, sink);
}

bool Decoder::tell(const Event& event, Context& context, DeltaSink& sink) {
    if (event.type == "content_block_delta") return tell_block_delta(event, sink);
    if (event.type == "content_block_start") return tell_block_start(event, context, sink);
    if (event.type == "content_block_stop") return tell_block_stop(event, sink);
    if (event.type == "message_start") return tell_start(event, sink);
    if (event.type == "message_delta") return tell_message_delta(event, sink);
    if (event.type == "error") return tell_error(event, sink);
    if (event.type == "ping") sink.on_delta({.kind = Delta::Kind::ping});
    if (event.type == "message_stop") tell_end(sink);
    return true;  // new kinds of events may come any day
}

bool Decoder::tell_start(const Event& event, DeltaSink& sink) {
    if (!event.message) return false;
    if (started_) return true;
    Delta delta{.kind = Delta::Kind::start};
    Cursor cursor = *event.message;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "id") return take_text(cursor, delta.id);
        if (name == "model") return take_text(cursor, delta.model);
        return name == "usage" ? counts_.read(cursor) : cursor.skip_value();
    });
    if (!good) return false;
    started_ = true;
    usage_ = counts_.usage();
    if (counts_.told()) delta.usage = &usage_;
    sink.on_delta(delta);
    return true;
}

Decoder::Block* Decoder::block_of(uint32_t index) noexcept {
    for (uint32_t i = 0; i < block_count_; ++i)
        if (blocks_[i].index == index) return &blocks_[i];
    return nullptr;
}

bool Decoder::tell_block_start(const Event& event, Context& context, DeltaSink& sink) {
    if (!event.block || block_of(event.index) != nullptr || block_count_ == blocks_max) return false;
    const Piece piece = piece_at(*event.block);
    Block block{.index = event.index};
    if (piece.type == "text") {
        block.kind = Block::Kind::text;
        if (!piece.text.empty()) sink.on_delta({.kind = Delta::Kind::text, .text = piece.text});
    } else if (piece.type == "thinking") {
        block.kind = Block::Kind::thinking;
        // Also when it is empty, for there the part begins; a signature alone may be all that comes of it.
        sink.on_delta({.kind = Delta::Kind::thinking, .text = has(piece.thinking) ? piece.thinking : Text("")});
        if (!piece.signature.empty()) sink.on_delta({.kind = Delta::Kind::signature, .signature = piece.signature});
    } else if (piece.type == "redacted_thinking") {
        sink.on_delta({.kind = Delta::Kind::redacted_thinking, .text = has(piece.data) ? piece.data : Text("")});
    } else if (piece.type == "tool_use") {
        if (!tell_tool_start(block, piece, context, sink)) return false;
    } else {
        if (!has(piece.type)) return false;
        context.losses.add(piece.type);  // the provider's own tools: their calls and their results
    }
    blocks_[block_count_++] = block;
    return true;
}

bool Decoder::tell_tool_start(Block& block, const Piece& piece, Context& context, DeltaSink& sink) {
    if (!has(piece.id) || !has(piece.name)) return false;
    block.kind = Block::Kind::tool;
    block.tool = tool_count_++;
    sink.on_delta({.kind = Delta::Kind::tool_call,
                   .tool = block.tool,
                   .tool_id = piece.id,
                   .tool_name = context.aliases.original_of(piece.name)});
    if (!piece.input.starts_with('{') || is_empty_object(piece.input)) return true;
    block.has_arguments = true;  // some send them all at once
    sink.on_delta({.kind = Delta::Kind::arguments, .tool = block.tool, .json = piece.input});
    return true;
}

bool Decoder::tell_block_delta(const Event& event, DeltaSink& sink) {
    if (!event.delta) return false;
    const Piece piece = piece_at(*event.delta);
    Block* const block = block_of(event.index);
    if (block == nullptr) return false;
    if (piece.type == "text_delta") {
        if (!piece.text.empty()) sink.on_delta({.kind = Delta::Kind::text, .text = piece.text});
    } else if (piece.type == "thinking_delta") {
        if (!piece.thinking.empty()) sink.on_delta({.kind = Delta::Kind::thinking, .text = piece.thinking});
    } else if (piece.type == "signature_delta") {
        if (!piece.signature.empty()) sink.on_delta({.kind = Delta::Kind::signature, .signature = piece.signature});
    } else if (piece.type == "citations_delta") {
        if (has(piece.citation)) citations_.take(piece.citation, sink);
    } else if (piece.type == "input_json_delta") {
        if (block->kind != Block::Kind::tool || piece.partial_json.empty()) return true;
        block->has_arguments = true;
        sink.on_delta({.kind = Delta::Kind::arguments, .tool = block->tool, .text = piece.partial_json});
    }
    return true;
}

bool Decoder::tell_block_stop(const Event& event, DeltaSink& sink) {
    Block* const block = block_of(event.index);
    if (block == nullptr) return true;  // told twice: nothing is lost
    if (block->kind == Block::Kind::tool && !block->has_arguments)
        sink.on_delta({.kind = Delta::Kind::arguments, .tool = block->tool, .json = "{}"});
    if (block->kind == Block::Kind::text) citations_.tell(sink);
    if (block->kind != Block::Kind::other) sink.on_delta({.kind = Delta::Kind::part_end, .tool = block->tool});
    *block = blocks_[--block_count_];
    return true;
}

bool Decoder::read_usage(const std::optional<Cursor>& at) {
    if (!at) return false;
    Cursor cursor = *at;
    if (!counts_.read(cursor)) return false;
    usage_ = counts_.usage();
    return counts_.told();
}

bool Decoder::tell_message_delta(const Event& event, DeltaSink& sink) {
    Delta finish{.kind = Delta::Kind::finish};
    if (event.delta) {
        Cursor cursor = *event.delta;
        const bool good = cursor.each_member([&](Range key) {
            const std::string_view name = name_of(cursor, key);
            if (name == "stop_reason") return take_text(cursor, finish.finish_text);
            return name == "stop_sequence" ? take_text(cursor, finish.stop_sequence) : cursor.skip_value();
        });
        if (!good) return false;
    }
    if (read_usage(event.usage)) sink.on_delta({.kind = Delta::Kind::usage, .usage = &usage_});
    if (finished_ || !has(finish.finish_text)) return true;
    finished_ = true;
    citations_.tell(sink);
    finish.reason = finish_reason_of(finish.finish_text);
    sink.on_delta(finish);
    return true;
}

bool Decoder::tell_error(const Event& event, DeltaSink& sink) {
    if (!event.error) return false;
    ErrorAnswer error;
    Cursor cursor = *event.error;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "message") return take_text(cursor, error.message);
        return name == "type" ? take_text(cursor, error.type) : cursor.skip_value();
    });
    if (!good) return false;
    failed_ = true;
    if (!has(error.message)) error.message = error.type;
    sink.on_delta({.kind = Delta::Kind::error, .error = &error});
    return true;
}

void Decoder::tell_end(DeltaSink& sink) {
    ended_ = true;
    sink.on_delta({.kind = Delta::Kind::end});
}

}  // namespace

std::unique_ptr<StreamDecoder> make_decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::anthropic
