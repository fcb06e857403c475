// Why a provider refused a request that another model might take.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/llm/protocol.h"

namespace loom::llm {

enum class Refusal : uint8_t {
    none,            // any other reason, or none
    context_window,  // the prompt, or what was asked for beside it, does not fit the model's context
    content_policy,  // the provider's filter of contents blocked it
};

/// May an answer of this status be one of those? Then its body tells.
[[nodiscard]] constexpr bool may_be_refusal(int status) noexcept {
    return status == 400 || status == 413 || status == 422;
}

/// Of a whole answer with an error.
/// provider  the protocol that it is written in.    body  any bytes.
[[nodiscard]] Refusal read_refusal(BlockPool& pool, Protocol provider, int status, std::string_view body);

}  // namespace loom::llm
