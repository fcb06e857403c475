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

// Sources are answers that were seen, by the issue that quotes them (repository#number on GitHub), or the provider's
// documents.
constexpr RefusalRow openai_rows[] = {
    // Source  OpenAI's chat: chathub-dev/chathub#126, and responses: james-6-23/codex2api#415; Groq:
    //         thepersonalaicompany/amurex-backend#51
    {.refusal = context_window, .code = "context_length_exceeded"},
    // Of a text that no model of OpenAI's may hold (1 MiB, then 10 MiB). The same code is for a call's id above 64
    // bytes, which fits no better elsewhere.
    // Source  gptscript-ai/clio#41; of ids: AnswerDotAI/fastllm#45
    {.refusal = context_window, .code = "string_above_max_length", .part = ".content"},
    {.refusal = context_window, .code = "string_above_max_length", .part = "'input'"},
    // Source  GitHub Models, with a 413 ("Request body too large for gpt-4o model. Max size: 8000 tokens.")
    {.refusal = context_window, .code = "tokens_limit_reached"},
    // Source  DashScope: agentscope-ai/QwenPaw#6255; help.aliyun.com/zh/model-studio/error-code
    {.refusal = context_window, .code = "invalid_parameter_error", .part = "Range of input length should be"},
    {.refusal = content_policy, .code = "data_inspection_failed"},
    // Source  Z.ai, docs.z.ai/api-reference/api-code; its numbers may be another server's too, so the text has to agree
    {.refusal = context_window, .code = "1261", .part = "exceeds max length"},
    {.refusal = content_policy, .code = "1301", .part = "sensitive"},
    // Source  xAI: cline/cline#3120; the code was a sentence once
    {.refusal = context_window, .code = "invalid-argument", .part = "maximum prompt length is"},
    {.refusal = context_window, .code = "Client specified an invalid argument", .part = "maximum prompt length is"},
    {.refusal = content_policy, .code = "Client specified an invalid argument", .part = "content moderation"},
    // Source  Azure: openai/openai-dotnet#55
    {.refusal = content_policy, .code = "content_filter"},
    // Source  OpenAI's images, of dall-e and of gpt-image (whose type is image_generation_user_error)
    {.refusal = content_policy, .code = "content_policy_violation"},
    {.refusal = content_policy, .code = "moderation_blocked"},
    // Of reasoning models; the code alone says no more than "bad prompt".
    // Source  BeehiveInnovations/pal-mcp-server#178
    {.refusal = content_policy, .code = "invalid_prompt", .part = "usage policy"},
    // Source  ggml-org/llama.cpp#15780
    {.refusal = context_window, .type = "exceed_context_size_error"},
    // Source  Moonshot
    {.refusal = content_policy, .type = "content_filter"},
    {.refusal = context_window, .part = "exceeded model token limit"},
    // Source  vLLM: vllm-project/vllm#33425; DeepSeek: evalstate/fast-agent#621; OpenRouter: refly-ai/refly#1177;
    //         Mistral ("too large for model with 32768 maximum context length"): BerriAI/litellm#21647
    {.refusal = context_window, .part = "maximum context length"},
    // Source  Azure: BerriAI/litellm#15968
    {.refusal = context_window, .part = "Input tokens exceed the configured limit"},
    // Source  SGLang, and Together: BerriAI/litellm#10793
    {.refusal = context_window, .part = "longer than the model's context length"},
    // Source  Hugging Face's TGI, and Together: portkey.ai/error-library/input-validation-error-10151
    {.refusal = context_window, .part = "`inputs` tokens + `max_new_tokens` must be"},
    // Source  LM Studio: cline/cline#3664
    {.refusal = context_window, .part = "model is loaded with context length of only"},
    // Source  DeepSeek: 666ghj/BettaFish#108
    {.refusal = content_policy, .part = "Content Exists Risk"},
};
constexpr RefusalRow anthropic_rows[] = {
    // One type for all of them, so that the text has to tell. A request_too_large (413) is of bytes, not of tokens.
    // Source  platform.claude.com/docs/en/api/errors; boldsoftware/exe.dev#62, anthropics/claude-code#408 and #37547
    {.refusal = context_window, .type = "invalid_request_error", .part = "prompt is too long"},
    {.refusal = context_window, .type = "invalid_request_error", .part = "exceed context limit"},
    {.refusal = content_policy, .type = "invalid_request_error", .part = "blocked by content filtering policy"},
};
constexpr RefusalRow gemini_rows[] = {
    // A prompt that is blocked is no error: its answer is a 200 without candidates.
    // Source  google-gemini/gemini-cli#6678, with and without the count: BerriAI/litellm#18282
    {.refusal = context_window, .type = "INVALID_ARGUMENT", .part = "exceeds the maximum number of tokens allowed"},
    // Source  Vertex ("the input token count is 3601938 but model only supports up to 1000000")
    {.refusal = context_window, .type = "INVALID_ARGUMENT", .part = "but model only supports up to"},
};
constexpr RefusalRow bedrock_rows[] = {
    // The type stands in a header; the words are the model's own. A throttled one's "Too many tokens" is a 429.
    // Source  Claude: continuedev/continue#9592, aaif-goose/goose#7504; Titan: BerriAI/litellm#21647; Llama
    {.refusal = context_window, .part = "Input is too long for requested model"},
    {.refusal = context_window, .part = "prompt is too long"},
    {.refusal = context_window, .part = "exceed context limit"},
    {.refusal = context_window, .part = "Too many input tokens"},
    {.refusal = context_window, .part = "maximum context length"},
};
constexpr RefusalRow cohere_rows[] = {
    // Not "max tokens must be less than or equal to 4096, the maximum output for this model", which begins alike.
    // Source  docs.cohere.com/v1/reference/errors; cohere-ai/sandbox-topically#4
    {.refusal = context_window, .part = "too many tokens: size limit exceeded"},
    {.refusal = context_window, .part = "too many tokens: total number of tokens"},
    {.refusal = context_window, .part = "too many tokens: the total number of tokens"},
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
