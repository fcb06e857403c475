// Whole answers of Converse, and its errors.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "bedrock.h"
#include "loom/llm/json_text.h"

namespace loom::llm::bedrock {

namespace {

struct Exception {
    std::string_view name;
    int status;
};
constexpr std::array<Exception, 10> exceptions = {{{"validationException", 400},
                                                   {"accessDeniedException", 403},
                                                   {"resourceNotFoundException", 404},
                                                   {"modelTimeoutException", 408},
                                                   {"modelErrorException", 424},
                                                   {"modelStreamErrorException", 424},
                                                   {"throttlingException", 429},
                                                   {"modelNotReadyException", 429},
                                                   {"internalServerException", 500},
                                                   {"serviceUnavailableException", 503}}};
constexpr std::string_view exception_suffix = "Exception";
constexpr size_t message_bytes_max = 512;  // of a body that is no error of Bedrock's

Text joined(std::initializer_list<std::string_view> pieces, Arena& arena) {
    size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    char* const room = arena.take(bytes);
    char* end = room;
    for (const std::string_view piece : pieces) end = std::copy(piece.begin(), piece.end(), end);
    return {room, bytes};
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
    bool read_block(Choice& choice);
    bool read_call(Choice& choice);
    bool read_thinking(Choice& choice);
    bool read_citations(Choice& choice);
    bool read_image(Choice& choice);

    Part& add(Choice& choice, Part::Kind kind) { return choice.parts.add(context_.arena, {.kind = kind}); }

    Cursor& cursor_;
    Context& context_;
    ChatAnswer& answer_;
    bool has_message_ = false;
};

bool AnswerReader::read_member(Range key, Choice& choice) {
    const std::string_view name = name_of(cursor_, key);
    if (name == "stopReason") {
        if (!take_text(cursor_, choice.finish_text)) return false;
        choice.finish = finish_reason(choice.finish_text);
        return true;
    }
    if (cursor_.peek() != '{') return cursor_.skip_value();
    if (name == "usage") return read_usage(cursor_, answer_.usage);
    if (name == "additionalModelResponseFields") return read_stop_sequence(cursor_, choice.stop_sequence);
    if (name == "serviceTier") {
        return cursor_.each_member([&](Range inner) {
            return name_of(cursor_, inner) == "type" ? take_text(cursor_, answer_.service_tier) : cursor_.skip_value();
        });
    }
    if (name != "output") return cursor_.skip_value();
    return cursor_.each_member([&](Range inner) {
        const bool is_message = name_of(cursor_, inner) == "message" && cursor_.peek() == '{';
        return is_message ? read_message(choice) : cursor_.skip_value();
    });
}

bool AnswerReader::read_message(Choice& choice) {
    has_message_ = true;
    return cursor_.each_member([&](Range key) {
        if (name_of(cursor_, key) != "content" || cursor_.peek() != '[') return cursor_.skip_value();
        return cursor_.each_element([&] { return cursor_.peek() == '{' ? read_block(choice) : cursor_.skip_value(); });
    });
}

/// A block is an object with one member that names it.
bool AnswerReader::read_block(Choice& choice) {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "text" && cursor_.peek() == '"') return take_text(cursor_, add(choice, Part::Kind::text).text);
        if (cursor_.peek() == '{') {
            if (name == "toolUse") return read_call(choice);
            if (name == "reasoningContent") return read_thinking(choice);
            if (name == "citationsContent") return read_citations(choice);
            if (name == "image") return read_image(choice);
        }
        context_.losses.add(name);
        return cursor_.skip_value();
    });
}

/// What a tool of Bedrock's own was asked is no call for the client to answer.
bool AnswerReader::read_call(Choice& choice) {
    Part call{.kind = Part::Kind::tool_call, .arguments = "{}"};
    Text type;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "toolUseId") return take_text(cursor_, call.tool_id);
        if (name == "input") return take_json(cursor_, call.arguments);
        if (name == "type") return take_text(cursor_, type);
        return name == "name" ? take_text(cursor_, call.tool_name) : cursor_.skip_value();
    });
    if (!good) return false;
    if (type == "server_tool_use") {
        context_.losses.add(type);
        return true;
    }
    call.tool_name = context_.aliases.original_of(call.tool_name);
    choice.parts.add(context_.arena, call);
    return true;
}

bool AnswerReader::read_thinking(Choice& choice) {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "redactedContent" && cursor_.peek() == '"')
            return take_text(cursor_, add(choice, Part::Kind::redacted_thinking).text);
        if (name != "reasoningText" || cursor_.peek() != '{') return cursor_.skip_value();
        Part& thinking = add(choice, Part::Kind::thinking);
        return cursor_.each_member([&](Range inner) {
            const std::string_view word = name_of(cursor_, inner);
            if (word == "text") return take_text(cursor_, thinking.text);
            return word == "signature" ? take_text(cursor_, thinking.signature) : cursor_.skip_value();
        });
    });
}

