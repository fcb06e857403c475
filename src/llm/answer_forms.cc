#include "loom/llm/answer_forms.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "answer_members.h"
#include "dialect/dialect.h"
#include "loom/llm/json_text.h"
#include "translation_state.h"

namespace loom::llm {
namespace {

using Kind = Delta::Kind;

constexpr uint32_t choices_max = 128;
constexpr const char* not_carried = "the answer holds what its other form cannot be made of";
constexpr const char* not_whole = "the stream is not whole";

/// Deltas, put together as the answer that they tell.
class Gatherer final : public DeltaSink {
  public:
    void on_delta(const Delta& delta) override {
        if (delta.usage != nullptr) usage_ = *delta.usage;
        switch (delta.kind) {
            case Kind::start:
                id_ = delta.id;
                model_ = delta.model;
                created_ = delta.created;
                return;
            case Kind::end: ended_ = true; return;
            case Kind::error: failed_ = true; return;
            case Kind::usage:
            case Kind::ping: return;
            case Kind::citation:
            case Kind::logprobs:
            case Kind::image: missed_ = true; return;
            default: break;
        }
        if (delta.choice >= choices_max) {
            missed_ = true;
            return;
        }
        if (delta.choice >= choices_.size()) choices_.resize(delta.choice + 1);
        take(delta, choices_[delta.choice]);
    }

    [[nodiscard]] bool whole() const noexcept { return ended_ && !failed_; }
    [[nodiscard]] bool missed() const noexcept { return missed_; }
    [[nodiscard]] std::string_view model() const noexcept { return model_; }
    /// So many choices, and each has come to an end that is the model's own.
    [[nodiscard]] bool ends_well(uint32_t choices) const noexcept {
        return whole() && choices_.size() == choices &&
               std::ranges::all_of(choices_, [](const ChoiceTold& one) { return llm::ends_well(one.finish); });
    }

    /// Views of this object's own.
    void tell(ChatAnswer& answer, Arena& arena) const {
        answer.id = id_;
        answer.model = model_;
        answer.created = created_;
        answer.usage = usage_;
        for (size_t i = 0; i < choices_.size(); ++i) {
            const ChoiceTold& told = choices_[i];
            Choice& choice = answer.choices.add(arena);
            choice.index = static_cast<uint32_t>(i);
            choice.finish = told.finish;
            if (told.has_finish_text) choice.finish_text = told.finish_text;
            if (told.has_stop_sequence) choice.stop_sequence = told.stop_sequence;
            for (const PartTold& part : told.parts) tell(part, choice.parts.add(arena));
        }
    }

  private:
    struct PartTold {
        Part::Kind kind;
        uint32_t tool = 0;
        bool open = true;
        bool has_signature = false;
        bool has_json = false;
        std::string text;  // of a call: its arguments
        std::string signature;
        std::string tool_id;
        std::string tool_name;
    };
    struct ChoiceTold {
        std::deque<PartTold> parts;  // which stay where they are
        FinishReason finish = FinishReason::none;
        bool has_finish_text = false;
        bool has_stop_sequence = false;
        std::string finish_text;
        std::string stop_sequence;
    };

    static void tell(const PartTold& told, Part& part) {
        part.kind = told.kind;
        if (told.has_signature) part.signature = told.signature;
        if (told.kind != Part::Kind::tool_call) {
            part.text = told.text;
            return;
        }
        part.tool_id = told.tool_id;
        part.tool_name = told.tool_name;
        (told.has_json ? part.arguments : part.arguments_text) = told.text;
    }

    static PartTold& open(ChoiceTold& choice, Part::Kind kind) {
        const bool goes_on = !choice.parts.empty() && choice.parts.back().open && choice.parts.back().kind == kind;
        return goes_on ? choice.parts.back() : choice.parts.emplace_back(PartTold{.kind = kind});
    }
    static void sign(PartTold& part, Text signature) {
        if (!has(signature)) return;
        part.has_signature = true;
        part.signature = signature;
        part.open = false;
    }
    static void add_text(ChoiceTold& choice, Part::Kind kind, const Delta& delta) {
        if (delta.text.empty() && !has(delta.signature)) return;
        PartTold& part = open(choice, kind);
        part.text += delta.text;
        sign(part, delta.signature);
    }

