// OpenAI's chat completions: what its readers and writers share. Source: openai-node 6.49
// (resources/chat/completions.d.ts) and platform.openai.com/docs/api-reference/chat.
//
// Fields that are not OpenAI's own, as its compatible servers spell them: `reasoning_content` (`reasoning` is read too)
// is the thinking's text; `thinking_blocks` are Anthropic's blocks with their signatures; `extra_content.google` of a
// message or of a call holds Gemini's thought_signature; `images` of an answer are image_url parts; `cache_control` is
// Anthropic's.
#pragma once

#include <memory>

#include "citation.h"
#include "dialect.h"
#include "json_out.h"

namespace loom::llm::openai_chat {

[[nodiscard]] Result<void> read_request(std::string_view body, Context& context, ChatRequest& request);
[[nodiscard]] Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out);
[[nodiscard]] Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out);
void read_error(std::string_view body, Context& context, ErrorAnswer& error);
void write_error(const ErrorAnswer& error, ByteBuffer& out);
[[nodiscard]] std::unique_ptr<StreamDecoder> decoder();
[[nodiscard]] std::unique_ptr<StreamEncoder> encoder();

// Reading (openai_chat_message.cc).

/// Skips a value and notes "where name" as lost, unless it says nothing: null, false, "", [] or {}.
[[nodiscard]] bool skip_lost(Cursor& cursor, Context& context, std::string_view where, std::string_view name);

/// Is what stands here lost when it is not carried? Of answers nothing is noted.
enum class Noted : bool { no, yes };

/// One message object, of a request or of an answer.
struct ReadMessage {
    ArenaList<Part> parts;  // thinking, then text and media, then calls
    Text role;              // as it stands
    Text name;
    Text tool_call_id;         // of role tool
    bool legacy_call = false;  // its last part is a `function_call`, which has no id
};
[[nodiscard]] bool read_message(Cursor& cursor, Context& context, Noted noted, ReadMessage& message);

/// Reads `{"google":{"thought_signature":…}}`.
[[nodiscard]] bool read_extra_content(Cursor& cursor, Text& signature);
/// Reads one of `thinking_blocks`.
[[nodiscard]] bool read_thinking_block(Cursor& cursor, Part& part);
/// Reads an `error`, whatever its type.
[[nodiscard]] bool read_error_value(Cursor& cursor, Context& context, ErrorAnswer& error);

/// For a call of a server that gives no ids: the result that comes back must find its call.
[[nodiscard]] Text made_call_id(uint32_t choice, uint32_t ordinal, Context& context);

[[nodiscard]] FinishReason finish_of(std::string_view word, bool has_refusal) noexcept;

// Writing (openai_chat_parts.cc).

/// A refusal that has no text of its own is the word for what a filter took.
[[nodiscard]] std::string_view finish_word(FinishReason reason, bool has_calls, bool has_refusal) noexcept;

[[nodiscard]] inline bool is_thinking(const Part& part) noexcept {
    return part.kind == Part::Kind::thinking || part.kind == Part::Kind::redacted_thinking || part.thought;
}
void write_thinking(const ArenaList<Part>& parts, Context& context, JsonOut& json);
void write_thinking_block(const Part& part, JsonOut& json);
void write_extra_content(Text signature, JsonOut& json);
/// Gemini's, of a message's texts: the last one.
[[nodiscard]] Text text_signature_of(const ArenaList<Part>& parts) noexcept;
/// The value of `arguments`: a string with JSON inside.
void write_arguments(const Part& call, JsonOut& json);
void write_data_url(const Media& media, std::string_view type_default, JsonOut& json);
/// A picture that the model made, as an element of `images`.
void write_image_url(const Media& media, JsonOut& json);
/// An element of `annotations`: a citation that has a URL, of the part that has this place in the message's content.
/// False, and nothing written, for one that has none.
bool write_annotation(Json citation, Span part, Context& context, JsonOut& json);
void write_usage(const Usage& usage, JsonOut& json);
/// The value of `error`.
void write_error_value(const ErrorAnswer& error, JsonOut& json);

}  // namespace loom::llm::openai_chat
