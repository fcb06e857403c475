// A prompt as it is understood: what it speaks of, in order, how each is tied to the one before, and what is asked.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "lexicon.h"
#include "words.h"

namespace loom::cache {

struct Token {
    uint64_t concept_hash;  // the same for all words of a class
    uint64_t raw;           // of the word as it was written, small
    uint64_t exact;         // of a word with capitals within; else 0
    uint32_t links;         // Link, all that stood since the token before
    uint32_t links_order;   // of those that have to be the same: "him about us" and "us about him"
    uint32_t begin;         // in the text
    uint32_t size;
    VetoReason topic;
    bool genitive;  // "France's"
    bool capital;   // within a sentence: a name, most likely
    bool common;
    bool listed;  // in a class of synonyms: how it was written says nothing
};

struct Reading {
    std::string_view text;
    bool whole;            // all of the text was read
    uint32_t questions;    // Question
    uint32_t modals;       // Modal
    uint32_t tenses;       // Tense
    uint32_t verbs;        // Verb
    uint32_t links_after;  // behind the last token
    uint32_t links_after_order;
    uint64_t words_hash;  // of all words, in order, small
    size_t count;
    std::array<Token, words_max> tokens;
};

/// The languages that most of the small words belong to, a bit for each: none where there are none, and more than one
/// for many a short text.
[[nodiscard]] uint16_t likely_languages(const Words& words) noexcept;
/// One of them; English where nothing tells.
[[nodiscard]] Language first_language(uint16_t languages) noexcept;

/// Linear in the text, nothing from the heap.
void read_prompt(const Words& words, Language language, Reading& reading) noexcept;

}  // namespace loom::cache
