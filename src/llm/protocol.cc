#include "loom/llm/protocol.h"

#include "loom/base/assert.h"

namespace loom::llm {

std::string_view protocol_name(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::openai_chat: return "openai_chat";
        case Protocol::openai_responses: return "openai_responses";
        case Protocol::anthropic: return "anthropic";
        case Protocol::gemini: return "gemini";
        case Protocol::bedrock: return "bedrock";
        case Protocol::cohere: return "cohere";
        case Protocol::openai_completions: return "openai_completions";
    }
    LOOM_ASSERT(!"a protocol without a name");
    return {};
}

Quirks operator|(const Quirks& a, const Quirks& b) noexcept {
    Quirks both = a;
#define LOOM_QUIRK(word) both.word = a.word || b.word
    LOOM_QUIRK(no_stream_options);
    LOOM_QUIRK(no_developer_role);
    LOOM_QUIRK(max_tokens_only);
    LOOM_QUIRK(no_parallel_tool_calls);
    LOOM_QUIRK(no_json_schema);
    LOOM_QUIRK(no_tool_choice_required);
    LOOM_QUIRK(no_seed);
    LOOM_QUIRK(no_penalties);
    LOOM_QUIRK(no_n);
    LOOM_QUIRK(no_logprobs);
    LOOM_QUIRK(no_user);
    LOOM_QUIRK(seed_is_random_seed);
    LOOM_QUIRK(no_system_in_messages);
    LOOM_QUIRK(no_content_parts);
    LOOM_QUIRK(no_reasoning_content);
#undef LOOM_QUIRK
    return both;
}

bool set_quirk(Quirks& quirks, std::string_view name) noexcept {
#define LOOM_QUIRK(word) \
    if (name == #word) return quirks.word = true
    LOOM_QUIRK(no_stream_options);
    LOOM_QUIRK(no_developer_role);
    LOOM_QUIRK(max_tokens_only);
    LOOM_QUIRK(no_parallel_tool_calls);
    LOOM_QUIRK(no_json_schema);
    LOOM_QUIRK(no_tool_choice_required);
    LOOM_QUIRK(no_seed);
    LOOM_QUIRK(no_penalties);
    LOOM_QUIRK(no_n);
    LOOM_QUIRK(no_logprobs);
    LOOM_QUIRK(no_user);
    LOOM_QUIRK(seed_is_random_seed);
    LOOM_QUIRK(no_system_in_messages);
#undef LOOM_QUIRK
    return false;
}

}  // namespace loom::llm
