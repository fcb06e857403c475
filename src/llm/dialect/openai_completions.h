// OpenAI's legacy completions: a client of theirs may be answered by a provider that has chat alone. No provider is
// spoken to in it, so that it reads requests and writes answers only.
#pragma once

#include "dialect.h"

namespace loom::llm::completions {

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request);
void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out);
[[nodiscard]] std::unique_ptr<StreamEncoder> make_encoder();

}  // namespace loom::llm::completions
