// What a text's words make of the categories of content.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "content_lexicon.h"
#include "open_word.h"
#include "word_trail.h"

namespace loom::guard {

/// A word as it was written, but small; as it looks in Latin letters ('?' where it looks like none); and that with its
/// digits and signs read as letters, 1 as i and as l. Views.
using WordForms = std::array<std::string_view, 4>;

class ContentTrack {
  public:
    /// own  borrowed; null: none.
    explicit ContentTrack(const ContentWords* own) noexcept : own_(own != nullptr && !own->empty() ? own : nullptr) {}

    /// Whether a word that begins so and is so long has to be told. One that need not stands for nothing.
    [[nodiscard]] bool wants(char first, char second, size_t size) const noexcept {
        return own_ != nullptr || content_words.may_mean(first, second, size);
    }
    /// The word_index-th of the text. Returns whether it gave points to any category.
    bool add(const OpenWord& word, uint32_t word_index) noexcept;
    [[nodiscard]] ContentScore score() const noexcept;

  private:
    /// Hashes of the last words, newest first.
    using LastWords = std::array<uint64_t, ContentWords::words_max>;

    bool add(const WordForms& word, uint32_t word_index) noexcept;
    bool add(uint32_t meaning, uint32_t word_index) noexcept;
    [[nodiscard]] bool find_own(const LastWords& last) noexcept;
    bool add_own(const WordForms& word, uint32_t word_index) noexcept;
    void add_points(ContentCategory category, uint32_t points, bool always) noexcept;

    struct Sum {
        uint32_t most = 0, all = 0;
        void add(uint32_t points) noexcept {
            most = std::max(most, points);
            all += points;
        }
        [[nodiscard]] uint32_t points() const noexcept { return most + (all - most) / 2; }
    };
    WordTrail trail_;
    uint64_t fired_ = 0;
    bool is_about_ = false;
    std::array<Sum, content_category_count> sums_, always_;

    const ContentWords* own_;
    std::array<LastWords, std::tuple_size_v<WordForms>> last_;  // of each of their forms
    size_t last_count_ = 0;
    size_t plain_count_ = 0;  // of the newest: those whose forms are one
    uint32_t last_index_ = 0;
    bool own_fired_ = false;
};

/// A phrase's hash of its words' hashes, first word first.
[[nodiscard]] constexpr uint64_t join_hashes(uint64_t so_far, uint64_t word) noexcept {
    const uint64_t mixed = (so_far ^ word) * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 29;
}

}  // namespace loom::guard
