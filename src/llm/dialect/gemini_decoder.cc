#include <utility>

#include "gemini.h"
#include "gemini_grounding.h"

namespace loom::llm::gemini {

namespace {

class Decoder final : public StreamDecoder {
  public:
    bool read(std::string_view, std::string_view data, Context& context, DeltaSink& sink) override {
        if (data == "[DONE]") return true;  // some who serve this protocol end as OpenAI does
        Response response;
        Fault fault;
        if (!read_response(data, context, response, fault)) return false;
        for (const Choice& choice : response.answer.choices)
            if (choice.index >= choices_max) return false;
        if (failed_) return true;
        if (response.is_error) {
            failed_ = true;
            sink.on_delta({.kind = Delta::Kind::error, .error = &response.error});
            return true;
        }
        tell_start(response, sink);
        auto grounding = response.groundings.begin();
        for (const Choice& choice : response.answer.choices) tell_choice(choice, *grounding++, context, sink);
        if (has(response.block_reason) && !response.has_candidates) tell_blocked(response.block_reason, sink);
        if (response.has_usage) {
            usage_ = response.answer.usage;
            sink.on_delta({.kind = Delta::Kind::usage, .usage = &usage_});
        }
        return true;
    }

    bool read_end(Context&, DeltaSink& sink) override {
        const bool whole = finished_any_ && !failed_;
        if (whole) sink.on_delta({.kind = Delta::Kind::end});
        return whole;
    }

  private:
    struct ChoiceState {
        GroundedText text;
        uint32_t calls = 0;
        bool finished = false;
    };

    void tell_start(const Response& response, DeltaSink& sink) {
        if (std::exchange(started_, true)) return;
        sink.on_delta({.kind = Delta::Kind::start,
                       .id = response.answer.id,
                       .model = response.answer.model,
                       .usage = response.has_usage ? &response.answer.usage : nullptr});
    }

    void tell_choice(const Choice& choice, const Grounding& grounding, Context& context, DeltaSink& sink) {
        ChoiceState& state = choices_[choice.index];
        for (const Part& part : choice.parts) tell_part(choice.index, part, context, sink);
        if (!grounding.chunks.empty()) tell_sources(choice.index, grounding, context, sink);
        if (has(choice.logprobs))
            sink.on_delta({.kind = Delta::Kind::logprobs, .choice = choice.index, .json = choice.logprobs});
        if (choice.finish == FinishReason::none || std::exchange(state.finished, true)) return;
        finished_any_ = true;
        sink.on_delta({.kind = Delta::Kind::finish,
                       .reason = finish_of(choice.finish_text, state.calls > 0),
                       .choice = choice.index,
                       .finish_text = choice.finish_text});
    }

    /// They come behind all of the text. Where calls have parted it, no text is left to say their places in.
    void tell_sources(uint32_t choice, const Grounding& grounding, Context& context, DeltaSink& sink) {
        if (choices_[choice].calls > 0) return context.losses.add("groundingMetadata");
        for (const Cited& one : choices_[choice].text.find(grounding, context))
            sink.on_delta({.kind = Delta::Kind::citation,
                           .choice = choice,
                           .json = url_annotation(one.url, one.title, one.span, context.arena)});
    }

    void keep(GroundedText& text, Text piece, Context& context) {
        kept_bytes_ += piece.size();
        kept_bytes_ > kept_bytes_max ? text.cut() : text.append(piece, 0, context);
    }

    void tell_part(uint32_t choice, const Part& part, Context& context, DeltaSink& sink) {
        switch (part.kind) {
            case Part::Kind::text:
            case Part::Kind::thinking: {
                if (part.text.empty() && !has(part.signature)) return;
                const bool is_text = part.kind == Part::Kind::text;
                if (is_text) keep(choices_[choice].text, part.text, context);
                sink.on_delta({.kind = is_text ? Delta::Kind::text : Delta::Kind::thinking,
                               .choice = choice,
                               .text = part.text,
                               .signature = part.signature});
                return;
            }
            case Part::Kind::redacted_thinking:
                sink.on_delta({.kind = Delta::Kind::redacted_thinking, .choice = choice, .text = part.text});
                return;
            case Part::Kind::tool_call: return tell_call(choice, part, context, sink);
            case Part::Kind::image:
                sink.on_delta({.kind = Delta::Kind::image, .choice = choice, .media = &part.media});
                return;
            default: context.losses.add("inlineData");  // no stream but this one carries sounds and files
        }
    }

    /// Gemini's calls come whole.
    void tell_call(uint32_t choice, const Part& part, Context& context, DeltaSink& sink) {
        const uint32_t tool = choices_[choice].calls++;
        const bool has_id = has(part.tool_id) && !part.tool_id.empty();
        sink.on_delta({.kind = Delta::Kind::tool_call,
                       .choice = choice,
                       .tool = tool,
                       .signature = part.signature,
                       .tool_id = has_id ? part.tool_id : made_call_id(made_ids_++, context),
                       .tool_name = part.tool_name});
        sink.on_delta({.kind = Delta::Kind::arguments, .choice = choice, .tool = tool, .json = part.arguments});
        sink.on_delta({.kind = Delta::Kind::part_end, .choice = choice, .tool = tool});
    }

    void tell_blocked(Text reason, DeltaSink& sink) {
        if (std::exchange(choices_[0].finished, true)) return;
        finished_any_ = true;
        sink.on_delta({.kind = Delta::Kind::finish, .reason = FinishReason::content_filter, .finish_text = reason});
    }

    static constexpr uint32_t choices_max = 8;         // candidateCount's most
    static constexpr size_t kept_bytes_max = 1 << 20;  // of all choices' texts

    std::array<ChoiceState, choices_max> choices_;
    size_t kept_bytes_ = 0;
    Usage usage_;
    uint32_t made_ids_ = 0;
    bool started_ = false;
    bool finished_any_ = false;
    bool failed_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> make_decoder() { return std::make_unique<Decoder>(); }

}  // namespace loom::llm::gemini
