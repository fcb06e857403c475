// How many tokens an answer is expected to take, before there is any of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "loom/llm/endpoint.h"
#include "loom/llm/request.h"

namespace loom::proxy {

[[nodiscard]] constexpr bool makes_output(llm::Endpoint endpoint) noexcept {
    return endpoint != llm::Endpoint::embeddings && endpoint != llm::Endpoint::embed_content &&
           endpoint != llm::Endpoint::batch_embed_contents;
}

/// usual    what answers of this model take as a rule: a client's max_tokens is what it fears, not what it takes.
/// Returns  for all choices together; 0 where no output is made.
[[nodiscard]] constexpr uint64_t expected_output(llm::Endpoint endpoint, const llm::Request& request,
                                                 uint64_t usual) noexcept {
    constexpr uint64_t choices_max = 128;  // that a provider makes of one prompt
    if (!makes_output(endpoint)) return 0;
    if (request.max_tokens != 0) usual = std::min(usual, request.output_tokens_max());
    return usual * std::clamp<uint64_t>(request.n, 1, choices_max);
}

}  // namespace loom::proxy
