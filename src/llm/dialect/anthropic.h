// Anthropic's Messages API, piece by piece: the dialect (anthropic.cc) puts these together.
// Source  https://platform.claude.com/docs/en/api/messages, and the types of @anthropic-ai/sdk 1.11.0 (of 0.71.2 for
// temperature, top_p and top_k, which the newest models refuse).
#pragma once

#include <memory>
#include <optional>

#include "dialect.h"

namespace loom::llm::anthropic {

// The functions of Dialect, of which dialect.h tells the errors.
[[nodiscard]] Result<void> read_request(std::string_view body, Context& context, ChatRequest& request);
[[nodiscard]] Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out);
[[nodiscard]] Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out);
void read_error(std::string_view body, Context& context, ErrorAnswer& error);
void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out);
[[nodiscard]] std::unique_ptr<StreamDecoder> make_decoder();
[[nodiscard]] std::unique_ptr<StreamEncoder> make_encoder();

/// What a request says, or what of it a `count_tokens` request says: that takes neither max_tokens nor sampling.
enum class Form : uint8_t { message, count };
[[nodiscard]] Result<void> write_request(const ChatRequest& request, Form form, Context& context, ByteBuffer& out);

/// Of an event that reached its client as it came, and what the encoder has made of it: do both stand at the same
/// block, so that the encoder could go on with the stream?
[[nodiscard]] bool is_in_step(std::string_view event, std::string_view data, std::string_view made) noexcept;
/// Where an event of a provider's stream stands.
struct EventPlace {
    uint64_t index = 0;
    Text type;
    Text block_type;  // absent where the event begins no block
};
/// Nothing where the event cannot be read.
[[nodiscard]] std::optional<EventPlace> place_of(std::string_view data, Context& context);

/// `stop_reason`, both ways.
[[nodiscard]] FinishReason finish_reason_of(Text stop_reason) noexcept;
/// tool_called  the answer holds a call: some providers say `stop` then, and Anthropic's clients run no tool unless
/// told. text         the provider's own word, which stays where it is one of Anthropic's.
[[nodiscard]] std::string_view stop_reason_of(FinishReason reason, Text text, bool tool_called) noexcept;

/// An answer's tier: Anthropic says standard, OpenAI default. Absent where the other side has no such word.
[[nodiscard]] Text read_tier(Text tier) noexcept;
[[nodiscard]] Text write_tier(Text tier) noexcept;

/// `error.type` and the status it comes with, 529 among them.
[[nodiscard]] std::string_view error_type_of(int status, Text type) noexcept;
/// The members of `{"type":"error","error":{…}}`; false when the document is none.
[[nodiscard]] bool read_error_document(Cursor& cursor, ErrorAnswer& error);
/// The document itself, without a line's end.
void write_error_document(const ErrorAnswer& error, ByteBuffer& out);

/// Is it an array of Anthropic's citations (or one of them)? OpenAI's annotations have another shape.
[[nodiscard]] inline bool is_citation(Json citation) noexcept {
    return citation.find("\"cited_text\"") != citation.npos;
}

/// What names and ids of tools must be: ^[a-zA-Z0-9_-]{1,64}$, and of the same letters.
inline constexpr NameRule tool_name_rule{.bytes_max = 64};
inline constexpr NameRule tool_id_rule{.bytes_max = 128};

// Reading: of the value under the cursor.

/// A member that nothing here knows: a loss by its name, unless its value says nothing (null, false, "", [], {}).
[[nodiscard]] bool skip_unknown(Cursor& cursor, std::string_view name, Context& context);
/// Text, or null; anything else is a fault.
[[nodiscard]] bool read_text(Cursor& cursor, Text& text);
/// A number, or null; anything else is a fault.
[[nodiscard]] bool read_number(Cursor& cursor, Json& number);

}  // namespace loom::llm::anthropic
