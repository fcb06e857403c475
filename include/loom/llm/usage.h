// How many tokens an answer took, and who says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "loom/base/result.h"

namespace loom::llm {

class Structure;

/// One normal form for every provider, whose parts sum to its total: input is what was neither read from nor written to
/// a prompt cache, plus cached_input, plus cache_write; reasoning and audio are parts of the side that they stand at.
struct Usage {
    enum class Provenance : uint8_t { none, reported, counted, estimated };

    uint64_t input = 0;           // prompt tokens, cached ones included
    uint64_t output = 0;          // completion tokens, reasoning included
    uint64_t cached_input = 0;    // of input: read from the provider's prompt cache
    uint64_t cache_write = 0;     // of input: written to the provider's prompt cache
    uint64_t cache_write_1h = 0;  // of cache_write: kept for an hour, at a price of its own
    uint64_t audio_input = 0;     // of input
    uint64_t reasoning = 0;       // of output
    uint64_t audio_output = 0;    // of output
    uint64_t total = 0;
    Provenance provenance = Provenance::none;

    friend constexpr bool operator==(const Usage&, const Usage&) = default;
};

/// "none", "reported", …
[[nodiscard]] std::string_view provenance_name(Usage::Provenance provenance) noexcept;

/// Reads the usage of a whole (not streamed) answer. One lives per shard; a warm read does not allocate.
class UsageReader {
  public:
    UsageReader();
    ~UsageReader();
    UsageReader(UsageReader&&) noexcept;
    UsageReader& operator=(UsageReader&&) noexcept;

    /// answer_json  the whole body, below 4 GiB; no padding is needed.
    /// True and usage filled (provenance reported) when the answer reports it; false and usage untouched when it is
    /// missing or null. Knows chat, completions, embeddings (prompt_tokens, completion_tokens, total_tokens,
    /// prompt_tokens_details.cached_tokens, completion_tokens_details.reasoning_tokens) and the spelling of responses
    /// and messages (input_tokens, output_tokens, …).
    /// Method  The last raw `"usage":` is sought from the end. Text of an answer cannot hold it (its quotes would be
    ///         escaped); a nested object could, so what follows must parse as the rest of the top-level object up to
    ///         the end of the document. Where it does not, the whole document is parsed. A cost of the tail, not of the
    ///         body.
    /// Errors  bad_message (upstream) when the whole document had to be parsed and is not a JSON object.
    [[nodiscard]] Result<bool> read(std::string_view answer_json, Usage& usage);

  private:
    std::unique_ptr<Structure> structure_;
};

}  // namespace loom::llm