    void take(const Delta& delta, ChoiceTold& choice) {
        switch (delta.kind) {
            case Kind::text: return add_text(choice, Part::Kind::text, delta);
            case Kind::refusal: return add_text(choice, Part::Kind::refusal, delta);
            case Kind::thinking: return add_text(choice, Part::Kind::thinking, delta);
            case Kind::signature: return sign(open(choice, Part::Kind::thinking), delta.signature);
            case Kind::redacted_thinking:
                choice.parts.push_back(
                    {.kind = Part::Kind::redacted_thinking, .open = false, .text = std::string(delta.text)});
                return;
            case Kind::tool_call: return begin_call(delta, choice);
            case Kind::arguments: return add_arguments(delta, choice);
            case Kind::part_end:
                if (!choice.parts.empty()) choice.parts.back().open = false;
                return;
            case Kind::finish:
                choice.finish = delta.reason;
                choice.has_finish_text = has(delta.finish_text);
                choice.finish_text = delta.finish_text;
                choice.has_stop_sequence = has(delta.stop_sequence);
                choice.stop_sequence = delta.stop_sequence;
                return;
            default: return;
        }
    }
    static void begin_call(const Delta& delta, ChoiceTold& choice) {
        PartTold& part = choice.parts.emplace_back(PartTold{.kind = Part::Kind::tool_call, .tool = delta.tool});
        part.tool_id = delta.tool_id;
        part.tool_name = delta.tool_name;
        sign(part, delta.signature);
    }
    void add_arguments(const Delta& delta, ChoiceTold& choice) {
        const auto part = std::ranges::find_if(choice.parts, [&delta](const PartTold& one) {
            return one.kind == Part::Kind::tool_call && one.tool == delta.tool;
        });
        if (part == choice.parts.end()) {
            missed_ = true;
            return;
        }
        part->has_json |= !delta.json.empty();
        part->text += delta.json.empty() ? delta.text : delta.json;
    }

    std::string id_;
    std::string model_;
    uint64_t created_ = 0;
    Usage usage_;
    std::vector<ChoiceTold> choices_;
    bool ended_ = false;
    bool failed_ = false;
    bool missed_ = false;
};

/// Tells an answer delta by delta. False: there is something in it that has none.
class Reciter {
  public:
    Reciter(StreamEncoder& encoder, Context& context, ByteBuffer& out) noexcept
        : encoder_(encoder), context_(context), out_(out) {}

    [[nodiscard]] bool tell(const ChatAnswer& answer) {
        const bool has_usage = answer.usage.provenance != Usage::Provenance::none;
        const Usage* const usage = has_usage ? &answer.usage : nullptr;
        write({.kind = Kind::start, .id = answer.id, .model = answer.model, .created = answer.created, .usage = usage});
        for (const Choice& choice : answer.choices)
            if (!tell(choice)) return false;
        if (has_usage) write({.kind = Kind::usage, .usage = usage});
        write({.kind = Kind::end});
        return true;
    }

  private:
    void write(const Delta& delta) { encoder_.write(delta, context_, out_); }

    [[nodiscard]] bool tell(const Choice& choice) {
        if (has(choice.logprobs)) return false;
        calls_ = 0;
        for (const Part& part : choice.parts)
            if (!tell(part, choice.index)) return false;
        write({.kind = Kind::finish,
               .reason = choice.finish,
               .choice = choice.index,
               .finish_text = choice.finish_text,
               .stop_sequence = choice.stop_sequence});
        return true;
    }

    [[nodiscard]] bool tell(const Part& part, uint32_t choice) {
        if (has(part.citations) || part.thought) return false;
        switch (part.kind) {
            case Part::Kind::text:
                write({.kind = Kind::text, .choice = choice, .text = part.text, .signature = part.signature});
                break;
            case Part::Kind::refusal: write({.kind = Kind::refusal, .choice = choice, .text = part.text}); break;
            case Part::Kind::thinking:
                if (has(part.text) && !part.text.empty())
                    write({.kind = Kind::thinking, .choice = choice, .text = part.text});
                if (has(part.signature) && !part.signature.empty())
                    write({.kind = Kind::signature, .choice = choice, .signature = part.signature});
                break;
            case Part::Kind::redacted_thinking:
                write({.kind = Kind::redacted_thinking, .choice = choice, .text = part.text});
                break;
            case Part::Kind::tool_call: tell_call(part, choice); break;
            default: return false;
        }
        write({.kind = Kind::part_end, .choice = choice});
        return true;
    }
    void tell_call(const Part& part, uint32_t choice) {
        const uint32_t tool = calls_++;
        write({.kind = Kind::tool_call,
               .choice = choice,
               .tool = tool,
               .signature = part.signature,
               .tool_id = part.tool_id,
               .tool_name = part.tool_name});
        write({.kind = Kind::arguments,
               .choice = choice,
               .tool = tool,
               .text = part.arguments_text,
               .json = part.arguments});
    }

    StreamEncoder& encoder_;
    Context& context_;
    ByteBuffer& out_;
    uint32_t calls_ = 0;
};

TranslateTerms own_terms(TranslateTerms terms) noexcept {
    terms.provider = terms.client;
    return terms;
}

}  // namespace

struct AnswerForms::State : TranslationState {
    State(TranslateScratch::Parts& scratch, BlockPool& pool, const TranslateTerms& given)
        : TranslationState(scratch, pool, own_terms(given)), memo(kept), dialect(dialect_of(terms.client)) {}

    Context context() { return TranslationState::context(&memo); }
    /// What an answer loses is told apart from what its request has lost.
    Context answer_context() {
        return {.arena = call,
                .structure = scratch.structure,
                .nested = scratch.nested,
                .losses = answer_losses,
                .aliases = aliases,
                .terms = terms,
                .memo = &memo};
    }