/// {"content":[{"text":…}],"citations":[…]}: one text with what it cites.
bool AnswerReader::read_citations(Choice& choice) {
    ArenaList<Part> texts;
    Json citations;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (cursor_.peek() != '[' || (name != "content" && name != "citations")) return cursor_.skip_value();
        ArenaList<Part> cited;
        size_t bytes = 2;
        const bool read = cursor_.each_element([&] {
            if (cursor_.peek() != '{') return cursor_.skip_value();
            if (name == "citations") {
                Json citation;
                if (!read_citation(cursor_, context_.arena, citation)) return false;
                if (!has(citation)) return context_.losses.add("citations"), true;
                cited.add(context_.arena).text = citation;
                bytes += citation.size() + 1;
                return true;
            }
            return cursor_.each_member([&](Range inner) {
                if (name_of(cursor_, inner) != "text") return cursor_.skip_value();
                return take_text(cursor_, texts.add(context_.arena).text);
            });
        });
        if (!read || cited.empty()) return read;
        const Text list = joined_text(cited, ",", context_.arena);
        citations = joined({"[", list, "]"}, context_.arena);
        return true;
    });
    if (!good) return false;
    Part& part = add(choice, Part::Kind::text);
    const Text text = joined_text(texts, "", context_.arena);
    part.text = has(text) ? text : Text("");
    part.citations = citations;
    return true;
}

bool AnswerReader::read_image(Choice& choice) {
    Part& image = add(choice, Part::Kind::image);
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "format") {
            Text format;
            if (!take_text(cursor_, format)) return false;
            image.media.media_type = joined({"image/", format}, context_.arena);
            return true;
        }
        if (name != "source" || cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range inner) {
            return name_of(cursor_, inner) == "bytes" ? take_text(cursor_, image.media.data) : cursor_.skip_value();
        });
    });
}

}  // namespace

FinishReason finish_reason(Text stop_reason) noexcept {
    if (stop_reason == "end_turn") return FinishReason::stop;
    if (stop_reason == "tool_use") return FinishReason::tool_calls;
    if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded") return FinishReason::length;
    if (stop_reason == "stop_sequence") return FinishReason::stop_sequence;
    if (stop_reason == "content_filtered" || stop_reason == "guardrail_intervened") return FinishReason::content_filter;
    if (stop_reason == "malformed_model_output" || stop_reason == "malformed_tool_use") return FinishReason::error;
    if (stop_reason == "refusal") return FinishReason::refusal;
    return stop_reason == "pause_turn" ? FinishReason::pause : FinishReason::other;
}

bool read_usage(Cursor& cursor, Usage& usage) {
    if (cursor.peek() != '{') return cursor.skip_value();
    uint64_t input = 0, output = 0, cache_read = 0, cache_write = 0, total = 0, for_an_hour = 0;
    const auto read_details = [&] {
        return cursor.each_element([&] {
            if (cursor.peek() != '{') return cursor.skip_value();
            Text ttl;
            uint64_t count = 0;
            const bool good = cursor.each_member([&](Range key) {
                const std::string_view name = name_of(cursor, key);
                if (name == "ttl") return take_text(cursor, ttl);
                return (name == "inputTokens" && cursor.take_count(count)) || cursor.skip_value();
            });
            if (good && ttl == "1h") for_an_hour += count;
            return good;
        });
    };
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "cacheDetails" && cursor.peek() == '[') return read_details();
        uint64_t count = 0;
        if (!cursor.take_count(count)) return cursor.skip_value();
        if (name == "inputTokens") input = count;
        if (name == "outputTokens") output = count;
        if (name == "cacheReadInputTokens") cache_read = count;
        if (name == "cacheWriteInputTokens") cache_write = count;
        if (name == "totalTokens") total = count;
        return true;
    });
    if (!good) return false;
    // inputTokens is what was neither read from nor written to the cache. A model whose total says otherwise is
    // believed.
    const bool inclusive = total != 0 && total == input + output && input >= cache_read + cache_write;
    usage = {.input = inclusive ? input : input + cache_read + cache_write,
             .output = output,
             .cached_input = cache_read,
             .cache_write = cache_write,
             .cache_write_1h = std::min(for_an_hour, cache_write)};
    usage.total = usage.input + usage.output;
    usage.provenance = Usage::Provenance::reported;
    return true;
}

bool read_stop_sequence(Cursor& cursor, Text& stop_sequence) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "stop_sequence") return take_text(cursor, stop_sequence);
        if (name != "delta" || cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range inner) {
            return name_of(cursor, inner) == "stop_sequence" ? take_text(cursor, stop_sequence) : cursor.skip_value();
        });
    });
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
    Text message, type;
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        Cursor cursor(body, tokens);
        const bool good = cursor.each_member([&](Range key) {
            const std::string_view name = name_of(cursor, key);
            if (name == "message" || name == "Message") return take_text(cursor, message);
            return name == "__type" ? take_text(cursor, type) : cursor.skip_value();
        });
        if (!good) message = {};
    }
    error.message = has(message) ? message : escaped(body.substr(0, utf8_cut(body, message_bytes_max)), context.arena);
    if (has(type)) error.type = type.substr(type.rfind('#') + 1);  // "com.amazon.coral.service#ThrottlingException"
}

int status_of(std::string_view exception) noexcept {
    for (const Exception& one : exceptions)
        if (one.name == exception) return one.status;
    return exception.ends_with(exception_suffix) ? 500 : 0;
}

}  // namespace loom::llm::bedrock
