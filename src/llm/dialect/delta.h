// A streamed answer in no protocol's words: what a decoder tells an encoder, one small thing at a time.
#pragma once

#include "chat.h"

namespace loom::llm {

/// Views are good during the call. Parts of a choice are told one after the other, and what belongs to a part is told
/// before the next part's begin; only tool calls may interleave, by `tool`.
struct Delta {
    enum class Kind : uint8_t {
        start,              // id, model, created; once, first; usage, where the provider says the input's already
        text,               // text: a piece of the answer
        refusal,            // text
        thinking,           // text; signature may come with it (Gemini) …
        signature,          // … or at the end of the thinking before it (Anthropic): signature
        redacted_thinking,  // text: opaque data, whole
        tool_call,          // a call begins: tool, tool_id, tool_name, signature where there is one
        arguments,          // a piece of the arguments of call `tool`: text (inside a string), or json (all at once)
        citation,           // json, of the text before it: Anthropic's citation object or OpenAI's annotation
        logprobs,           // json in OpenAI's shape, of the text before it
        part_end,           // the part that was told last is whole (optional: an encoder may not rely on it)
        finish,             // of a choice: reason, finish_text, stop_sequence
        usage,              // usage: all that is known so far; the last one counts
        error,              // error; nothing follows
        ping,
        end,    // the answer is whole: the protocol's own last event was there
        image,  // media: a picture that the model made, whole
    };
    Kind kind = Kind::ping;
    FinishReason reason = FinishReason::none;
    uint32_t choice = 0;
    uint32_t tool = 0;  // of tool_call and arguments: 0, 1, … in the order the calls of a choice begin
    Text id;
    Text model;
    uint64_t created = 0;
    Text text;
    Text signature;
    Text tool_id;
    Text tool_name;
    Text finish_text;
    Text stop_sequence;
    Json json;
    const Usage* usage = nullptr;
    const ErrorAnswer* error = nullptr;
    const Media* media = nullptr;
};

class DeltaSink {
  public:
    virtual void on_delta(const Delta& delta) = 0;

  protected:
    ~DeltaSink() = default;
};

}  // namespace loom::llm
