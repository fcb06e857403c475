// The embedded model (`provider.X.type = echo`): deterministic, in process, no network, so that a first request works
// without a key and tests have an upstream that never varies. It is not a language model and says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/request.h"
#include "loom/llm/usage.h"

namespace loom::llm {

/// One answer. Chat and completions say a sentence that names the model and repeats the user's last message; embeddings
/// are unit vectors out of a hash of each input. With tools and a tool_choice of "required" or a named function, chat
/// answers with a tool call whose arguments fill the function's required parameters.
/// Tokens are words here, on both sides (runs of bytes between spaces; a token array counts its numbers): honest for a
/// model whose vocabulary is words, and no provider's count.
/// It allocates: it is an upstream, not the way of a request.
class EchoAnswer {
  public:
    EchoAnswer();
    ~EchoAnswer();
    EchoAnswer(EchoAnswer&&) noexcept;
    EchoAnswer& operator=(EchoAnswer&&) noexcept;

    /// Everything needed is copied: request and body may go afterwards.
    /// id       unique part of the answer's id (`chatcmpl-<id>`).    created  Unix seconds.
    /// Errors   unsupported (downstream) for an endpoint it has no answer to; bad_message (downstream) for a parameter
    /// of
    ///          embeddings out of range; error_param() names it.
    [[nodiscard]] Result<void> start(Endpoint endpoint, const Request& request, std::string_view body,
                                     std::string_view id, int64_t created);

    /// Appends one SSE event, `data: …\n\n`; false, with nothing appended, once `data: [DONE]` was given.
    /// Only when the request streams.
    bool next_event(std::string& out);

    /// Appends the whole answer as one JSON document.
    void whole(std::string& out);

    [[nodiscard]] const Usage& usage() const noexcept;
    [[nodiscard]] const char* error_param() const noexcept;

    static constexpr uint32_t choices_max = 16;          // `n` above it is refused
    static constexpr uint32_t dimensions_default = 256;  // of an embedding
    static constexpr uint32_t dimensions_max = 4096;
    static constexpr uint32_t repeated_bytes_max = 2048;       // of the user's message
    static constexpr uint32_t batch_dimensions_max = 1 << 20;  // of all vectors of one answer together
    /// What one answer may take: a batch of vectors as text, in a string that has doubled, and its copy on the way out.
    static constexpr size_t memory_bytes_max = size_t{batch_dimensions_max} * 16 * 4;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm
