// Counts what a stream has told by its model's own tokens, while no usage is told: each text of an event by itself, as
// a model's words come a token or some at a time. What two events cut apart is two tokens here, as it was two deltas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/llm/tokenizer.h"

namespace loom::llm {

class TextCount {
  public:
    /// Both outlive it.
    TextCount(const Tokenizer& tokenizer, TokenCounter& counter) noexcept : tokenizer_(tokenizer), counter_(counter) {}

    /// raw  the inside of a JSON string: one text of the event at hand. Beyond RequestReader::counted_bytes_max of an
    ///      event it is estimated.
    void add(std::string_view raw) noexcept;
    /// So much more of it is text, and nobody says where.
    void add_unread(size_t bytes) noexcept { unread_bytes_ += bytes; }
    /// The event at hand is over. One that brings content that is no text is a token at least.
    void end_event(bool has_content) noexcept;
    /// Of all events that are over.
    [[nodiscard]] uint64_t tokens() const noexcept { return tokens_; }
    /// Nothing of them is a guess: no text was too long to be counted, and no content other than text.
    [[nodiscard]] bool is_exact() const noexcept { return is_exact_; }

  private:
    const Tokenizer& tokenizer_;
    TokenCounter& counter_;
    uint64_t tokens_ = 0;
    uint64_t event_tokens_ = 0;
    uint64_t unread_bytes_ = 0;
    size_t counted_bytes_ = 0;
    bool is_exact_ = true;
};

}  // namespace loom::llm
