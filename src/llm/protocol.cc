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

}  // namespace loom::llm
