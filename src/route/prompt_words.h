// The words that say what a prompt is about, in the languages that are known, and how much each says.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/route/estimate.h"

namespace loom::route {

/// What words can speak of: the tasks, then what makes a prompt easy or hard, then what means something beside others.
enum class Theme : uint8_t {
    chat,
    code,
    summary,
    translation,
    creative,
    extraction,
    maths,
    image,
    reasoning,   // prove, compare, tradeoffs
    constraint,  // exactly, without, must
    clause,      // which, whose, because, given: one thing depends on another
    domain,      // special knowledge: jurisdiction, asymptotic, lock-free
    simple,      // hi, thanks
    language,    // the name of one
    toward,      // to, into: what stands before the language that is wanted
    said,        // say, word: how is it said in …
    make,        // create, generate, draw up
    picture,     // image, logo
    none,
};
inline constexpr uint32_t theme_count = static_cast<uint32_t>(Theme::none);
static_assert(static_cast<uint8_t>(Theme::image) == static_cast<uint8_t>(Task::image));

struct Word {
    Theme theme = Theme::none;
    float weight = 0;
    Theme also = Theme::none;  // `prove` is of mathematics, and of reasoning
    float also_weight = 0;
};

using WordHash = uint32_t;
inline constexpr WordHash word_hash_seed = 0x811c9dc5;
/// One more letter, folded.
[[nodiscard]] constexpr WordHash add_letter(WordHash hash, char32_t letter) noexcept {
    return (hash ^ static_cast<uint32_t>(letter)) * 0x9e3779b1u;
}

/// Small letters without accents: É and e are one. 0: no letter.
[[nodiscard]] constexpr char32_t fold_letter(char32_t c) noexcept {
    if (c >= U'A' && c <= U'Z') return c | 0x20;
    if ((c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9')) return c;
    if (c < 0x80) return 0;
    if (c == 0xdf) return c;
    if (c >= 0xc0 && c <= 0xff) {
        constexpr char32_t plain[] = U"aaaaaaaceeeeiiiidnooooo\0ouuuuyty";
        return plain[(c - 0xc0) & 0x1f];  // capitals and small letters stand 32 apart
    }
    if (c >= 0x410 && c <= 0x42f) return c + 0x20;  // Cyrillic
    if (c == 0x401 || c == 0x451) return 0x435;     // ё is often written е
    if (c >= 0x391 && c <= 0x3a9) return c + 0x20;  // Greek
    return c >= 0x100 && c < 0x2000 ? c : 0;
}
/// Chinese and Japanese write no blanks: there each two characters are a word.
[[nodiscard]] constexpr bool is_ideograph(char32_t c) noexcept {
    return (c >= 0x3041 && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3);
}

/// Words by hash. A filter in front answers for nearly all words that are none of these, with one load.
class WordTable {
  public:
    static constexpr uint16_t none = UINT16_MAX;
    static constexpr uint32_t size = 4096;  // of slots: a power of two, at most half used

    /// The word's slot, none where it is not known. Two words of one hash are one.
    [[nodiscard]] uint16_t find(WordHash hash) const noexcept {
        return (filter_[filter_bit(hash) / 64] >> (filter_bit(hash) % 64) & 1) != 0 ? look_up(hash) : none;
    }
    [[nodiscard]] Word word(uint16_t slot) const noexcept;

    /// The first of two has it.
    void insert(WordHash hash, uint8_t row) noexcept {
        uint32_t slot = hash >> 20;
        for (; rows_[slot] != 0; slot = (slot + 1) % size)
            if (hashes_[slot] == hash) return;
        hashes_[slot] = hash;
        rows_[slot] = row;
        filter_[filter_bit(hash) / 64] |= uint64_t{1} << (filter_bit(hash) % 64);
        used_ += 1;
    }
    [[nodiscard]] uint32_t used() const noexcept { return used_; }

  private:
    static constexpr uint32_t filter_bits = 16384;
    static constexpr uint32_t filter_bit(WordHash hash) noexcept { return hash >> 18; }
    static_assert(filter_bits == 1u << 14 && size == 1u << 12);
    [[nodiscard]] uint16_t look_up(WordHash hash) const noexcept;

    std::array<uint64_t, filter_bits / 64> filter_{};
    std::array<WordHash, size> hashes_{};
    std::array<uint8_t, size> rows_{};  // 0: free
    uint32_t used_ = 0;
};
/// Whole words, and pairs of ideographs.
extern const WordTable whole_words;
/// Words' beginnings, for languages that inflect: of stem_letters_min..stem_letters_max letters.
extern const WordTable word_stems;
inline constexpr uint32_t stem_letters_min = 4;
inline constexpr uint32_t stem_letters_max = 9;

}  // namespace loom::route
