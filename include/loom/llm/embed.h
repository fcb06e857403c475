// Embeddings between a client and a provider that speak different protocols: the request's translation, and its
// answer's back. Pure: bytes in, bytes out. Between equal protocols the bytes pass as they came, and nobody calls this.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "loom/base/arena_list.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/translate.h"
#include "loom/llm/usage.h"

namespace loom::llm {

enum class EmbedProtocol : uint8_t {
    openai,          // POST /v1/embeddings
    gemini,          // POST /v1beta/models/{model}:embedContent; one input
    gemini_batch,    // POST /v1beta/models/{model}:batchEmbedContents; as a provider's, it takes one input as well
    cohere,          // POST /v2/embed
    bedrock_cohere,  // POST /model/cohere.embed-…/invoke
    bedrock_titan,   // POST /model/amazon.titan-embed-text-…/invoke; one input
    vertex,          // POST …/publishers/google/models/{model}:predict; gemini-embedding-… takes one input; no client's
};
inline constexpr uint32_t embed_protocol_count = 7;

/// Views stay for the exchange. Plain text, not JSON.
struct EmbedTerms {
    EmbedProtocol client = EmbedProtocol::openai;
    EmbedProtocol provider = EmbedProtocol::openai;
    std::string_view model;         // the name at the provider
    std::string_view client_model;  // the name that the client asked for: what its answer says
    std::string_view fallback_id;   // unique, for an answer that has no id of its own
};

class EmbedTranslation {
  public:
    EmbedTranslation(TranslateScratch& scratch, BlockPool& pool, const EmbedTerms& terms);
    ~EmbedTranslation();
    EmbedTranslation(const EmbedTranslation&) = delete;

    /// Appends the provider's document. body: JSON in the client's protocol, complete.
    /// Errors  bad_message (downstream): error_param() and error_offset() tell where.
    ///         unsupported (downstream): token arrays, pictures or number formats that the provider does not have;
    ///         several inputs for one that takes one.
    [[nodiscard]] Result<void> request(std::string_view body, ByteBuffer& out);
    [[nodiscard]] const char* error_param() const noexcept { return error_param_; }
    [[nodiscard]] uint32_t error_offset() const noexcept { return error_offset_; }

    /// Appends the client's document for an answer of the provider's (status 2xx). Vectors pass as they stand; where
    /// the client asked for base64, they are little-endian float32. usage   written when the answer reports it. Errors
    /// bad_message (upstream), also for another number of vectors than of inputs.
    [[nodiscard]] Result<void> answer(std::string_view body, ByteBuffer& out, Usage& usage);

    /// What could not be carried, as Translation's.
    [[nodiscard]] const ArenaList<std::string_view>& dropped() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
    const char* error_param_ = "";
    uint32_t error_offset_ = 0;
};

}  // namespace loom::llm
