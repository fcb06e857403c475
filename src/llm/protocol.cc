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
    Quirks both;
#define LOOM_QUIRK(word) both.word = a.word || b.word;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    return both;
}

bool meet(const Quirks& a, const Quirks& b) noexcept {
    bool any = false;
#define LOOM_QUIRK(word) any |= a.word && b.word;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    return any;
}

bool set_quirk(Quirks& quirks, std::string_view name) noexcept {
#define LOOM_QUIRK(word) \
    if (name == #word) return quirks.word = true;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    return false;
}

}  // namespace loom::llm
