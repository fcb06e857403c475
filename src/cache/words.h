// A prompt as words: what is plain language, and what is to be taken to the letter.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace loom::cache {

enum class WordKind : uint8_t {
    word,
    ideograph,  // one character of a script without blanks
    number,     // digits
    date,       // digits with marks between them: 12:30, 2024-05-01
    quotation,  // to the letter
    code,       // to the letter
};

struct Word {
    uint64_t hash;  // of a word: small and plain; of a number: its value; else to the letter
    uint64_t
        exact;  // of a word with capitals within (JavaScript), and of a short one after a number (MB): to the letter
    uint32_t begin;  // in the text
    uint32_t size;
    WordKind kind;
    bool capital;       // it begins with one
    bool all_capitals;  // and has more than one letter
    bool first;         // in its sentence
    bool inner_capital;
    bool joined;   // to the word before, by an apostrophe
    char last[4];  // its last letters, small, the very last one first; 0 for what is no ASCII
    uint32_t letters;
};

inline constexpr size_t words_max = 1024;

struct Words {
    std::string_view text;
    size_t count;
    bool whole;     // all of the text is here
    uint32_t kana;  // how many words are of these scripts
    uint32_t ideographs;
    uint64_t looks;  // at bytes: for those who want to see that it is linear
    std::array<Word, words_max> at;
};

/// Reads `text` into `words`. Bytes that are no UTF-8 are letters of their own. Linear.
void read_words(std::string_view text, Words& words) noexcept;

/// The hash of a number by its value, however it was written.
[[nodiscard]] uint64_t number_hash(std::string_view digits) noexcept;
[[nodiscard]] uint64_t number_hash(uint64_t value) noexcept;

}  // namespace loom::cache
