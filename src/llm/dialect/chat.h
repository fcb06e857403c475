// A conversation in no protocol's words: what every dialect reads into and writes from.
//
// Text stays as it stands in its document, escapes and all. JSON's escapes are the same in every protocol, so a text
// goes from one to the other undecoded, the same to the byte. Nothing here owns memory: views point into the document
// or into the arena, lists live in the arena, and both must stay until the writer is done.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/base/arena_list.h"
#include "loom/llm/usage.h"

namespace loom::llm {

/// The inside of a JSON string as it stands in its document, without its quotes. Absent: null data(), see has().
using Text = std::string_view;
/// One JSON value as it stands in its document; a string with its quotes. Absent: null data(). A `null` is absent too.
using Json = std::string_view;
[[nodiscard]] constexpr bool has(std::string_view view) noexcept { return view.data() != nullptr; }

enum class Role : uint8_t { system, developer, user, assistant, tool };

/// An image, a sound, a document: where its bytes are.
struct Media {
    enum class Source : uint8_t {
        base64,   // data: base64
        url,      // data: http(s), gs:// …
        file_id,  // data: what the provider's files endpoint handed out
        text,     // data: plain text of a document
    };
    Source source = Source::base64;
    Text data;
    Text media_type;  // "image/png"; absent where the protocol does not say
    Text name;        // of a file
    Text detail;      // OpenAI: low, high, auto
};

/// One piece of a message or of an answer.
struct Part {
    enum class Kind : uint8_t {
        text,
        refusal,
        image,
        audio,
        video,
        file,
        tool_call,
        tool_result,
        thinking,           // text may be empty where a provider hides it; signature proves it
        redacted_thinking,  // text: opaque data
    };
    Kind kind = Kind::text;
    bool is_error = false;  // of a tool_result
    bool thought = false;   // of a text: it is part of the thinking's summary
    Text text;              // of text, refusal, thinking, redacted_thinking
    Text signature;         // opaque, byte-exact: of thinking, and of Gemini's calls and texts (thoughtSignature)
    Media media;
    // tool_call and tool_result
    Text tool_id;
    Text tool_name;           // of a result: where the protocol says it, else absent (find it by the call's id)
    Json arguments;           // of a call: as a JSON value (Anthropic, Gemini, Bedrock) …
    Text arguments_text;      // … or inside a string (OpenAI, Cohere); exactly one is there
    ArenaList<Part> content;  // of a result: text, image and file parts; of a document made of blocks: its texts
    Json result_json;         // of a result that is an object (Gemini, Bedrock), then content is empty
    // carried where both sides know them, else a loss
    Json cache_control;  // Anthropic's; where only its place matters (Bedrock's cachePoint) it is {"type":"ephemeral"}
    Json citations;  // of a text: Anthropic's array or OpenAI's (citation.h); of a file that is to be cited: not absent
};

struct Message {
    Role role = Role::user;
    ArenaList<Part> parts;
    Text name;
};

struct Tool {
    bool is_function = true;
    Text name;
    Text description;
    Json schema;  // JSON Schema of the arguments; absent: takes none
    std::optional<bool> strict;
    Json cache_control;
    Text type;  // of a tool that the provider itself runs ("web_search_20250305", "google_search", …)
    Json raw;   // and its whole object
};

struct ToolChoice {
    enum class Kind : uint8_t { unset, automatic, none, any, named };
    Kind kind = Kind::unset;
    Text name;
    std::optional<bool> parallel;
};

struct ResponseFormat {
    enum class Kind : uint8_t { unset, text, json_object, json_schema };
    Kind kind = Kind::unset;
    Text name;
    Text description;
    Json schema;
    std::optional<bool> strict;
};

/// How much the model may think. OpenAI says an effort, Anthropic and Gemini a budget of tokens; `effort_of_budget` and
/// `budget_of_effort` (reasoning.h) are the one table between.
struct Reasoning {
    enum class Effort : uint8_t { unset, none, minimal, low, medium, high, xhigh, max };
    Effort effort = Effort::unset;
    std::optional<int64_t> budget_tokens;  // -1: as much as the model likes; 0: none
    std::optional<bool> include_thoughts;  // is the thinking, or a summary of it, to be shown?
    Text summary;                          // OpenAI Responses: auto, concise, detailed
};

struct ChatRequest {
    Text model;                   // as the client spelled it; writers take Terms::model
    ArenaList<Message> messages;  // system and developer texts among them, at their places
    ArenaList<Tool> tools;
    ToolChoice tool_choice;
    ResponseFormat format;
    Reasoning reasoning;
    uint64_t max_tokens = 0;  // of the answer; 0 unset
    uint32_t n = 1;
    ArenaList<Text> stop;
    // numbers as they stand; a writer checks its own side's range (number.h)
    Json temperature;
    Json top_p;
    Json top_k;
    Json seed;
    Json presence_penalty;
    Json frequency_penalty;
    Json logit_bias;
    std::optional<bool> logprobs;
    uint32_t top_logprobs = 0;
    Text user;  // the end user's id (Anthropic: metadata.user_id)
    Text service_tier;
    Text verbosity;
    Text prompt_cache_key;
    Json metadata;
    bool stream = false;
    bool include_usage = false;  // of an OpenAI chat stream
};

enum class FinishReason : uint8_t {
    none,           // not said
    stop,           // the model was done
    stop_sequence,  // Choice::stop_sequence says which, where the protocol does
    length,         // the output's limit, or the context's
    tool_calls,
    content_filter,  // the provider's safety filter
    refusal,         // the model declined
    pause,           // Anthropic's pause_turn: go on by sending it back
    error,           // a malformed call, an aborted generation
    other,
};

/// The model has said all that it had to say, or waits for what a tool says.
[[nodiscard]] constexpr bool ends_well(FinishReason reason) noexcept {
    return reason == FinishReason::stop || reason == FinishReason::stop_sequence || reason == FinishReason::tool_calls;
}

struct Choice {
    uint32_t index = 0;
    ArenaList<Part> parts;  // in the order they came
    FinishReason finish = FinishReason::none;
    Text finish_text;  // the provider's own word
    Text stop_sequence;
    Json logprobs;  // in OpenAI's shape
};

struct ChatAnswer {
    Text id;
    Text model;
    uint64_t created = 0;  // Unix seconds; 0 where the protocol has none
    ArenaList<Choice> choices;
    Usage usage;
    Text service_tier;
};

/// An answer that is an error, whole or in the middle of a stream.
struct ErrorAnswer {
    int status = 0;  // of the HTTP answer; 0 in a stream
    Text message;
    Text type;  // the protocol's own word
    Text code;
    Text param;
};

}  // namespace loom::llm
