// POST /v1/messages/count_tokens: the same request without what only an answer needs.
#pragma once

#include "context.h"
#include "loom/base/block_pool.h"

namespace loom::llm::anthropic {

/// The body for `count_tokens`, appended. read_request() reads such a body as it does any.
/// Errors  unsupported (downstream), as of write_request(); what is left out, being of no weight to a count, is no
/// loss.
[[nodiscard]] Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out);

}  // namespace loom::llm::anthropic
