#include "dialect.h"

#include "loom/base/assert.h"

namespace loom::llm {

StreamEncoder::Step StreamEncoder::note_source(std::string_view, Context&) { return Step::here; }

const Dialect& dialect_of(Protocol protocol) {
    switch (protocol) {
        case Protocol::openai_chat: return openai_chat_dialect();
        case Protocol::openai_responses: return openai_responses_dialect();
        case Protocol::anthropic: return anthropic_dialect();
        case Protocol::gemini: return gemini_dialect();
        case Protocol::bedrock: return bedrock_dialect();
        case Protocol::cohere: return cohere_dialect();
        case Protocol::openai_completions: return openai_completions_dialect();
    }
    LOOM_ASSERT(!"a protocol without a dialect");
    return openai_chat_dialect();
}

}  // namespace loom::llm
