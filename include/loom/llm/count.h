// How many tokens a prompt is, asked of a provider that speaks another protocol than the client: the request's
// translation, and its answer's back. Pure: bytes in, bytes out. Between equal protocols the bytes pass as they came.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/translate.h"

namespace loom::llm {

enum class CountProtocol : uint8_t {
    anthropic,  // POST /v1/messages/count_tokens
    gemini,     // POST /v1beta/models/{model}:countTokens
    vertex,     // the same of Vertex, which takes the request's members unwrapped; no client's
    responses,  // POST /v1/responses/input_tokens
    bedrock,    // POST /model/{model}/count-tokens; no client's
};
inline constexpr uint32_t count_protocol_count = 5;

/// Views stay for the exchange. Plain text, not JSON.
struct CountTerms {
    CountProtocol client = CountProtocol::anthropic;
    CountProtocol provider = CountProtocol::anthropic;
    std::string_view model;         // the name at the provider
    std::string_view body_version;  // as TranslateTerms'
    Quirks quirks;
};

class CountTranslation {
  public:
    CountTranslation(TranslateScratch& scratch, BlockPool& pool, const CountTerms& terms);
    ~CountTranslation();
    CountTranslation(const CountTranslation&) = delete;

    /// Appends the provider's document. What only an answer needs is left out, and is no loss.
    /// Errors  bad_message, unsupported (downstream): error_param() and error_offset() tell where.
    [[nodiscard]] Result<void> request(std::string_view body, ByteBuffer& out);
    [[nodiscard]] const char* error_param() const noexcept { return error_param_; }
    [[nodiscard]] uint32_t error_offset() const noexcept { return error_offset_; }

    /// Appends the client's document for an answer of the provider's (status 2xx).
    /// Errors  bad_message (upstream): it does not say the count.
    [[nodiscard]] Result<void> answer(std::string_view body, ByteBuffer& out);

  private:
    struct State;
    std::unique_ptr<State> state_;
    const char* error_param_ = "";
    uint32_t error_offset_ = 0;
};

/// What a client of this protocol is told: {"input_tokens":N}, {"totalTokens":N} …
void write_count(CountProtocol client, uint64_t tokens, ByteBuffer& out);

}  // namespace loom::llm
