// The protocols in which applications and providers speak of the same things.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm {

/// A family: what one of its servers takes, another takes too, so between equal ones bytes pass as they came. Legacy
/// completions and embeddings belong to openai_chat's servers, which take them as they came.
enum class Protocol : uint8_t {
    openai_chat,         // POST /v1/chat/completions
    openai_responses,    // POST /v1/responses
    anthropic,           // POST /v1/messages
    gemini,              // POST /v1beta/models/{model}:generateContent, :streamGenerateContent
    bedrock,             // POST /model/{model}/converse, /converse-stream
    cohere,              // POST /v2/chat
    openai_completions,  // POST /v1/completions, of a client whose provider has chat alone; no provider's
};
inline constexpr uint32_t protocol_count = 7;

/// "openai_chat", …: of logs, headers and golden files.
[[nodiscard]] std::string_view protocol_name(Protocol protocol) noexcept;

/// Where a server differs from what its protocol's page says. A provider's row (and `provider.X.quirk`) sets them; the
/// writer of its protocol obeys.
struct Quirks {
    bool no_stream_options : 1 = false;        // refuses `stream_options`
    bool no_developer_role : 1 = false;        // `developer` becomes `system`
    bool max_tokens_only : 1 = false;          // knows `max_tokens`, not `max_completion_tokens`
    bool no_parallel_tool_calls : 1 = false;   // refuses the field `parallel_tool_calls`
    bool no_json_schema : 1 = false;           // json_schema becomes json_object, the schema is told to the model
    bool no_tool_choice_required : 1 = false;  // "required" becomes "any" (Mistral)
    bool no_seed : 1 = false;
    bool no_penalties : 1 = false;
    bool no_n : 1 = false;
    bool no_logprobs : 1 = false;
    bool no_user : 1 = false;
    bool seed_is_random_seed : 1 = false;    // Mistral's spelling
    bool no_system_in_messages : 1 = false;  // system texts become the front of the first user message
    bool no_content_parts : 1 = false;       // a list of texts must be one string
    bool no_reasoning_content : 1 = false;   // refuses thinking in the assistant's messages
    friend constexpr bool operator==(const Quirks&, const Quirks&) = default;
};

/// What either has.
[[nodiscard]] Quirks operator|(const Quirks& a, const Quirks& b) noexcept;

/// Sets the quirk of this name; false for a name that none has.
bool set_quirk(Quirks& quirks, std::string_view name) noexcept;

}  // namespace loom::llm
