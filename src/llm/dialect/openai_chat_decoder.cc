#include <algorithm>
#include <utility>
#include <vector>

#include "loom/base/hash.h"
#include "openai_chat.h"
#include "usage_object.h"

namespace loom::llm::openai_chat {

namespace {

using Kind = Delta::Kind;

constexpr uint32_t choices_max = 128;  // OpenAI's bound on n
constexpr uint32_t calls_max = 256;    // of all choices of a stream

/// One thing that an event says of a choice: read whole before any of it is told, so that a malformed event says
/// nothing.
struct Piece {
    Delta delta;
    uint64_t tool_index = 0;  // as the provider counts
    bool has_index = false;
};

struct Event {
    Text id;
    Text model;
    uint64_t created = 0;
    bool has_choices = false;
    ArenaList<Piece> pieces;
    Usage usage;
    bool has_usage = false;
    ErrorAnswer error;
    bool is_error = false;
};

class EventReader {
  public:
    EventReader(Cursor& cursor, Context& context, Event& event) noexcept
        : cursor_(cursor), context_(context), event_(event) {}

    bool read() {
        if (cursor_.peek() != '{') return false;
        return each([&](std::string_view name) { return read_member(name); }) && cursor_.at_end();
    }

  private:
    template <class OnMember>
    bool each(OnMember&& on_member) {
        return cursor_.each_member([&](Range key) { return on_member(name_of(cursor_, key)); });
    }
    template <class OnObject>
    bool each_object(OnObject&& on_object) {
        if (cursor_.peek() != '[') return cursor_.skip_value();
        return cursor_.each_element([&] { return cursor_.peek() == '{' ? on_object() : cursor_.skip_value(); });
    }
    Piece& add(Kind kind) {
        Piece& piece = event_.pieces.add(context_.arena);
        piece.delta.kind = kind;
        piece.delta.choice = choice_;
        return piece;
    }
    /// A piece of text, where there is any.
    bool take_piece(Kind kind) {
        Text text;
        if (!take_text(cursor_, text)) return false;
        if (has(text) && !text.empty()) add(kind).delta.text = text;
        return true;
    }

    bool read_member(std::string_view name) {
        if (name == "id") return take_text(cursor_, event_.id);
        if (name == "model") return take_text(cursor_, event_.model);
        if (name == "created") return cursor_.take_count(event_.created) || cursor_.skip_value();
        if (name == "choices") return each_object([&] { return read_choice(); });
        if (name == "usage" && cursor_.peek() == '{') return read_usage_object(cursor_, event_.usage, event_.has_usage);
        if (name != "error" || cursor_.is_null()) return cursor_.skip_value();
        event_.is_error = true;
        return read_error_value(cursor_, context_, event_.error);
    }

    bool read_choice() {
        event_.has_choices = true;
        choice_ = 0;
        const uint32_t before = event_.pieces.count();
        Text finish, stop_sequence;
        Json logprobs;
        const bool good = each([&](std::string_view name) {
            uint64_t index = 0;
            if (name == "delta" && cursor_.peek() == '{') return read_delta();
            if (name == "finish_reason") return take_text(cursor_, finish);
            if (name == "stop_reason") return take_text(cursor_, stop_sequence);
            if (name == "logprobs") return take_json(cursor_, logprobs);
            if (name != "index" || !cursor_.take_count(index)) return cursor_.skip_value();
            choice_ = static_cast<uint32_t>(std::min<uint64_t>(index, choices_max));
            return choice_ < choices_max;
        });
        if (!good) return false;
        if (has(logprobs)) add(Kind::logprobs).delta.json = logprobs;
        if (has(finish)) {
            Delta& delta = add(Kind::finish).delta;
            delta.finish_text = finish;
            delta.stop_sequence = stop_sequence;
        }
        uint32_t at = 0;  // the index may stand behind the delta
        for (Piece& piece : event_.pieces)
            if (at++ >= before) piece.delta.choice = choice_;
        return true;
    }

