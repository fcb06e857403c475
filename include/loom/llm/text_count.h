// Counts what a stream has told, while no usage is told. By its model's own tokens: each text of an event by itself, as
// a model's words come a token or some at a time; what two events cut apart is two tokens here, as it was two deltas.
// Where they are not known: by an estimate of all its text, however it was cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/llm/token_estimate.h"
#include "loom/llm/tokenizer.h"

namespace loom::llm {

class TextCount {
  public:
    /// Both outlive it.
    TextCount(const Tokenizer& tokenizer, TokenCounter& counter) noexcept
        : tokenizer_(&tokenizer), counter_(&counter), is_exact_(true) {}
    /// Estimates.
    TextCount() noexcept = default;

    /// raw  the inside of a JSON string: one text of the event at hand. Beyond RequestReader::counted_bytes_max of an
    ///      event it is estimated.
    void add(std::string_view raw) noexcept;
    /// So much more of it is text, and nobody says where.
    void add_unread(size_t bytes) noexcept { unread_bytes_ += bytes; }
    /// The event at hand is over. One that brings content that is no text is a token at least.
    void end_event(bool has_content) noexcept;
    /// Of all events that are over.
    [[nodiscard]] uint64_t tokens() const noexcept { return tokens_ + estimate_.tokens(); }
    /// By tokens, and not by an estimate.
    [[nodiscard]] bool counts() const noexcept { return tokenizer_ != nullptr; }
    /// Nothing of them is a guess: no text was too long to be counted, and no content other than text.
    [[nodiscard]] bool is_exact() const noexcept { return is_exact_; }

  private:
    const Tokenizer* tokenizer_ = nullptr;
    TokenCounter* counter_ = nullptr;
    TokenEstimate estimate_;
    uint64_t tokens_ = 0;
    uint64_t event_tokens_ = 0;
    uint64_t unread_bytes_ = 0;
    size_t counted_bytes_ = 0;
    bool is_exact_ = false;
};

}  // namespace loom::llm
