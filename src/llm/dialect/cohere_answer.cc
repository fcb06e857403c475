// Whole answers of Cohere's chat, and its errors.
#include <algorithm>
#include <utility>

#include "arena_text.h"
#include "cohere.h"
#include "cohere_citation.h"
#include "loom/llm/json_text.h"

namespace loom::llm::cohere {

namespace {

constexpr size_t message_bytes_max = 512;  // of a body that is no error of Cohere's

bool is_text_at(const ArenaList<Part>& content, uint64_t index) noexcept {
    for (const Part& part : content)
        if (index-- == 0) return part.kind == Part::Kind::text;
    return false;
}

class AnswerReader {
  public:
    AnswerReader(Cursor& cursor, Context& context, ChatAnswer& answer) noexcept
        : cursor_(cursor), context_(context), answer_(answer) {}

    /// False with the cursor's fault.
    bool run() {
        Choice& choice = answer_.choices.add(context_.arena);
        return cursor_.each_member([&](Range key) { return read_member(key, choice); }) && cursor_.at_end();
    }
    [[nodiscard]] bool has_message() const noexcept { return has_message_; }

  private:
    bool read_member(Range key, Choice& choice);
    bool read_message(Choice& choice);
    bool read_content(Choice& choice);
    bool read_call(Part& call);
    void cite(ArenaList<Part>& content, const ArenaList<CohereCitation>& citations);

    Cursor& cursor_;
    Context& context_;
    ChatAnswer& answer_;
    bool has_message_ = false;
};

bool AnswerReader::read_member(Range key, Choice& choice) {
    const std::string_view name = name_of(cursor_, key);
    if (name == "id") return take_text(cursor_, answer_.id);
    if (name == "finish_reason") {
        if (!take_text(cursor_, choice.finish_text)) return false;
        choice.finish = finish_reason(choice.finish_text);
        return true;
    }
    if (cursor_.peek() != '{') return cursor_.skip_value();
    if (name == "usage") return read_usage(cursor_, answer_.usage);
    return name == "message" ? read_message(choice) : cursor_.skip_value();
}

/// The plan and the thinking are told before what they led to, whichever way round the document has them.
bool AnswerReader::read_message(Choice& choice) {
    has_message_ = true;
    Text plan;
    ArenaList<Part> calls;
    ArenaList<CohereCitation> citations;
    Choice content;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "tool_plan") return take_text(cursor_, plan);
        if (cursor_.peek() != '[') return cursor_.skip_value();
        if (name == "content") return read_content(content);
        if (name == "citations") {
            return cursor_.each_element(
                [&] { return read_citation(cursor_, context_, citations.add(context_.arena)); });
        }
        if (name != "tool_calls") return cursor_.skip_value();
        return cursor_.each_element([&] {
            if (cursor_.peek() != '{') return cursor_.skip_value();
            return read_call(calls.add(context_.arena, {.kind = Part::Kind::tool_call}));
        });
    });
    if (!good) return false;
    cite(content.parts, citations);
    if (!plan.empty()) choice.parts.add(context_.arena, {.kind = Part::Kind::thinking, .text = plan});
    for (const Part& part : content.parts) choice.parts.add(context_.arena, part);
    for (const Part& call : calls) choice.parts.add(context_.arena, call);
    return true;
}

/// Each goes to the part that it says, or to the first text.
void AnswerReader::cite(ArenaList<Part>& content, const ArenaList<CohereCitation>& citations) {
    uint64_t index = 0;
    bool is_first = true;
    for (Part& part : content) {
        const uint64_t own = index++;
        if (part.kind != Part::Kind::text) continue;
        const bool takes_others = std::exchange(is_first, false);
        ArenaText array(context_.arena);
        for (const CohereCitation& citation : citations) {
            if (citation.content_index ? *citation.content_index != own : !takes_others) continue;
            for (const Json annotation : annotations_of(citation, context_))
                array.append(array.size() == 0 ? "[" : ",").append(annotation);
        }
        if (array.size() > 0) part.citations = array.append("]").view();
    }
    for (const CohereCitation& citation : citations)
        if (is_first || (citation.content_index && !is_text_at(content, *citation.content_index)))
            context_.losses.add("citations");
}

