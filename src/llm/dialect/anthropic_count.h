// POST /v1/messages/count_tokens: the same request without what only an answer needs, and a count for an answer.
#pragma once

#include "context.h"
#include "loom/base/block_pool.h"

namespace loom::llm::anthropic {

/// The body for `count_tokens`, appended. read_request() reads such a body as it does any.
/// Errors  unsupported (downstream), as of write_request(); what is left out, being of no weight to a count, is no
/// loss.
[[nodiscard]] Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out);

/// `{"input_tokens":N}`.
/// Errors  bad_message (upstream) when the document is none, or does not say the count.
[[nodiscard]] Result<uint64_t> read_count_answer(std::string_view body, Context& context);
void write_count_answer(uint64_t input_tokens, ByteBuffer& out);

}  // namespace loom::llm::anthropic
