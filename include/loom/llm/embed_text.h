// One text to embed, in a provider's words, and the vector that its answer holds: for what Loom asks on its own behalf.
// Pure: bytes in, bytes out. An answer is a stranger's, whatever the provider.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/embed.h"

namespace loom::llm {

inline constexpr size_t vector_dimensions_min = 8;  // fewer tell no texts apart
inline constexpr size_t vector_dimensions_max = 4096;

struct EmbedTextTerms {
    EmbedProtocol protocol = EmbedProtocol::openai;
    std::string_view model;   // the name at the provider
    uint64_t dimensions = 0;  // 0: the model's own
};

class EmbedText {
  public:
    EmbedText(TranslateScratch& scratch, BlockPool& pool) noexcept : scratch_(scratch), pool_(pool) {}

    /// Appends the provider's document for one text, which is to be compared with others of its kind.
    /// text  UTF-8, not empty.
    [[nodiscard]] Result<void> write(const EmbedTextTerms& terms, std::string_view text, ByteBuffer& out);

    /// The one vector of an answer with status 200, as a unit vector. The OpenAI protocol's base64 is understood too.
    /// dimensions  that it must have; 0: any number from vector_dimensions_min to vector_dimensions_max.
    /// usage       the input, written when the answer reports any, also where the vector is of no use: it was paid for.
    /// Errors      bad_message (upstream): no JSON, none or several vectors, another length, what is not finite, only
    ///             zeros. `into` is empty then.
    [[nodiscard]] Result<void> read(EmbedProtocol protocol, std::string_view body, size_t dimensions,
                                    std::vector<float>& into, Usage& usage);

  private:
    TranslateScratch& scratch_;
    BlockPool& pool_;
};

}  // namespace loom::llm
