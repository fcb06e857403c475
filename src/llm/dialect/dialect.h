// One protocol's readers and writers. Each is a file in this folder, `<protocol>.h`, with what it needs beside it; none
// knows of another: they meet in chat.h and delta.h.
#pragma once

#include <memory>

#include "context.h"
#include "delta.h"

namespace loom::llm {

/// Reads the events of one streamed answer, in order. Holds what it must between two events, bounded.
class StreamDecoder {
  public:
    virtual ~StreamDecoder() = default;
    /// event  the name of the SSE event (or the AWS frame's type); may be empty.    data  its data, JSON mostly.
    /// False when it is malformed: told is nothing of it, and the stream goes on with the next.
    virtual bool read(std::string_view event, std::string_view data, Context& context, DeltaSink& sink) = 0;
    /// The source ended in an orderly way. Where the protocol has no last event of its own (Gemini), what is owed is
    /// told now, `end` included, if the answer had its finish. Returns whether the answer is whole.
    virtual bool read_end(Context& context, DeltaSink& sink) = 0;
};

/// Writes deltas as the events of a protocol, whole ones with their blank line, at the end of `out`.
class StreamEncoder {
  public:
    virtual ~StreamEncoder() = default;
    virtual void write(const Delta& delta, Context& context, ByteBuffer& out) = 0;
    /// Where a stream stands that passes to its client as it comes.
    enum class Step : uint8_t {
        here,     // what would be written next goes on from what the client has
        between,  // not behind this event, but maybe behind a later one
        lost,     // never again: the client was told what this cannot go on from
    };
    /// Of an encoder whose events nobody gets, since the client gets the provider's own (Translation::shadow): the
    /// event whose deltas were written last. What the encoder has to say of its place (ids, numbers, what is open) goes
    /// on from there.
    [[nodiscard]] virtual Step note_source(std::string_view data, Context& context);
};

class Dialect {
  public:
    // Requests. `body` stays until the writer is done.
    /// Errors   bad_message (downstream), with context.error_param and error_offset.
    virtual Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const = 0;
    /// Errors   unsupported (downstream): what the target cannot do at all, and is no parameter that may be dropped.
    virtual Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const = 0;

    // Whole answers.
    /// Errors   bad_message (upstream).
    virtual Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const = 0;
    virtual void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const = 0;

    // Errors. A body that is not understood leaves the message to its first bytes.
    virtual void read_error(std::string_view body, Context& context, ErrorAnswer& error) const = 0;
    virtual void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out) const = 0;

    // Streams.
    [[nodiscard]] virtual std::unique_ptr<StreamDecoder> decoder() const = 0;
    [[nodiscard]] virtual std::unique_ptr<StreamEncoder> encoder() const = 0;

  protected:
    ~Dialect() = default;
};

[[nodiscard]] const Dialect& openai_chat_dialect();
[[nodiscard]] const Dialect& openai_responses_dialect();
[[nodiscard]] const Dialect& anthropic_dialect();
[[nodiscard]] const Dialect& gemini_dialect();
[[nodiscard]] const Dialect& bedrock_dialect();
[[nodiscard]] const Dialect& cohere_dialect();
[[nodiscard]] const Dialect& openai_completions_dialect();
[[nodiscard]] const Dialect& dialect_of(Protocol protocol);

}  // namespace loom::llm
