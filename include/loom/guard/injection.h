// Prompt injection: texts that try to take over a model's instructions, or to have them told. A score by rules, each
// with points; nothing is learnt, and what decided can be named.
//
// A text is read as words, after what hides them is undone: zero-width and bidi characters, Unicode tags, look-alikes
// of other scripts, letters apart by blanks, digits for letters, ROT13, Base64 and hexadecimal. Words of eight
// languages stand for what they mean (to ignore, earlier, instructions), rules are sequences of meanings that stand
// near each other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "loom/guard/content.h"

namespace loom::guard {

enum class InjectionSensitivity : uint8_t { low, medium, high };

enum class InjectionFamily : uint8_t { override_, role, delimiter, extraction };
[[nodiscard]] std::string_view injection_family_name(InjectionFamily family) noexcept;

/// Why points were given: the rule, and from where to where its words stand in the text (of what was decoded: all that
/// was coded).
struct InjectionReason {
    InjectionFamily family = InjectionFamily::override_;
    const char* rule = "";  // a literal
    uint64_t begin = 0;
    uint64_t end = 0;
};

struct InjectionScore {
    static constexpr uint32_t reasons_max = 8;

    /// Of each family the best rule's, and half of the others'. What is quoted where the talk is about attacks ("how do
    /// I keep off users who write …") gives a quarter.
    uint32_t points = 0;
    uint32_t points_undoubted = 0;  // without that benefit of the doubt, which an attacker may try to get
    uint32_t reason_count = 0;
    std::array<InjectionReason, reasons_max> reasons;

    [[nodiscard]] bool blocks(InjectionSensitivity sensitivity) const noexcept {
        switch (sensitivity) {
            case InjectionSensitivity::low: return points >= 75;
            case InjectionSensitivity::medium: return points >= 60;
            case InjectionSensitivity::high: return points_undoubted >= 40;
        }
        return false;
    }
};

/// text  UTF-8; anything else is read as words that end there. Takes time linear in it and nothing from the heap.
[[nodiscard]] InjectionScore score_injection(std::string_view text) noexcept;

class InjectionReader;

/// Scores a text of which only a window is there at a time, as score_injection() scores the whole.
class InjectionScan {
  public:
    /// Where something stands that gave points, and each time that it stands there again.
    struct Span {
        uint64_t begin = 0;
        uint64_t end = 0;
    };
    static constexpr size_t spans_max = 64;
    static constexpr size_t memory_bytes = 8 * 1024;

    InjectionScan();
    /// Reads beside what the words make of the categories of content.
    /// own  an operator's own words, which outlive this; null: none.
    explicit InjectionScan(const ContentWords* own);
    ~InjectionScan();

    /// Reads on in `text`, which begins with what the last call has left.
    /// final    the text ends here.
    /// Returns  the bytes that were read; all of them where it is final, else all but some of the last.
    size_t read(std::string_view text, bool final) noexcept;
    static constexpr size_t left_bytes_max = 32;

    /// Of the text that has ended. The scan is as new afterwards; spans() are of that text until more is read.
    [[nodiscard]] InjectionScore finish() noexcept;
    /// Likewise, after finish(), where content is read.
    [[nodiscard]] ContentScore content() const noexcept;
    [[nodiscard]] std::span<const Span> spans() const noexcept;
    /// There were more of them.
    [[nodiscard]] bool has_more_spans() const noexcept;

  private:
    InjectionScan(bool reads_content, const ContentWords* own);
    void reset() noexcept;

    const ContentWords* own_;
    bool reads_content_;
    std::unique_ptr<InjectionReader> reader_;
    bool ended_ = false;
};

}  // namespace loom::guard
