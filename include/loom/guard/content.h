// How much a text looks like what is not to be asked for or said: by categories that moderation services share, by
// words and their order, and no model that is asked. It finds what is said plainly; hints, irony and pictures it does
// not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
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

/// A category that a text has reached.
struct ContentFind {
    size_t begin = 0;  // of the word with which it did
    ContentCategory category = ContentCategory::hate;
};

class ContentReader;

/// One scan of texts, one behind another with 0x1e between, of which only a window is there at a time. A category is
/// found with the word that has it reach its severity, once in a text. What comes behind that word takes nothing back,
/// as what was told cannot be: talk of prevention counts half of what stands behind its first word, and not of what
/// stands before. So no cut of a text changes what is found, and the whole has what its pieces have.
class ContentScan {
  public:
    /// What is not decided is the word at hand, of so many bytes at most: what is longer, by signs that nobody sees, is
    /// read all the same, and not waited for.
    static constexpr size_t held_bytes_max = 128;
    static constexpr size_t memory_bytes = 2048;

    /// categories  a bit each: those that are looked for.
    /// own         borrowed; null: none.
    ContentScan(ContentSeverity severity, uint8_t categories, const ContentWords* own = nullptr);
    ~ContentScan();

    /// Goes on to the end of what is there, and calls found(const ContentFind&) in order; places are of the window.
    /// window  the same bytes as before, less those that were forgotten, and more behind them.
    template <class Found>
    void advance(std::string_view window, bool final, Found&& found) {
        using Taker = std::remove_reference_t<Found>;
        advance(
            window, final, [](void* context, const ContentFind& find) { (*static_cast<Taker*>(context))(find); },
            &found);
    }
    /// No find begins before this that has not been told.
    [[nodiscard]] size_t decided() const noexcept;
    /// The window's first `count` bytes, at most decided(), go.
    void forget(size_t count) noexcept;

  private:
    using Sink = void (*)(void* context, const ContentFind&);
    void advance(std::string_view window, bool final, Sink sink, void* context);

    std::unique_ptr<ContentReader> reader_;
};

/// Of a whole text. own may be null. Takes time linear in the text and nothing from the heap.
[[nodiscard]] ContentScore score_content(std::string_view text, const ContentWords* own = nullptr) noexcept;

}  // namespace loom::guard
