// Reads the events of a streamed answer: what each is, where its text stands, and the usage it reports.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "loom/llm/range.h"
#include "loom/llm/usage.h"

namespace loom::llm {

class Structure;

struct EventFacts {
    bool done = false;           // `[DONE]`
    bool usage_present = false;  // a non-null usage; it was written to the Usage
    bool usage_only = false;     // and choices is empty, null or missing: the chunk that include_usage adds
    bool usage_null = false;     // `"usage":null`, which include_usage adds to every other chunk
    bool has_content = false;    // what a client sees, hears or runs: content, refusal, reasoning, audio, tool call
    bool has_tool_call = false;
    bool is_error = false;    // a non-null `error`
    bool finished = false;    // a finish_reason that is not null
    bool cut_short = false;   // and it is not that the model was done, or calls a tool: a limit, a filter, a fault
    bool malformed = false;   // not a JSON object: all other facts are false
    uint32_t text_bytes = 0;  // what the model wrote, as raw JSON; of a StreamReader's event see bytes_of()
    Range content;            // the raw JSON string of choices[0].delta.content (or .text), quotes included
};

/// One string of an event that carries text of the model.
struct TextField {
    enum class Kind : uint8_t { content, text, refusal, reasoning, tool_name, tool_arguments };

    Range range;  // the raw JSON string inside the data, quotes included; may be empty text (`""`)
    uint32_t choice = 0;
    uint32_t tool = 0;  // index of the tool call
    Kind kind = Kind::content;
};

/// All of it together, without quotes.
[[nodiscard]] constexpr uint32_t bytes_of(std::span<const TextField> texts) noexcept {
    uint32_t bytes = 0;
    for (const TextField& text : texts) bytes += text.range.length > 2 ? text.range.length - 2 : 0;
    return bytes;
}

/// One lives per shard: it holds no state of a stream, and a warm read does not allocate.
/// Method  Events of a stream are alike but for their text. The reader keeps the last event's bytes as a form with
/// holes
///         (id, created, the text, and strings behind the choices): an event that fits, with a well-formed JSON string
///         or number in each hole, has the same facts, and is not parsed at all. Any other is parsed whole. The form
///         holds for all streams of one model, interleaved or not.
class StreamReader {
  public:
    StreamReader();
    ~StreamReader();
    StreamReader(StreamReader&&) noexcept;
    StreamReader& operator=(StreamReader&&) noexcept;

    /// data   the data of one event (for several `data:` lines, joined by LF), below 4 GiB; no padding is needed.
    /// usage  written only when the event reports it.
    /// Never fails: an event that is not understood has all facts false, and is to be passed on.
    EventFacts read(std::string_view data, Usage& usage);

    /// The strings of the last event read, in the order they stand.
    [[nodiscard]] std::span<const TextField> texts() const noexcept { return {texts_.data(), text_count_}; }
    /// More than texts_max strings: a guard must not take texts() for all there is.
    [[nodiscard]] bool texts_overflowed() const noexcept { return texts_overflowed_; }

    static constexpr uint32_t texts_max = 32;

  private:
    struct Form;
    bool read_by_form(std::string_view data, EventFacts& facts);
    EventFacts read_whole(std::string_view data, Usage& usage);

    std::unique_ptr<Structure> structure_;
    std::unique_ptr<Form> form_;
    std::array<TextField, texts_max> texts_;
    uint32_t text_count_ = 0;
    bool texts_overflowed_ = false;
};

}  // namespace loom::llm
