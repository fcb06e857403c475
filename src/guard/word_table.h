// Words and what they mean, by a hash; and which words need not be looked up at all.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/assert.h"

namespace loom::guard {

class WordTable {
  public:
    /// Words that are apart by blanks, folded: small letters without accents; Cyrillic as it is.
    struct Row {
        uint32_t meaning;
        std::string_view words;
    };
    explicit WordTable(std::span<const Row> rows) noexcept {
        size_t count = 0;
        for (const Row& row : rows)
            for (std::string_view left = row.words; !left.empty();) {
                const std::string_view word = left.substr(0, left.find(' '));
                count += add(word, row.meaning);
                left.remove_prefix(std::min(word.size() + 1, left.size()));
            }
        LOOM_ASSERT(count < slot_count / 2);
    }

    /// 0 for a word that means nothing here.
    [[nodiscard]] uint32_t meaning_of(std::string_view word) const noexcept {
        if (word.empty() || !may_mean(word[0], word.size() > 1 ? word[1] : '\0', word.size())) return 0;
        const uint64_t hash = hash_of(word);
        for (size_t at = hash % slot_count; slots_[at].hash != 0; at = (at + 1) % slot_count)
            if (slots_[at].hash == hash) return slots_[at].meaning;
        return 0;
    }
    /// Whether a word that begins so, in letters of either case, and is so long may mean something: no, for most words
    /// of most texts.
    [[nodiscard]] bool may_mean(char first, char second, size_t size) const noexcept {
        return (lengths_[beginning_of(first, second)] >> std::min<size_t>(size, 31) & 1) != 0;
    }

    /// FNV-1a (Fowler, Noll, Vo), folded: words are short. Never 0.
    [[nodiscard]] static constexpr uint64_t hash_of(std::string_view word) noexcept {
        uint64_t hash = 0xcbf29ce484222325;
        for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        return (hash ^ hash >> 29) | 1;
    }

  private:
    static constexpr size_t slot_count = 2048;
    struct Slot {
        uint64_t hash = 0;
        uint32_t meaning = 0;
    };
    static constexpr size_t beginning_of(char first, char second) noexcept {
        return static_cast<size_t>(first & 31) << 5 | static_cast<size_t>(second & 31);
    }
    bool add(std::string_view word, uint32_t meaning) noexcept {
        const size_t beginning = beginning_of(word[0], word.size() > 1 ? word[1] : '\0');
        lengths_[beginning] |= uint32_t{1} << std::min<size_t>(word.size(), 31);
        const uint64_t hash = hash_of(word);
        size_t at = hash % slot_count;
        while (slots_[at].hash != 0 && slots_[at].hash != hash) at = (at + 1) % slot_count;
        const bool is_new = slots_[at].hash == 0;
        slots_[at] = {hash, slots_[at].meaning | meaning};
        return is_new;
    }

    std::array<Slot, slot_count> slots_{};
    std::array<uint32_t, size_t{1} << 10> lengths_{};  // of the words that begin with two letters, a bit each
};

}  // namespace loom::guard
