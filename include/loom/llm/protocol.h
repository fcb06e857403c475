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

// Every quirk, once: the words of provider.X.quirks, and what they mean.
#define LOOM_QUIRKS(quirk)                                                                                    \
    quirk(no_stream_options)           /* refuses `stream_options` */                                         \
        quirk(no_developer_role)       /* `developer` becomes `system` */                                     \
        quirk(max_tokens_only)         /* knows `max_tokens`, not `max_completion_tokens` */                  \
        quirk(no_parallel_tool_calls)  /* refuses `parallel_tool_calls` */                                    \
        quirk(no_json_schema)          /* json_schema becomes json_object, the schema is told to the model */ \
        quirk(no_tool_choice_required) /* "required" becomes "any" */                                         \
        quirk(no_seed)                 /* refuses `seed` */                                                   \
        quirk(no_penalties)            /* refuses `presence_penalty` and `frequency_penalty` */               \
        quirk(no_n)                    /* refuses `n` */                                                      \
        quirk(no_logprobs)             /* refuses `logprobs` and `top_logprobs` */                            \
        quirk(no_user)                 /* refuses `user` */                                                   \
        quirk(seed_is_random_seed)     /* Mistral's spelling */                                               \
        quirk(no_system_in_messages)   /* system texts become the front of the first user message */          \
        quirk(no_content_parts)        /* a list of texts must be one string */                               \
        quirk(no_reasoning_content)    /* refuses thinking in the assistant's messages */

/// Where a server differs from what its protocol's page says. A provider's row (and `provider.X.quirks`) sets them; the
/// writer of its protocol obeys, and quirk_edits.h where a document goes there as it came.
struct Quirks {
#define LOOM_QUIRK(word) bool word : 1 = false;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    friend constexpr bool operator==(const Quirks&, const Quirks&) = default;
};

/// "no_stream_options|no_developer_role|…": the choices of provider.X.quirks.
#define LOOM_QUIRK(word) "|" #word
inline constexpr std::string_view quirk_choices = std::string_view(LOOM_QUIRKS(LOOM_QUIRK)).substr(1);
#undef LOOM_QUIRK

/// What either has.
[[nodiscard]] Quirks operator|(const Quirks& a, const Quirks& b) noexcept;
/// Have they one in common?
[[nodiscard]] bool meet(const Quirks& a, const Quirks& b) noexcept;

/// Sets the quirk of this name; false for a name that none has.
bool set_quirk(Quirks& quirks, std::string_view name) noexcept;

}  // namespace loom::llm