    bool read_delta() {
        Text reasoning;
        bool has_reasoning_content = false;
        ArenaList<Part> blocks;
        const bool good = each([&](std::string_view name) {
            if (name == "content") return read_content();
            if (name == "refusal") return take_piece(Kind::refusal);
            if (name == "reasoning_content") {
                const uint32_t before = event_.pieces.count();
                if (!take_piece(Kind::thinking)) return false;
                has_reasoning_content |= event_.pieces.count() > before;
                return true;
            }
            if (name == "reasoning") return take_text(cursor_, reasoning);
            if (name == "thinking_blocks")
                return each_object([&] { return read_thinking_block(cursor_, blocks.add(context_.arena)); });
            if (name == "tool_calls") return each_object([&] { return read_tool_call(); });
            if (name == "function_call" && cursor_.peek() == '{') return read_function_call();
            if (name == "annotations")
                return each_object([&] { return take_json(cursor_, add(Kind::citation).delta.json); });
            if (name == "audio" && cursor_.peek() == '{') return read_audio();
            return cursor_.skip_value();
        });
        if (!good) return false;
        // vLLM says both for a while, and they are the same.
        if (!has_reasoning_content && has(reasoning) && !reasoning.empty()) {
            add(Kind::thinking).delta.text = reasoning;
            has_reasoning_content = true;
        }
        for (const Part& block : blocks) add_block(block, has_reasoning_content);
        return true;
    }
    /// A block's text is `reasoning_content` once more; LiteLLM says it beside, we say the signature alone.
    void add_block(const Part& block, bool text_is_told) {
        if (block.kind == Part::Kind::redacted_thinking) {
            add(Kind::redacted_thinking).delta.text = block.text;
            return;
        }
        if (!text_is_told && has(block.text) && !block.text.empty() && !has(block.signature))
            add(Kind::thinking).delta.text = block.text;
        if (has(block.signature) && !block.signature.empty()) add(Kind::signature).delta.signature = block.signature;
    }

    /// A string; of some servers a list of parts, as requests have it.
    bool read_content() {
        if (cursor_.peek() == '"') return take_piece(Kind::text);
        return each_object([&] {
            return each([&](std::string_view name) {
                if (name == "text") return take_piece(Kind::text);
                return name == "thinking" ? read_mistral_thinking() : cursor_.skip_value();
            });
        });
    }
    bool read_mistral_thinking() {
        if (cursor_.peek() == '"') return take_piece(Kind::thinking);
        return each_object([&] {
            return each([&](std::string_view name) {
                return name == "text" ? take_piece(Kind::thinking) : cursor_.skip_value();
            });
        });
    }
    /// Sound has no delta of its own yet: what it says does.
    bool read_audio() {
        return each([&](std::string_view name) {
            if (name == "transcript") return take_piece(Kind::text);
            if (name == "data") context_.losses.add("audio");
            return cursor_.skip_value();
        });
    }

    bool read_tool_call() {
        Piece& piece = add(Kind::tool_call);
        return each([&](std::string_view name) {
            if (name == "index" && cursor_.take_count(piece.tool_index)) {
                piece.has_index = true;
                return true;
            }
            if (name == "id") return take_text(cursor_, piece.delta.tool_id);
            if (name == "extra_content") return read_extra_content(cursor_, piece.delta.signature);
            if (name == "function" && cursor_.peek() == '{') return read_function(piece);
            return cursor_.skip_value();
        });
    }
    bool read_function_call() {
        Piece& piece = add(Kind::tool_call);
        piece.has_index = true;  // there is one of it
        return read_function(piece);
    }
    bool read_function(Piece& piece) {
        return each([&](std::string_view name) {
            if (name == "name") return take_text(cursor_, piece.delta.tool_name);
            if (name != "arguments") return cursor_.skip_value();
            return cursor_.peek() == '{' ? take_json(cursor_, piece.delta.json) : take_text(cursor_, piece.delta.text);
        });
    }

    Cursor& cursor_;
    Context& context_;
    Event& event_;
    uint32_t choice_ = 0;
};

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view, std::string_view data, Context& context, DeltaSink& sink) override {
        if (ended_) return true;
        if (data == "[DONE]") {
            end(sink);
            return true;
        }
        Tokens tokens;
        Fault fault;
        if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return false;
        Cursor cursor(data, tokens);
        Event event;
        if (!EventReader(cursor, context, event).read()) return false;
        tell(event, context, sink);
        return true;
    }

    /// Some compatible servers end without `[DONE]`: whole is an answer of which every choice has finished.
    bool read_end(Context&, DeltaSink& sink) override {
        if (ended_) return !failed_;
        if (choices_.empty() || !std::ranges::all_of(choices_, &ChoiceState::finished)) return false;
        end(sink);
        return true;
    }

