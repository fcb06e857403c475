#include "answer_members.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "cursor.h"

namespace loom::llm {
namespace {

// Paths of members, through lists. `=` behind one: the words that its value may be; `*`: whatever is below it.
using Paths = std::span<const std::string_view>;

// OpenAI, API reference, "The chat completion object", "The chat completion chunk object".
constexpr std::string_view chat_answer[] = {
    "id",
    "object",
    "created",
    "model",
    "usage*",
    "service_tier",
    "system_fingerprint",
    "choices",
    "choices.index",
    "choices.finish_reason",
    "choices.message",
    "choices.message.role=assistant",
    "choices.message.content",
    "choices.message.refusal",
    "choices.message.reasoning_content",
    "choices.message.tool_calls",
    "choices.message.tool_calls.index",
    "choices.message.tool_calls.id",
    "choices.message.tool_calls.type=function",
    "choices.message.tool_calls.function",
    "choices.message.tool_calls.function.name",
    "choices.message.tool_calls.function.arguments",
};
// Padding (stream_options.include_obfuscation) says nothing.
constexpr std::string_view chat_event[] = {"obfuscation"};

// OpenAI, API reference, "The response object", "Streaming events". What repeats the request is written anew from it.
constexpr std::string_view responses_answer[] = {
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "model",
    "usage*",
    "output",
    "output.type=message|function_call|reasoning",
    "output.id",
    "output.role=assistant",
    "output.status",
    "output.call_id",
    "output.name",
    "output.arguments",
    "output.encrypted_content",
    "output.content",
    "output.content.type=output_text|refusal",
    "output.content.text",
    "output.content.refusal",
    "output.summary",
    "output.summary.type=summary_text",
    "output.summary.text",
    "background",
    "billing*",
    "frequency_penalty",
    "instructions*",
    "max_output_tokens",
    "max_tool_calls",
    "metadata*",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning*",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text*",
    "tool_choice*",
    "tools*",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
};
constexpr std::string_view responses_event[] = {
    "type=response.created|response.in_progress|response.completed|response.output_item.added|"
    "response.output_item.done|response.content_part.added|response.content_part.done|response.output_text.delta|"
    "response.output_text.done|response.refusal.delta|response.refusal.done|response.function_call_arguments.delta|"
    "response.function_call_arguments.done|response.reasoning_summary_part.added|"
    "response.reasoning_summary_part.done|response.reasoning_summary_text.delta|response.reasoning_summary_text.done",
    "sequence_number",
    "output_index",
    "content_index",
    "summary_index",
    "item_id",
    "delta",
    "text",
    "refusal",
    "arguments",
    "name",
    "obfuscation",
    "response",
    "item",
    "part",
    "part.type=output_text|refusal|summary_text",
    "part.text",
    "part.refusal",
};

// Anthropic, API reference, "Messages", "Streaming messages".
constexpr std::string_view anthropic_answer[] = {
    "id",
    "type=message",
    "role=assistant",
    "model",
    "usage*",
    "stop_reason",
    "stop_sequence",
    "content",
    "content.type=text|thinking|redacted_thinking|tool_use",
    "content.text",
    "content.thinking",
    "content.signature",
    "content.data",
    "content.id",
    "content.name",
    "content.input*",
};
constexpr std::string_view anthropic_event[] = {
    "type=message_start|content_block_start|content_block_delta|content_block_stop|message_delta|message_stop|ping",
    "index",
    "message",
    "content_block",
    "usage*",
    "delta",
    "delta.type=text_delta|thinking_delta|signature_delta|input_json_delta",
    "delta.text",
    "delta.thinking",
    "delta.signature",
    "delta.partial_json",
    "delta.stop_reason",
    "delta.stop_sequence",
};

// Google, Gemini API, "GenerateContentResponse"; a stream's events are such documents.
constexpr std::string_view gemini_answer[] = {
    "responseId",
    "modelVersion",
    "usageMetadata*",
    "candidates",
    "candidates.index",
    "candidates.finishReason",
    "candidates.content",
    "candidates.content.role=model",
    "candidates.content.parts",
    "candidates.content.parts.text",
    "candidates.content.parts.thought",
    "candidates.content.parts.thoughtSignature",
    "candidates.content.parts.functionCall",
    "candidates.content.parts.functionCall.id",
    "candidates.content.parts.functionCall.name",
    "candidates.content.parts.functionCall.args*",
};

/// Below this member of an event stands a part of the document.
struct Mount {
    std::string_view at;  // with a dot behind it
    std::string_view as;  // in the document; "" for all of it
};

struct Known {
    Paths answer;
    Paths event;  // beside what is mounted
    std::array<Mount, 2> mounts;
    bool event_is_answer;  // an event is a document that tells less
};

Known known_of(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::openai_chat:
            return {chat_answer, chat_event, {{{"choices.delta", "choices.message"}, {}}}, true};
        case Protocol::openai_responses:
            return {responses_answer, responses_event, {{{"response", ""}, {"item", "output"}}}, false};
        case Protocol::anthropic:
            return {anthropic_answer, anthropic_event, {{{"message", ""}, {"content_block", "content"}}}, false};
        case Protocol::gemini: return {gemini_answer, {}, {}, true};
        default: return {};
    }
}

constexpr size_t path_bytes_max = 128;  // longer ones are none of these

/// A member's place, as the lists above write it.
class Path {
  public:
    [[nodiscard]] bool push(std::string_view name) noexcept {
        const size_t size = name.size() + (size_ > 0 ? 1 : 0);
        if (size > bytes_.size() - size_) return false;
        if (size_ > 0) bytes_[size_++] = '.';
        std::memcpy(bytes_.data() + size_, name.data(), name.size());
        size_ += name.size();
        return true;
    }
    void cut(size_t size) noexcept { size_ = size; }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), size_}; }

  private:
    std::array<char, path_bytes_max> bytes_;
    size_t size_ = 0;
};

