// How many tokens a text is, where no rank file says it: an estimate that is fitted to o200k_base's tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace loom::llm {

/// How many tokens so many bytes are of which nobody knows more: four bytes each, as English has it.
[[nodiscard]] constexpr uint64_t estimated_tokens(uint64_t text_bytes) noexcept { return (text_bytes + 3) / 4; }

/// A running estimate over texts as they are read.
/// Method  Each byte adds how often a token begins there, told by it and the byte before it: one look into a table of
///         64 KiB. The weights are scripts/fit-token-estimate's, counted in texts of 45 kinds.
/// Law     A text cut anywhere, added in order, is the same number of tokens as the whole. What is added as JSON is the
///         same as the text that it stands for, as long as no escape is cut.
/// Error   beside o200k_base's count of texts that it was not fitted to, mean deviation and 95th percentile: English 6
///         and 11 %, other languages 3 to 15 and 7 to 32, C++ 6 and 13, Python 11 and 25, JSON 6 and 9, numbers 6 and
///         21, base64 2 and 4 (bench/token_error.cc prints all by kind, README has the table). Other families' tokens
///         are as far off as theirs are from o200k_base's. Text that is chosen to look cheap is told as a quarter of
///         what it is, at the least.
class TokenEstimate {
  public:
    /// text  UTF-8; other bytes count as what they are.
    void add(std::string_view text) noexcept;
    /// raw  the inside of a JSON string. A broken escape counts as its letters, a lone surrogate as U+FFFD.
    void add_json(std::string_view raw) noexcept;
    /// Of whole texts that another one was told: as if this had been told them.
    void add(const TokenEstimate& texts) noexcept {
        sum_ += texts.sum_;
        bytes_ += texts.bytes_;
        end_text();
    }
    /// … and as if it had not been: they are among those that it was told.
    void take_out(const TokenEstimate& texts) noexcept {
        sum_ -= texts.sum_;
        bytes_ -= texts.bytes_;
        end_text();
    }
    /// The next byte begins another text, and with it a token.
    void end_text() noexcept { last_ = text_begin; }

    /// To the nearest; of a text that is there, one at least. And of any so many bytes one at least: pairs of letters
    /// that hardly ever begin a token can be put in a row by whoever wants to be cheap, and then they begin many.
    [[nodiscard]] uint64_t tokens() const noexcept {
        return std::max((sum_ + unit / 2) / unit, bytes_ / bytes_a_token_max);
    }

    static constexpr uint64_t unit = 255;             // of the sum: one token
    static constexpr uint64_t bytes_a_token_max = 8;  // no language has so many

  private:
    static constexpr uint8_t text_begin = 0xff;  // no byte of UTF-8

    void add_one(uint8_t byte) noexcept;

    uint64_t sum_ = 0;
    uint64_t bytes_ = 0;
    uint8_t last_ = text_begin;
};

/// Of a whole text.
[[nodiscard]] inline uint64_t estimated_tokens(std::string_view text) noexcept {
    TokenEstimate estimate;
    estimate.add(text);
    return estimate.tokens();
}

}  // namespace loom::llm
