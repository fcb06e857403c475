// OpenAI's Responses protocol: what its readers and writers share.
// Source  openai-node resources/responses (6.x), and what codex-rs reads of the stream.
#pragma once

#include <optional>

#include "citation.h"
#include "dialect.h"
#include "json_out.h"
#include "seal.h"

namespace loom::llm::responses {

/// One document being read. Every function that returns false has said why, and where.
struct Reading {
    Context& context;
    Cursor cursor;
    Errc code = Errc::bad_message;
    bool is_answer = false;
    Text call_signature;  // of the call that comes next: see Seal::call

    /// At the next token.
    bool refuse(const char* param, const char* what) {
        context.error_param = param;
        return cursor.fail_here(what);
    }
    bool unsupported(const char* param, const char* what) {
        code = Errc::unsupported;
        return refuse(param, what);
    }
    /// The value under the cursor has no place in chat.h: noted as `prefix` + `name`, unless it says nothing (null,
    /// false, an empty list or text). Of an answer nothing is noted: its items hold much that no other protocol has.
    bool lose(std::string_view prefix, std::string_view name);
    /// A string or null.
    bool take(Text& text, const char* param);
    bool take_number(Json& number, const char* param);
    [[nodiscard]] std::string_view name_of(Range key) const { return inside(cursor.text(), key); }
};

/// One item of a request's input or of an answer's output.
struct Item {
    Text type;
    Text role;
    Text call_id;
    Text id;
    Text name;
    Text arguments;  // of a function's call
    Text input;      // of a custom tool's call
    Json action;     // of a shell's call, and an apply_patch's operation
    Text encrypted;  // of reasoning
    ArenaList<Part> content;
    ArenaList<Part> summary;
    ArenaList<Part> output;  // of a call's result
    Json output_json;        // where it is a list of no parts (a shell's)
    Json logprobs;
    uint32_t offset = 0;
};
[[nodiscard]] bool read_item(Reading& reading, Item& item);

/// A string, or a list of parts.
[[nodiscard]] bool read_content(Reading& reading, ArenaList<Part>& parts, Json* logprobs);

/// Adds what an item says as parts of the assistant. False where it is no such item, or one with no place in chat.h.
[[nodiscard]] bool add_assistant_parts(Reading& reading, const Item& item, ArenaList<Part>& parts);

/// The arguments `{"input":…}` of the function that stands for a custom tool, and the text in them. Text of another
/// shape (a model may write anything) is its own input.
[[nodiscard]] Text wrapped_input(Text input, Arena& arena);
[[nodiscard]] Text unwrapped_input(const Part& call, Context& context);

// What proves a provider's thinking travels through the client as a reasoning item's encrypted_content, sealed
// (seal.h); OpenAI's own goes as it is.

/// The inside of `logprobs` in chat's shape, from an array of ours, and back.
[[nodiscard]] Json chat_logprobs(Json array, Arena& arena);
[[nodiscard]] Json logprobs_array(Json chat, Context& context);

/// A citation as an annotation of a text of so many code points; absent where there is none for it: a document of
/// Anthropic's that came by no file's id.
[[nodiscard]] Json annotation_of(Json citation, uint64_t text_size, Context& context);
/// Writes what a text cites as an array; what has no place there is a loss.
void write_annotations(JsonOut& json, const Part& part, Context& context);

/// {"input_tokens":…}; null where nothing is known.
void write_usage(JsonOut& json, const Usage& usage);

/// An id of ours for an item: unique in its answer, within the 64 bytes that OpenAI takes back.
struct ItemId {
    explicit ItemId(std::string_view kind, Text response_id, uint64_t index) noexcept;
    /// A provider's own; cut where it is longer than any.
    explicit ItemId(Text own) noexcept;
    [[nodiscard]] Text text() const noexcept { return {bytes, size}; }
    char bytes[64];
    size_t size = 0;
};
/// Where an event of a provider's stream stands.
struct EventPlace {
    uint64_t sequence_number = 0;
    uint64_t output_index = 0;
    uint64_t part_index = 0;  // content_index or summary_index
    Text type;
    Text item_type;  // absent where the event has no item
    Text item_id;    // of the event or of its item; absent where it has none
};
/// Nothing where the event cannot be read.
[[nodiscard]] std::optional<EventPlace> place_of(std::string_view data, Context& context);

/// "resp_…" of a provider's id of any kind; the fallback's where it has none.
[[nodiscard]] Text response_id(Text id, Context& context);

/// How a response stands that ended so.
struct Outcome {
    std::string_view status;             // completed, incomplete, failed
    std::string_view incomplete_reason;  // empty but for incomplete
};
[[nodiscard]] Outcome outcome_of(FinishReason reason, bool has_refusal) noexcept;

/// A response object but for its output, which its writer puts between the two.
struct Envelope {
    Text id;
    uint64_t created = 0;
    std::string_view status;
    std::string_view incomplete_reason;
    const ErrorAnswer* error = nullptr;
    const Usage* usage = nullptr;
    Text service_tier;
};
void open_envelope(JsonOut& json, const Envelope& envelope, Context& context);
void close_envelope(JsonOut& json, const Envelope& envelope, Context& context);

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request);
Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out);
/// The body for `POST /v1/responses/input_tokens`.
Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out);
Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out);
[[nodiscard]] std::unique_ptr<StreamDecoder> make_decoder();
[[nodiscard]] std::unique_ptr<StreamEncoder> make_encoder();

}  // namespace loom::llm::responses