    Memo memo;
    const Dialect& dialect;
    Losses answer_losses{kept};
    [[nodiscard]] bool has_lost() const noexcept { return !answer_losses.empty(); }
    /// The other form names the model that this one named.
    void name_model(std::string_view text) {
        if (!text.empty()) terms.client_model = plain(text, kept);
    }

    std::unique_ptr<StreamDecoder> decoder;
    Gatherer gathered;
};

AnswerForms::AnswerForms(TranslateScratch& scratch, BlockPool& pool, const TranslateTerms& terms)
    : state_(std::make_unique<State>(*scratch.parts_, pool, terms)) {}
AnswerForms::~AnswerForms() = default;

Result<void> AnswerForms::read_request(std::string_view body) {
    if (!offers_functions_alone(state_->terms.client, body, state_->scratch.structure))
        return loom::fail(Errc::unsupported, Side::internal, not_carried);
    Context context = state_->context();
    ChatRequest request;
    const Result<void> step = state_->dialect.read_request(body, context, request);
    state_->finish_call();
    return step;
}

Result<void> AnswerForms::events_of(std::string_view document, const Usage& usage, ByteBuffer& out) {
    if (find_bad_escape(document) != document.npos)
        return loom::fail(Errc::bad_message, Side::upstream, "a string of the document holds a broken escape");
    if (!knows_answer(state_->terms.client, document, state_->scratch.structure))
        return loom::fail(Errc::unsupported, Side::internal, not_carried);
    Context context = state_->answer_context();
    ChatAnswer answer;
    Result<void> step = state_->dialect.read_answer(one_line(document, state_->call), context, answer);
    if (step) {
        state_->name_model(answer.model);
        if (answer.usage.provenance == Usage::Provenance::none) answer.usage = usage;
        const auto encoder = state_->dialect.encoder();
        const bool told = Reciter(*encoder, context, out).tell(answer);
        if (!told || state_->has_lost()) step = loom::fail(Errc::unsupported, Side::internal, not_carried);
    }
    state_->finish_call();
    return step;
}

bool AnswerForms::take_event(std::string_view name, std::string_view data) {
    State& state = *state_;
    if (state.decoder == nullptr) state.decoder = state.dialect.decoder();
    if (find_bad_escape(data) != data.npos) return false;
    if (!knows_event(state.terms.client, data, state.scratch.structure)) return false;
    Context context = state.answer_context();
    const bool read = state.decoder->read(name, one_line(data, state.call), context, state.gathered);
    state.finish_call();
    return read;
}

Result<void> AnswerForms::document_of_taken(const Usage& usage, ByteBuffer& out) {
    State& state = *state_;
    Context context = state.answer_context();
    Result<void> step;
    if (state.decoder == nullptr || !state.decoder->read_end(context, state.gathered) || !state.gathered.whole()) {
        step = loom::fail(Errc::bad_message, Side::upstream, not_whole);
    } else {
        ChatAnswer answer;
        state.gathered.tell(answer, state.call);
        state.name_model(answer.model);
        if (answer.usage.provenance == Usage::Provenance::none) answer.usage = usage;
        state.dialect.write_answer(answer, context, out);
        if (state.gathered.missed() || state.has_lost())
            step = loom::fail(Errc::unsupported, Side::internal, not_carried);
    }
    state.finish_call();
    return step;
}

bool AnswerForms::ends_well(std::string_view document) {
    Context context = state_->answer_context();
    ChatAnswer answer;
    const bool read = state_->dialect.read_answer(document, context, answer).has_value();
    const bool well = read && !answer.choices.empty() &&
                      std::ranges::all_of(answer.choices, [](const Choice& one) { return llm::ends_well(one.finish); });
    state_->finish_call();
    return well;
}

bool AnswerForms::taken_ends_well(uint32_t choices) {
    State& state = *state_;
    Context context = state.answer_context();
    const bool whole = state.decoder != nullptr && state.decoder->read_end(context, state.gathered);
    state.finish_call();
    return whole && state.gathered.ends_well(choices);
}

bool AnswerForms::has_embeddings(TranslateScratch& scratch, std::string_view document) {
    Structure& structure = scratch.parts_->structure;
    Tokens tokens;
    Fault fault;
    bool has_any = false;
    bool good = structure.index(document, Structure::Utf8::passed, tokens, fault);
    if (good) {
        Cursor cursor(document, tokens);
        good = cursor.each_member([&](Range key) {
            const std::string_view name = inside(cursor.text(), key);
            if (name == "error" && !cursor.is_null()) return false;
            Range value;
            if (!cursor.skip_value(value)) return false;
            const std::string_view text = text_of(cursor.text(), value);
            if (name == "data" || name == "embeddings") has_any |= text.starts_with('[') && text.contains('{');
            if (name == "embedding") has_any |= text.starts_with('{') && text.contains('[');
            return true;
        });
        good = good && cursor.at_end();
    }
    structure.trim();
    return good && has_any;
}

}  // namespace loom::llm
