// What words mean, as far as attacks on a model's instructions are made of them.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "loom/guard/injection.h"

namespace loom::guard {

/// A word may mean several.
enum Meaning : uint32_t {
    m_ignore = 1u << 0,
    m_prior = 1u << 1,        // earlier, above, given
    m_instruction = 1u << 2,  // instructions, rules, prompt
    m_all = 1u << 3,
    m_your = 1u << 4,
    m_system = 1u << 5,  // system, hidden, initial, developer's
    m_reveal = 1u << 6,
    m_follow = 1u << 7,
    m_not = 1u << 8,
    m_new = 1u << 9,
    m_you = 1u << 10,
    m_now = 1u << 11,
    m_act = 1u << 12,    // pretend, play
    m_free = 1u << 13,   // unrestricted, jailbroken, DAN
    m_limit = 1u << 14,  // restrictions, filters, guidelines, safety
    m_without = 1u << 15,
    m_mode = 1u << 16,
    m_developer = 1u << 17,
    m_bypass = 1u << 18,
    m_repeat = 1u << 19,
    m_word = 1u << 20,   // words, text, everything
    m_void = 1u << 21,   // cancelled, no longer valid
    m_about = 1u << 22,  // the talk is about attacks: explain, example, detect
    m_what = 1u << 23,
    m_told = 1u << 24,
    m_anything = 1u << 25,
    m_do = 1u << 26,
    m_are = 1u << 27,
    m_rule = 1u << 28,  // rules, orders: instructions, or of something else
};

/// 0 for a word that means nothing here.
/// word  folded: small letters without accents; Cyrillic as it is.
[[nodiscard]] uint32_t meaning_of(std::string_view word) noexcept;

/// The lengths of the words that begin with two letters, a bit each; bit 31 is for all longer ones.
extern const std::array<uint32_t, size_t{1} << 10> word_lengths;
constexpr size_t beginning_of(char first, char second) noexcept {
    return static_cast<size_t>(first & 31) << 5 | static_cast<size_t>(second & 31);
}
/// Whether a word that begins so, in letters of either case, and is so long may mean something: no, for most words of
/// most texts.
[[nodiscard]] inline bool may_mean(char first, char second, size_t size) noexcept {
    return (word_lengths[beginning_of(first, second)] >> (size < 31 ? size : 31) & 1) != 0;
}

struct InjectionRule {
    static constexpr uint32_t steps_max = 5;
    InjectionFamily family;
    const char* name;
    uint32_t points;
    uint32_t near;              // words between the first and the last
    uint32_t steps[steps_max];  // a meaning each, in order; 0 behind the last
};
[[nodiscard]] std::span<const InjectionRule> injection_rules() noexcept;
/// Those whose last step a word of this meaning may be: a bit each.
[[nodiscard]] uint64_t injection_rules_ending(uint32_t meaning) noexcept;

/// What stands in a text as it is, whatever the words.
struct InjectionMark {
    InjectionFamily family;
    const char* name;
    uint32_t points;
    std::string_view text;
};
[[nodiscard]] std::span<const InjectionMark> injection_marks() noexcept;

}  // namespace loom::guard
