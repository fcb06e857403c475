// Where a text goes on that was cut off: whoever goes on may say its end once more, or all of it, which is found here
// as it comes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loom::llm {

/// Plain UTF-8.
/// Law      For every cut of a text and every place before it from which the second half may go on, the first half and
///          what take() and end() append are the text once; as long as the text does not repeat itself there
///          (tests/llm/seam_test.cc).
/// Method   The continuation is the pattern of a Knuth-Morris-Pratt search in what was said, grown as it comes: what it
///          shares with the end of it is the state at that end. Linear in both. Only what might still be a repetition
///          is held back.
class Seam {
  public:
    /// said    stays put.
    /// unseen  bytes of its end that whoever goes on was not shown (white space): those may come again, or not.
    Seam(std::string_view said, size_t unseen) noexcept : said_(said), unseen_(unseen) {}

    /// The continuation's next piece: appends what is new of it, and of those held back.
    void take(std::string_view piece, std::string& fresh);
    /// There is no more of it.
    void end(std::string& fresh);

    /// A repetition that begins within a word is taken for one from so many bytes on, of which half are of words …
    static constexpr size_t shared_bytes_min = 16;
    /// … and one that begins with a word from so many bytes of words. Less may well be meant: "had had", "}\n}".
    static constexpr size_t word_bytes_min = 3;
    /// One that ends before it has reached the end of what was said has nothing new, from so many bytes on: whoever
    /// says all again may be stopped by its bound of tokens.
    static constexpr size_t stopped_bytes_min = 64;

  private:
    void search(bool is_whole);
    void note_fallback();
    void settle(std::string& fresh);
    [[nodiscard]] bool is_repetition(size_t bytes, size_t of_words) const noexcept;

    std::string_view said_;
    size_t unseen_;
    std::string held_;                // the continuation so far
    std::vector<uint32_t> fallback_;  // of each of its prefixes: the longest that is a suffix of it too
    size_t at_ = 0;                   // of said_: all before it was searched
    size_t matched_ = 0;              // of held_: it stands in said_ before at_
    bool settled_ = false;
};

}  // namespace loom::llm