/// What may stand there: "" for anything that is itself known, `=…`, `*`; nothing: the path is in none of them.
std::optional<std::string_view> rule_of(Paths paths, std::string_view path) noexcept {
    for (const std::string_view one : paths) {
        if (!one.starts_with(path)) continue;
        const std::string_view rest = one.substr(path.size());
        if (rest.empty() || rest[0] == '=' || rest[0] == '*') return rest;
    }
    return std::nullopt;
}

bool has_word(std::string_view words, std::string_view word) noexcept {
    while (!words.empty()) {
        const std::string_view one = words.substr(0, words.find('|'));
        if (one == word) return true;
        words.remove_prefix(std::min(words.size(), one.size() + 1));
    }
    return false;
}

/// null, "", [] and {}.
bool says_nothing(std::string_view value) noexcept {
    if (value == "null" || value == "\"\"") return true;
    if (value.size() < 2 || (value[0] != '[' && value[0] != '{')) return false;
    return std::ranges::all_of(value.substr(1, value.size() - 2),
                               [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

class Inspector {
  public:
    Inspector(Cursor& cursor, const Known& known, bool is_event) noexcept
        : cursor_(cursor), known_(known), is_event_(is_event) {}

    /// Of the object under the cursor.
    [[nodiscard]] bool read() {
        return cursor_.each_member([this](Range key) {
            const size_t above = path_.size();
            const bool good = path_.push(inside(cursor_.text(), key)) ? read_member() : skip_nothing();
            path_.cut(above);
            return good;
        });
    }

  private:
    [[nodiscard]] bool skip_nothing() {
        Range range;
        return cursor_.skip_value(range) && says_nothing(text_of(cursor_.text(), range));
    }

    [[nodiscard]] std::optional<std::string_view> rule() const noexcept {
        const std::string_view path = path_.view();
        if (is_event_) {
            if (const auto own = rule_of(known_.event, path)) return own;
            for (const Mount& mount : known_.mounts) {
                const bool below = !mount.at.empty() && path.starts_with(mount.at) &&
                                   (path.size() == mount.at.size() || path[mount.at.size()] == '.');
                if (!below) continue;
                if (path.size() == mount.at.size()) return "";
                Path as;
                const std::string_view rest = path.substr(mount.at.size() + 1);
                if (!(mount.as.empty() || as.push(mount.as)) || !as.push(rest)) return std::nullopt;
                return rule_of(known_.answer, as.view());
            }
            const bool elsewhere = std::ranges::any_of(known_.mounts, [path](const Mount& mount) {
                return !mount.as.empty() && path.starts_with(mount.as);  // what an event says at another place
            });
            if (!known_.event_is_answer || elsewhere) return std::nullopt;
        }
        return rule_of(known_.answer, path);
    }

    [[nodiscard]] bool read_member() {
        const auto found = rule();
        if (!found) return skip_nothing();
        if (found->starts_with('*')) return cursor_.skip_value();
        if (found->empty()) return read_value();
        if (cursor_.peek() != '"') return skip_nothing();
        const std::string_view word = inside(cursor_.text(), cursor_.take_string());
        return word.empty() || has_word(found->substr(1), word);
    }
    [[nodiscard]] bool read_value() {
        if (cursor_.peek() == '{') return read();
        if (cursor_.peek() != '[') return cursor_.skip_value();
        return cursor_.each_element([this] {
            if (cursor_.peek() == '{') return read();
            return cursor_.peek() != '[' && cursor_.skip_value();
        });
    }

    Cursor& cursor_;
    const Known& known_;
    const bool is_event_;
    Path path_;
};

bool knows(Protocol protocol, std::string_view document, bool is_event, Structure& structure) {
    Tokens tokens;
    Fault fault;
    if (!structure.index(document, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(document, tokens);
    const Known known = known_of(protocol);
    return Inspector(cursor, known, is_event).read() && cursor.at_end();
}

}  // namespace

bool knows_answer(Protocol protocol, std::string_view document, Structure& structure) {
    return knows(protocol, document, false, structure);
}

bool knows_event(Protocol protocol, std::string_view data, Structure& structure) {
    return data == "[DONE]" || knows(protocol, data, true, structure);
}

bool offers_functions_alone(Protocol protocol, std::string_view request, Structure& structure) {
    Tokens tokens;
    Fault fault;
    if (!structure.index(request, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(request, tokens);
    const std::string_view own = protocol == Protocol::anthropic ? "custom" : "function";
    const auto read_tool = [&] {
        if (cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range key) {
            if (inside(cursor.text(), key) != "type" || cursor.peek() != '"') return cursor.skip_value();
            return inside(cursor.text(), cursor.take_string()) == own;
        });
    };
    return cursor.each_member([&](Range key) {
        if (inside(cursor.text(), key) != "tools" || cursor.peek() != '[') return cursor.skip_value();
        return cursor.each_element(read_tool);
    });
}

}  // namespace loom::llm