bool AnswerReader::read_content(Choice& choice) {
    return cursor_.each_element([&] {
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            const bool is_thinking = name == "thinking";
            if ((name != "text" && !is_thinking) || cursor_.peek() != '"') return cursor_.skip_value();
            const Part::Kind kind = is_thinking ? Part::Kind::thinking : Part::Kind::text;
            return take_text(cursor_, choice.parts.add(context_.arena, {.kind = kind}).text);
        });
    });
}

bool AnswerReader::read_call(Part& call) {
    call.arguments_text = "{}";
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "id") return take_text(cursor_, call.tool_id);
        if (name != "function" || cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range inner) {
            const std::string_view word = name_of(cursor_, inner);
            if (word == "name") {
                if (!take_text(cursor_, call.tool_name)) return false;
                call.tool_name = context_.aliases.original_of(call.tool_name);
                return true;
            }
            Text arguments;
            if (word != "arguments") return cursor_.skip_value();
            if (!take_text(cursor_, arguments)) return false;
            if (!is_blank(arguments)) call.arguments_text = arguments;
            return true;
        });
    });
}

/// {"input_tokens":…,"output_tokens":…} of Usage.tokens and Usage.billed_units.
bool read_counts(Cursor& cursor, uint64_t& input, uint64_t& output, bool& found) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name != "input_tokens" && name != "output_tokens") return cursor.skip_value();
        // Cohere's documents have them as floating numbers too: 12.0.
        Json number;
        if (!take_number(cursor, number)) return false;
        const double value = value_of(number);
        (name == "input_tokens" ? input : output) = value > 0 && value < 1e15 ? static_cast<uint64_t>(value) : 0;
        found |= has(number);
        return true;
    });
}

}  // namespace

FinishReason finish_reason(Text word) noexcept {
    if (word == "COMPLETE") return FinishReason::stop;
    if (word == "STOP_SEQUENCE") return FinishReason::stop_sequence;
    if (word == "MAX_TOKENS" || word == "ERROR_LIMIT") return FinishReason::length;
    if (word == "TOOL_CALL") return FinishReason::tool_calls;
    if (word == "ERROR_TOXIC") return FinishReason::content_filter;
    return word == "ERROR" || word == "TIMEOUT" ? FinishReason::error : FinishReason::other;
}

bool read_usage(Cursor& cursor, Usage& usage) {
    if (cursor.peek() != '{') return cursor.skip_value();
    uint64_t input = 0, output = 0, billed_input = 0, billed_output = 0, cached = 0;
    bool has_tokens = false, has_billed = false;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "tokens" && cursor.peek() == '{') return read_counts(cursor, input, output, has_tokens);
        if (name == "billed_units" && cursor.peek() == '{')
            return read_counts(cursor, billed_input, billed_output, has_billed);
        if (name != "cached_tokens") return cursor.skip_value();
        Json number;
        if (!take_number(cursor, number)) return false;
        const double value = value_of(number);
        cached = value > 0 && value < 1e15 ? static_cast<uint64_t>(value) : 0;
        return true;
    });
    if (!good || (!has_tokens && !has_billed)) return good;
    // `tokens` counts what the model read, Cohere's own prompt included; what is billed may be less.
    usage = {.input = has_tokens ? input : billed_input, .output = has_tokens ? output : billed_output};
    usage.cached_input = std::min(cached, usage.input);
    usage.total = usage.input + usage.output;
    usage.provenance = Usage::Provenance::reported;
    return true;
}

Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) {
    Tokens tokens;
    Fault fault;
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        Cursor cursor(body, tokens);
        AnswerReader reader(cursor, context, answer);
        if (reader.run() && reader.has_message()) return {};
        fault = cursor.fault();
    }
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, Side::upstream, fault.what == nullptr ? "an answer without a message" : fault.what);
}

void read_error(std::string_view body, Context& context, ErrorAnswer& error) {
    Tokens tokens;
    Fault fault;
    Text message;
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        Cursor cursor(body, tokens);
        const bool good = cursor.each_member([&](Range key) {
            return name_of(cursor, key) == "message" ? take_text(cursor, message) : cursor.skip_value();
        });
        if (!good) message = {};
    }
    error.message = has(message) ? message : escaped(body.substr(0, utf8_cut(body, message_bytes_max)), context.arena);
}

}  // namespace loom::llm::cohere