  private:
    struct ChoiceState {
        uint32_t call_count = 0;
        bool finished = false;
        bool refused = false;
    };
    struct Call {
        uint32_t choice = 0;
        uint32_t ordinal = 0;
        uint64_t index = 0;    // the provider's
        uint64_t id_hash = 0;  // 0: it had none
    };

    void end(DeltaSink& sink) {
        ended_ = true;
        sink.on_delta({.kind = Kind::end});
    }

    void tell(Event& event, Context& context, DeltaSink& sink) {
        if (event.is_error) {
            ended_ = failed_ = true;
            sink.on_delta({.kind = Kind::error, .error = &event.error});
            return;
        }
        start(event, sink);
        for (const Piece& piece : event.pieces) tell_piece(piece, context, sink);
        if (event.has_usage) sink.on_delta({.kind = Kind::usage, .usage = &event.usage});
    }
    /// Azure's first event has neither id nor choices: what its prompt filter thought.
    void start(const Event& event, DeltaSink& sink) {
        if (started_ || (event.id.empty() && !event.has_choices)) return;
        started_ = true;
        sink.on_delta({.kind = Kind::start, .id = event.id, .model = event.model, .created = event.created});
    }

    void tell_piece(const Piece& piece, Context& context, DeltaSink& sink) {
        ChoiceState& choice = choice_of(piece.delta.choice);
        switch (piece.delta.kind) {
            case Kind::tool_call: return tell_call(piece, choice, context, sink);
            case Kind::finish: return tell_finish(piece.delta, choice, sink);
            case Kind::refusal: choice.refused = true; break;
            default: break;
        }
        sink.on_delta(piece.delta);
    }
    ChoiceState& choice_of(uint32_t index) {
        if (index >= choices_.size()) choices_.resize(index + 1);  // below choices_max
        return choices_[index];
    }
    void tell_finish(Delta delta, ChoiceState& choice, DeltaSink& sink) {
        if (std::exchange(choice.finished, true)) return;
        delta.reason = finish_of(delta.finish_text, choice.refused);
        if (has(delta.stop_sequence) && delta.reason == FinishReason::stop) delta.reason = FinishReason::stop_sequence;
        sink.on_delta(delta);
    }

    void tell_call(const Piece& piece, ChoiceState& choice, Context& context, DeltaSink& sink) {
        const Delta& read = piece.delta;
        const bool has_id = has(read.tool_id) && !read.tool_id.empty();
        const uint64_t id_hash = has_id ? std::max<uint64_t>(hash64(read.tool_id), 1) : 0;
        const Call* call = find(piece, id_hash);
        if (call == nullptr) {
            if (calls_.size() == calls_max) return context.losses.add("tool_calls");
            calls_.push_back({read.choice, choice.call_count++, piece.tool_index, id_hash});
            call = &calls_.back();
            begin(*call, read, has_id, context, sink);
        }
        const bool has_text = has(read.text) && !read.text.empty();
        if (!has_text && !has(read.json)) return;
        sink.on_delta({.kind = Kind::arguments,
                       .choice = read.choice,
                       .tool = call->ordinal,
                       .text = has_text ? read.text : Text{},
                       .json = read.json});
    }
    void begin(const Call& call, const Delta& read, bool has_id, Context& context, DeltaSink& sink) {
        sink.on_delta({.kind = Kind::tool_call,
                       .choice = call.choice,
                       .tool = call.ordinal,
                       .signature = read.signature,
                       .tool_id = has_id ? read.tool_id : made_call_id(call.choice, call.ordinal, context),
                       .tool_name = context.aliases.original_of(read.tool_name)});
    }
    /// The call that a piece goes on with; null: it begins one. Some servers count every call as 0, others do not
    /// count: then a new id tells them apart.
    [[nodiscard]] const Call* find(const Piece& piece, uint64_t id_hash) const noexcept {
        for (size_t i = calls_.size(); i-- > 0;) {
            const Call& call = calls_[i];
            if (call.choice != piece.delta.choice) continue;
            if (id_hash != 0 && call.id_hash == id_hash) return &call;
            if (piece.has_index && call.index != piece.tool_index) continue;
            return id_hash == 0 || call.id_hash == id_hash ? &call : nullptr;
        }
        return nullptr;
    }

    std::vector<ChoiceState> choices_;
    std::vector<Call> calls_;
    bool started_ = false;
    bool ended_ = false;
    bool failed_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::openai_chat
