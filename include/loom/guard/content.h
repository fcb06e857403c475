// How much a text looks like what is not to be asked for or said: by categories that moderation services share, by
// words and their order, and no model that is asked. It finds what is said plainly; hints, irony and pictures it does
// not.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "loom/base/content_category.h"

namespace loom::guard {

enum class ContentSeverity : uint8_t { low, medium, high };

/// Of one text. Points of a category: its strongest rule, and half of the others; half of that in a text that speaks
/// of such things to prevent, report or study them, but for what is said of children.
struct ContentScore {
    std::array<uint32_t, content_category_count> points{};

    [[nodiscard]] bool reaches(ContentCategory category, ContentSeverity severity) const noexcept {
        constexpr std::array<uint32_t, 3> least = {35, 60, 85};
        return points[static_cast<size_t>(category)] >= least[static_cast<size_t>(severity)];
    }
};

/// Words and phrases of an operator's own, of words_max words each, compared as the built-in ones are: whatever their
/// case, accents, hidden signs and look-alikes.
class ContentWords {
  public:
    static constexpr size_t words_max = 6;
    static constexpr size_t word_bytes_max = 32;
    /// False: the phrase has no word or more than words_max, one of more than word_bytes_max, or a letter that is
    /// neither Latin nor Cyrillic.
    bool add(std::string_view phrase);
    [[nodiscard]] bool empty() const noexcept { return hashes_.empty(); }

  private:
    friend class ContentTrack;
    std::vector<uint64_t> hashes_;  // sorted
    size_t longest_ = 0;            // words
};

/// Of a whole text. own may be null. Takes time linear in the text and nothing from the heap.
[[nodiscard]] ContentScore score_content(std::string_view text, const ContentWords* own = nullptr) noexcept;

}  // namespace loom::guard
