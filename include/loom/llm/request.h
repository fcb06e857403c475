// Reads the few fields of a request that decide, in place, and says where they stand. The rest of the body is walked,
// so that a document which is cut or malformed is refused here with the place of its error, and nothing is rebuilt.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/protocol.h"
#include "loom/llm/range.h"
#include "loom/llm/token_estimate.h"

namespace loom::llm {

class Structure;
class TokenCounter;
class Tokenizer;

/// More is no number of tokens: sums of these do not overflow.
inline constexpr uint64_t tokens_bound = uint64_t{1} << 32;
/// Of an answer of which nothing is known.
inline constexpr uint64_t output_tokens_expected = 512;

/// One of a document's own bounds of its answer.
struct OutputBound {
    Range range;         // the raw value: a number, or `null`; absent when the client did not say
    uint64_t value = 0;  // 0: null
};

/// The views point into the body, or into the reader until its next read.
struct Request {
    std::string_view model;  // decoded
    Range model_range;       // the raw JSON string, quotes included
    Range model_member;      // from its key to its value, with one comma beside it: without this an object is left
    Range anthropic_version_range;  // the raw value, of what Anthropic's servers on other clouds take in the body
    bool stream = false;
    Range stream_range;               // absent when the client did not say; may be the text `null`
    bool has_stream_options = false;  // present and an object
    bool stream_options_empty = false;
    bool include_usage = false;         // what the client asked for
    Range stream_options_range;         // the raw value: an object, or `null`
    Range include_usage_range;          // the raw value: `true`, `false` or `null`
    uint32_t object_insert_offset = 0;  // right after the opening brace
    bool object_empty = false;          // then an inserted member takes no comma behind it
    std::string_view user;              // decoded; empty when unset
    uint64_t max_tokens = 0;            // by output_bounds, the first of them; 0 unset
    /// max_completion_tokens, max_tokens, max_output_tokens (maxOutputTokens): those that its endpoint knows.
    std::array<OutputBound, 3> output_bounds;
    bool has_unclear_bound = false;  // Gemini's: no number of digits, one that stands twice, or in another spelling
    Range generation_config_range;   // Gemini's
    uint32_t n = 1;
    uint32_t message_count = 0;            // messages; for prompts and inputs, how many of them (a token array is one)
    uint64_t prompt_tokens_counted = 0;    // by its model's tokenizer (RequestReader::count_prompt); 0: not counted
    uint64_t prompt_tokens_estimated = 0;  // PromptWish::estimate; 0: nobody wanted to know
    uint64_t prompt_bytes = 0;  // text of messages, prompts, inputs, instructions and tools, as it stands in the body
    bool has_tools = false;     // `tools` or `functions` is a non-empty array
    Range tools_range;
    Range tool_choice_range;
    bool has_images = false;
    bool has_audio = false;           // in the prompt, or asked for as the answer
    bool has_files = false;           // documents: a provider reads them as text, pictures or both
    bool has_schema = false;          // the answer has to follow one
    bool wants_json = false;          // the answer has to be a document, with a schema or without
    bool uses_stored = false;         // of Responses: names what was stored before, by its id
    Range last_user_range;            // the raw JSON string behind last_user_text
    std::string_view last_user_text;  // of the last user message: its (last) text, undecoded: see json_text.h
    Range messages_range;             // the raw value of messages, prompt or input
    Range system_range;               // the raw value of system, instructions or systemInstruction
    Range opening_range;              // of the messages, from their beginning to the end of the first user's
    Range identifier_range;           // the raw string of safety_identifier, else of metadata's user_id
    enum class Store : uint8_t { unsaid, off, on };
    Store store = Store::unsaid;  // whether the provider is to keep what it answers
    Range cache_key_range;        // the raw string of prompt_cache_key
    Quirks occasions;             // of OpenAI's chat and completions: which of them might find something to change

    [[nodiscard]] uint64_t prompt_tokens() const noexcept {
        if (prompt_tokens_counted != 0) return prompt_tokens_counted;
        return prompt_tokens_estimated != 0 ? prompt_tokens_estimated : estimated_tokens(prompt_bytes);
    }
    /// max_tokens as far as it is a number of tokens, so that sums with it do not overflow; 0 unset.
    [[nodiscard]] uint64_t output_tokens_max() const noexcept {
        return max_tokens < tokens_bound ? max_tokens : tokens_bound;
    }
};

/// What a reader is to find out of the prompt's text beside its length. An estimate costs four instructions a byte.
enum class PromptWish : uint8_t { length, estimate };

/// One lives per shard; its index buffers stay warm, so that a warm read does not allocate (up to 1 MiB bodies; the
/// index of a larger one is given back after the read).
class RequestReader {
  public:
    RequestReader();
    ~RequestReader();
    RequestReader(RequestReader&&) noexcept;
    RequestReader& operator=(RequestReader&&) noexcept;

    /// body     the whole document, below 4 GiB; no padding is needed. Borrowed by the result.
    /// endpoint one of is_inspected().
    /// wish     estimate: prompt_tokens_estimated too, of text as it is meant (TokenEstimate::add_json), and of tools
    /// and
    ///          calls as their JSON. What frames a chat's messages, pictures and sound do not count.
    /// Errors   bad_message (downstream) with a `what` that names the field or the fault; error_offset() and
    ///          error_param() tell more. A deciding key that stands twice is refused, also when spelled with escapes or
    ///          in another case (Go's parsers fold case): the upstream might read the other one.
    ///          Depth is bounded by depth_max. Escapes are judged only in the strings that are decoded.
    [[nodiscard]] Result<Request> read(Endpoint endpoint, std::string_view body, PromptWish wish = PromptWish::length);

    /// How many tokens the prompt of a document is that was read without an error. Text is counted exactly up to
    /// counted_bytes_max, what is behind that at the rate of what is before it, or as it is estimated if that is more;
    /// of chat, what frames its messages too. Tools and calls count as their JSON; pictures and sound do not count.
    [[nodiscard]] uint64_t count_prompt(Endpoint endpoint, std::string_view body, const Tokenizer& tokenizer,
                                        TokenCounter& counter);
    static constexpr uint64_t counted_bytes_max = 32 * 1024;  // half a millisecond, or five of hostile text

    /// Byte offset of the last error in the body.
    [[nodiscard]] uint64_t error_offset() const noexcept { return error_offset_; }
    /// The parameter at fault for the error's `param`: "model", "messages", …; "" for a fault of the document itself.
    [[nodiscard]] const char* error_param() const noexcept { return error_param_; }
    /// Is the error one of the document (no JSON), rather than of one field's type?
    [[nodiscard]] bool error_is_syntax() const noexcept { return error_param_[0] == '\0'; }

    static constexpr uint32_t depth_max = 256;
    static constexpr size_t name_bytes_max = 4096;  // of `model` and `user`, which are kept; a longer one is refused
    /// What the index of a document of so many bytes takes.
    [[nodiscard]] static size_t memory_bytes(size_t document_bytes) noexcept;

  private:
    std::unique_ptr<Structure> structure_;
    std::string model_scratch_;
    std::string user_scratch_;
    uint64_t error_offset_ = 0;
    const char* error_param_ = "";
};

}  // namespace loom::llm
