// What words mean, as far as the categories of content are made of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "loom/guard/content.h"
#include "word_table.h"

namespace loom::guard {

/// A word may mean several.
enum ContentMeaning : uint32_t {
    c_kill = 1u << 0,
    c_hurt = 1u << 1,
    c_person = 1u << 2,  // him, her, people
    c_self = 1u << 3,    // myself, my own
    c_life = 1u << 4,
    c_end = 1u << 5,
    c_suicide = 1u << 6,
    c_want = 1u << 7,  // want, going to, unseen by others
    c_how = 1u << 8,   // how, guide, steps, where
    c_make = 1u << 9,
    c_weapon = 1u << 10,
    c_drug = 1u << 11,
    c_trade = 1u << 12,
    c_steal = 1u << 13,
    c_paper = 1u << 14,  // cards, passports, identities
    c_hack = 1u << 15,
    c_account = 1u << 16,
    c_malware = 1u << 17,
    c_group = 1u << 18,  // of people, by origin, faith, sex
    c_inferior = 1u << 19,
    c_expel = 1u << 20,  // out of the country, or of the world
    c_should = 1u << 21,
    c_all = 1u << 22,
    c_slur = 1u << 23,
    c_sex = 1u << 24,
    c_explicit = 1u << 25,
    c_story = 1u << 26,
    c_minor = 1u << 27,
    c_insult = 1u << 28,
    c_die = 1u << 29,
    c_you = 1u << 30,
    c_about = 1u << 31,  // the talk is about it: prevent, report, history
};

struct ContentRule {
    static constexpr size_t steps_max = 4;
    ContentCategory category;
    uint32_t points;
    uint32_t near;              // words between the first and the last
    uint32_t steps[steps_max];  // a meaning each, in order; 0 behind the last
    bool always = false;        // whatever the talk is about
};

extern const WordTable content_words;
[[nodiscard]] std::span<const ContentRule> content_rules() noexcept;
/// Those whose last step a word of this meaning may be: a bit each.
[[nodiscard]] uint64_t content_rules_ending(uint32_t meaning) noexcept;

}  // namespace loom::guard
