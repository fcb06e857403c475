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
#include <string_view>

namespace loom::guard {

enum class InjectionSensitivity : uint8_t { low, medium, high };

enum class InjectionFamily : uint8_t { override_, role, delimiter, extraction };
[[nodiscard]] std::string_view injection_family_name(InjectionFamily family) noexcept;

/// Why points were given: the rule, and where its last word stands in the text (in what was decoded: where that began).
struct InjectionReason {
    InjectionFamily family = InjectionFamily::override_;
    const char* rule = "";  // a literal
    uint32_t begin = 0;
    uint32_t end = 0;
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

}  // namespace loom::guard
