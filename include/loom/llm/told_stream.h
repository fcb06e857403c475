// What a client was told of a streamed answer, kept so that another provider may go on where the first one broke off.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace loom::llm {

/// Of one answer, whose stream one translation after the other tells (Translation::tell). What is told in the client's
/// protocol is one stream all along: one id, one role, indexes that go on, one finish. The usage that it ends with is
/// the sum of what all providers have reported; each translation reports its own. Kept is text alone. An answer with
/// anything else in it (a call, a refusal, a picture, logprobs, citations, a second choice), one that is finished, and
/// one whose thinking has not ended cannot be gone on with.
class ToldStream {
  public:
    /// text_bytes_max  of the answer's text, decoded: beyond it nothing is kept, and nobody can go on.
    explicit ToldStream(size_t text_bytes_max);
    ~ToldStream();
    ToldStream(const ToldStream&) = delete;

    [[nodiscard]] bool may_go_on() const noexcept;
    /// Another provider's turn. The next translation's request() asks to go on with what was told: the text is added as
    /// the assistant's, and a user's turn that asks for the rest, for not all providers take an assistant's turn as the
    /// last. What the rest repeats of the text's end is left out (seam.h).
    void go_on();

    /// What it may take at worst, for so much text.
    [[nodiscard]] static size_t memory_bytes_max(size_t text_bytes_max) noexcept;

    struct State;

  private:
    friend class Translation;
    std::unique_ptr<State> state_;
};

}  // namespace loom::llm
