#include "loom/llm/refusal.h"

#include <algorithm>
#include <span>

#include "dialect/dialect.h"
#include "loom/llm/json_text.h"
#include "translation_state.h"

namespace loom::llm {
namespace {

/// What is empty is not looked at; of a message it is enough to hold the part. A row without a code is for errors that
/// have none: where a provider gives codes, its texts do not decide.
struct RefusalRow {
    Refusal refusal;
    std::string_view code;
    std::string_view type;
    std::string_view part;  // of the message
};
using enum Refusal;

constexpr RefusalRow openai_rows[] = {
    // Source  platform.openai.com/docs/guides/error-codes; Azure's and Groq's say the same
    {.refusal = context_window, .code = "context_length_exceeded"},
    {.refusal = context_window, .code = "string_above_max_length"},
    // Source  learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
    {.refusal = content_policy, .code = "content_filter"},
    {.refusal = content_policy, .code = "content_policy_violation"},
    {.refusal = content_policy, .code = "moderation_blocked"},
    // Source  community.openai.com: reasoning models flag a prompt so; the code alone says no more than "bad prompt"
    {.refusal = content_policy, .code = "invalid_prompt", .part = "usage policy"},
    // Source  llama.cpp, tools/server: ERROR_TYPE_EXCEED_CONTEXT_SIZE
    {.refusal = context_window, .type = "exceed_context_size_error"},
    // Source  vllm/entrypoints, DeepSeek, Mistral ("too large for model with 32768 maximum context length")
    {.refusal = context_window, .part = "maximum context length"},
    // Source  sglang/srt/managers/tokenizer_manager.py
    {.refusal = context_window, .part = "longer than the model's context length"},
};
constexpr RefusalRow anthropic_rows[] = {
    // Source  docs.anthropic.com/en/api/errors: a type for all of them, so that the text has to tell
    {.refusal = context_window, .type = "invalid_request_error", .part = "prompt is too long"},
    {.refusal = context_window, .type = "invalid_request_error", .part = "exceed context limit"},
    {.refusal = content_policy, .type = "invalid_request_error", .part = "blocked by content filtering policy"},
};
constexpr RefusalRow gemini_rows[] = {
    // Source  ai.google.dev/gemini-api/docs/troubleshooting
    {.refusal = context_window, .type = "INVALID_ARGUMENT", .part = "exceeds the maximum number of tokens allowed"},
};
constexpr RefusalRow bedrock_rows[] = {
    // Source  Converse's ValidationException; its type stands in a header, the model's own words in the message
    {.refusal = context_window, .part = "Input is too long for requested model"},
    {.refusal = context_window, .part = "prompt is too long"},
};
constexpr RefusalRow cohere_rows[] = {
    // Source  docs.cohere.com/reference/errors
    {.refusal = context_window, .part = "too many tokens"},
};

std::span<const RefusalRow> rows_of(Protocol provider) noexcept {
    switch (provider) {
        case Protocol::openai_chat:
        case Protocol::openai_responses:
        case Protocol::openai_completions: return openai_rows;
        case Protocol::anthropic: return anthropic_rows;
        case Protocol::gemini: return gemini_rows;
        case Protocol::bedrock: return bedrock_rows;
        case Protocol::cohere: return cohere_rows;
    }
    return {};
}

/// Some servers tell the status, or a number of their own, for a code; DeepSeek tells the type once more.
bool says_something(std::string_view code, std::string_view type) noexcept {
    return code != type && !std::ranges::all_of(code, [](char c) { return c >= '0' && c <= '9'; });
}

Refusal refusal_of(Protocol provider, const ErrorAnswer& error) noexcept {
    const bool has_code = says_something(error.code, error.type);
    for (const RefusalRow& row : rows_of(provider)) {
        if (row.code.empty() ? has_code : row.code != error.code) continue;
        if (!row.type.empty() && row.type != error.type) continue;
        if (error.message.find(row.part) != std::string_view::npos) return row.refusal;
    }
    return none;
}

}  // namespace

Refusal read_refusal(BlockPool& pool, Protocol provider, int status, std::string_view body) {
    if (!may_be_refusal(status) || find_bad_escape(body) != body.npos) return none;
    TranslateScratch::Parts scratch;  // refusals are rare: they keep nothing of the shard's
    TranslationState state(scratch, pool, {.client = provider, .provider = provider});
    Context context = state.context();
    ErrorAnswer error{.status = status};
    dialect_of(provider).read_error(body, context, error);
    return refusal_of(provider, error);
}

}  // namespace loom::llm
