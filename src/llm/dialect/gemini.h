// Google's generateContent, as the Gemini API and Vertex AI speak it: what its readers and writers share.
//
// The documents are proto3 JSON: a field has two spellings ("systemInstruction", "system_instruction"), a number may
// stand in quotes, and a list of one may stand without its brackets.
#pragma once

#include <array>
#include <span>

#include "arena_text.h"
#include "dialect.h"
#include "json_out.h"

namespace loom::llm::gemini {

/// A field's name in the spelling that Google's own printers use, whichever the document has.
class FieldName {
  public:
    explicit FieldName(std::string_view spelled) noexcept;
    explicit FieldName(const Cursor& cursor, Range key) noexcept : FieldName(name_of(cursor, key)) {}
    FieldName(const FieldName&) = delete;
    [[nodiscard]] std::string_view view() const noexcept { return view_; }
    [[nodiscard]] bool operator==(std::string_view name) const noexcept { return view_ == name; }

  private:
    std::array<char, 48> room_;
    std::string_view view_;
};

/// A repeated field.
template <class OnItem>
[[nodiscard]] bool each_item(Cursor& cursor, OnItem&& on_item) {
    if (cursor.peek() == '[') return cursor.each_element(on_item);
    return cursor.is_null() ? cursor.skip_value() : on_item();
}

/// An object's members; anything else reads as absent. on_member(const FieldName&) consumes the value.
template <class OnMember>
[[nodiscard]] bool each_field(Cursor& cursor, OnMember&& on_member) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) { return on_member(FieldName(cursor, key)); });
}

/// A number, in quotes or not; anything else reads as absent.
[[nodiscard]] bool take_integer(Cursor& cursor, std::optional<int64_t>& value);

/// Consumes a value that is not carried. A loss, noted as where + name, unless it says nothing (null, false, empty).
[[nodiscard]] bool lose(Cursor& cursor, Context& context, std::string_view where, std::string_view name);

/// "Schema", Google's subset of OpenAPI ("type": "STRING", "nullable": true), as JSON Schema. In the arena.
[[nodiscard]] bool read_schema(Cursor& cursor, Context& context, Json& schema);

// Parts

/// One part of a content. `found` is false where it holds nothing that chat.h has a place for; that is noted as a loss.
/// tool_id and tool_name are as the document has them: absent, and without aliases.
[[nodiscard]] bool read_part(Cursor& cursor, Context& context, std::string_view where, Part& part, bool& found);

/// The member of a media part: inlineData or fileData. Its source is not text.
void write_media(const Part& part, JsonOut& json);
/// Of a text, refusal or thinking: a whole part.
void write_text_part(const Part& part, JsonOut& json);
/// Of a tool call: a whole part. args: a JSON object.
void write_call(const Part& call, Text name, Json args, JsonOut& json);

/// Functions: "Must start with a letter or an underscore. Must be a-z, A-Z, 0-9, or contain underscores, dots, colons
/// and dashes, with a maximum length of 128."
inline constexpr NameRule name_rule = {.bytes_max = 128, .dots = true, .letter_first = true};

// Requests

[[nodiscard]] Result<void> read_request(std::string_view body, Context& context, ChatRequest& request);
[[nodiscard]] Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out);
/// Returns whether the system texts stand among the contents, because nobody else said anything.
/// Errors  unsupported: a file that lies with another provider.
[[nodiscard]] Result<bool> write_contents(const ChatRequest& request, Context& context, JsonOut& json);
/// countTokens: `contents`, or a whole `generateContentRequest`.
[[nodiscard]] Result<void> read_count_request(std::string_view body, Context& context, ChatRequest& request);
/// As a whole `generateContentRequest`: Vertex, which does not know it, takes what write_request() writes.
[[nodiscard]] Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out);

/// How a family of models is told how much to think.
struct ThinkingFamily {
    enum class Kind : uint8_t { no_thinking, budget, level };
    std::string_view part;  // of the model's name
    Kind kind;
    int64_t budget_min;
    int64_t budget_max;
    bool may_be_off;
    bool minimal, medium;  // levels; low and high are known to all
};
/// By the first row whose part stands in the name.
[[nodiscard]] const ThinkingFamily& thinking_family(std::string_view model) noexcept;
void write_thinking(const ChatRequest& request, Context& context, JsonOut& json);

// Answers

/// A page that something of the answer rests on.
struct Source {
    Text url;
    Text title;
};
/// A place of the answer's text, in bytes of UTF-8, with the numbers of the sources that it rests on.
struct Support {
    std::optional<int64_t> part;  // of the content
    std::optional<int64_t> begin;
    std::optional<int64_t> end;
    Text text;  // what stands there
    ArenaList<int64_t> chunks;
};
struct Grounding {
    ArenaList<Source> chunks;
    ArenaList<Support> supports;
};

/// What a whole answer and one event of a stream have in common.
struct Response {
    ChatAnswer answer;
    ArenaList<Grounding> groundings;  // one a choice
    bool has_candidates = false;
    bool has_usage = false;
    Text block_reason;  // of a prompt that was refused: there are no candidates then
    bool is_error = false;
    ErrorAnswer error;
};
/// A GenerateContentResponse or an error, bare, in a `response` envelope, or alone in an array. Calls keep an absent
/// id.
[[nodiscard]] bool read_response(std::string_view body, Context& context, Response& response, Fault& fault);
/// An id for a call that came without one: unique in the conversation (of Terms::fallback_id), for the client sends it
/// back.
[[nodiscard]] Text made_call_id(uint32_t ordinal, Context& context);

[[nodiscard]] bool read_usage(Cursor& cursor, Usage& usage);
/// The same of an answer's end alone, whatever stands before. False, and usage as before, where it is not found.
[[nodiscard]] bool find_usage(std::string_view end, Structure& structure, Usage& usage);
void write_usage(const Usage& usage, JsonOut& json);

[[nodiscard]] FinishReason finish_of(Text word, bool has_calls) noexcept;
/// The word for what is not said is STOP's: a whole answer that does not say why it ended ended by itself.
[[nodiscard]] std::string_view finish_word(FinishReason reason) noexcept;

/// logprobsResult to OpenAI's {"content":[…],"refusal":null}, and back.
[[nodiscard]] bool read_logprobs(Cursor& cursor, Context& context, Json& logprobs);
void write_logprobs(Json logprobs, Context& context, JsonOut& json);

[[nodiscard]] Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out);
/// modelVersion and responseId.
void write_identity(Text model, Text id, Context& context, JsonOut& json);

// Errors

void read_error(std::string_view body, Context& context, ErrorAnswer& error);
/// The inside of "error": the cursor stands at the object.
[[nodiscard]] bool read_error_object(Cursor& cursor, ErrorAnswer& error);
void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out);

// Streams

[[nodiscard]] std::unique_ptr<StreamDecoder> make_decoder();
[[nodiscard]] std::unique_ptr<StreamEncoder> make_encoder();

}  // namespace loom::llm::gemini
