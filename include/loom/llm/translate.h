// One exchange between a client and a provider that speak different protocols: the request's translation, and its
// answer's back. Pure: bytes in, bytes out.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "loom/base/arena_list.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/protocol.h"
#include "loom/llm/stream_reader.h"
#include "loom/llm/usage.h"

namespace loom::llm {

/// Views stay for the exchange. Plain text, not JSON.
struct TranslateTerms {
    Protocol client = Protocol::openai_chat;
    Protocol provider = Protocol::openai_chat;
    std::string_view model;              // the name at the provider
    std::string_view client_model;       // the name that the client asked for: what its answer says
    std::string_view fallback_id;        // unique, for an answer that has no id of its own
    uint64_t created = 0;                // Unix seconds, for an answer that has no time of its own
    uint64_t max_tokens_default = 4096;  // where the provider must be told a bound and the client said none
    uint64_t max_tokens_cap = 0;         // no answer is to be longer, whatever the client says; 0: any
    bool stream = false;
    bool include_usage = false;  // of an OpenAI chat stream: did the client ask?
    Quirks quirks;
    std::string_view body_version;  // of Anthropic's protocol where the path names the model; "": the body names it
    bool json_array = false;        // of a Gemini stream: the client did not say alt=sse, and gets one array of events
    std::string_view guardrail = {};          // Bedrock's, by id or ARN …
    std::string_view guardrail_version = {};  // … and its version
};

/// Scratch that the translations of a shard share; nothing of it outlives a call.
class TranslateScratch {
  public:
    TranslateScratch();
    ~TranslateScratch();
    TranslateScratch(const TranslateScratch&) = delete;

    struct Parts;  // translation_state.h

  private:
    friend class AnswerForms;
    friend class Translation;
    friend class StreamWatch;
    friend class EmbedText;
    friend class EmbedTranslation;
    friend class CountTranslation;
    friend class QuirkEdits;
    friend class HistoryTrim;
    std::unique_ptr<Parts> parts_;
};

class TextCount;
class ToldStream;

class Translation {
  public:
    /// What one may keep between two calls: the texts that a Responses client is told again at the end (8 MiB), or
    /// calls that Gemini's and Anthropic's clients are told whole (4 MiB, 1 MiB); beside it the text that Gemini cites,
    /// or a client of Gemini's is told places of (1 MiB), citations until their block's end, and names.
    static constexpr size_t memory_bytes_max = size_t{10} << 20;

    Translation(TranslateScratch& scratch, BlockPool& pool, const TranslateTerms& terms);
    ~Translation();
    Translation(const Translation&) = delete;

    /// Appends the provider's document. body: JSON in the client's protocol, complete.
    /// Errors  bad_message, unsupported (downstream); error_param() and error_offset() tell where.
    [[nodiscard]] Result<void> request(std::string_view body, ByteBuffer& out);
    [[nodiscard]] const char* error_param() const noexcept { return error_param_; }
    [[nodiscard]] uint32_t error_offset() const noexcept { return error_offset_; }

    /// Appends the client's document for a whole answer of the provider's (status 2xx).
    /// Errors  bad_message (upstream).
    [[nodiscard]] Result<void> answer(std::string_view body, ByteBuffer& out, Usage& usage);

    /// Appends the client's document for an error of the provider's: its own message, in the client's shape.
    void error(int status, std::string_view body, ByteBuffer& out);

    /// One event of the provider's stream: appends what the client gets for it, nothing or several whole events.
    /// The facts are those of what was appended; usage is written when it was told. An event that is not understood
    /// appends nothing and has `malformed` set.
    EventFacts event(std::string_view name, std::string_view data, ByteBuffer& out, Usage& usage);
    /// The provider's stream ended in an orderly way. Appends what the client's protocol owes; false when the answer is
    /// not whole (fail() follows).
    [[nodiscard]] bool end(ByteBuffer& out, Usage& usage);
    /// The stream broke: appends the client's error event. `type` is a word of error.h.
    void fail(std::string_view message, std::string_view type, ByteBuffer& out);

    /// Adds each text of the stream's events to this from now on; it outlives this, and is told where an event ends.
    void count(TextCount& count) noexcept;

    /// What could not be carried so far.
    [[nodiscard]] const ArenaList<std::string_view>& dropped() const noexcept;

    // A stream that another provider may have to go on with: told_stream.h. It stays as long as this does.
    /// Before the first call of this: whatever the client is told from now on is kept there, and where another was told
    /// before (ToldStream::go_on), this one goes on with its stream.
    void tell(ToldStream& told);
    /// Of a translation between equal protocols, whose events pass to the client as they came: keeps in step with one.
    /// facts  of the event. Where the client was told what this cannot keep, nobody can go on with it.
    void follow(std::string_view name, std::string_view data, const EventFacts& facts);

    // A stream that may be ended before its provider ends it.
    /// Of a translation for a stream that passes to the client as it came: reads an event of it, so that stop() knows
    /// where the client stands. False once that cannot be known any more: then this is of no use. Only text, refusals
    /// and thoughts can be kept in step with; tools' calls, a provider's own tools, citations, pictures, and whatever
    /// is not understood cannot.
    [[nodiscard]] bool shadow(std::string_view name, std::string_view data);
    /// Can the stream be ended behind its last event? Not while a call of a tool is not whole, nor once each choice has
    /// its finish.
    [[nodiscard]] bool may_stop() const noexcept;
    /// Where may_stop(). Ends the client's stream in order, as one whose model has reached its max_tokens: what is open
    /// is closed, each choice has its finish, the usage is told where the client wants it, and the protocol's last
    /// event.
    void stop(const Usage& usage, ByteBuffer& out);

  private:
    struct State;
    std::unique_ptr<State> state_;
    const char* error_param_ = "";
    uint32_t error_offset_ = 0;
};

/// Reads the events of a stream that passes as it came, where its protocol is not openai_chat (StreamReader is for
/// that): what the relay has to know of each.
class StreamWatch {
  public:
    StreamWatch(TranslateScratch& scratch, BlockPool& pool, Protocol protocol);
    ~StreamWatch();
    StreamWatch(const StreamWatch&) = delete;

    EventFacts event(std::string_view name, std::string_view data, Usage& usage);
    /// As Translation::count.
    void count(TextCount& count) noexcept;
    /// The stream ended in an orderly way. Is the answer whole?
    [[nodiscard]] bool end();
    /// Of a whole answer, or of its end alone. False, and usage untouched, when it cannot be read.
    bool answer(std::string_view body, Usage& usage);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm
