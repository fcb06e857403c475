// What the files of the Cohere dialect share. Source: Cohere's API reference, Chat (v2), and its SDK's types.
#pragma once

#include <memory>
#include <string_view>

#include "dialect.h"
#include "json_out.h"

namespace loom::llm::cohere {

/// Errors  unsupported: media that Cohere does not take.
[[nodiscard]] Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out);
/// Writes "messages". Texts of files are not among them: those are counted, and write_documents writes them.
[[nodiscard]] Result<void> write_messages(const ChatRequest& request, Context& context, JsonOut& out,
                                          uint32_t& document_count);
void write_documents(const ChatRequest& request, JsonOut& out);
[[nodiscard]] Text tool_name(Text name, Context& context);

[[nodiscard]] FinishReason finish_reason(Text word) noexcept;
/// The cursor stands at a Usage object.
[[nodiscard]] bool read_usage(Cursor& cursor, Usage& usage);
[[nodiscard]] Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void read_error(std::string_view body, Context& context, ErrorAnswer& error);

[[nodiscard]] std::unique_ptr<StreamDecoder> make_decoder();

}  // namespace loom::llm::cohere
