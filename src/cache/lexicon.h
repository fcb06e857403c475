// What words are known to do in a prompt. A word that is not here counts: it has to stand in both prompts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "loom/cache/veto.h"

namespace loom::cache {

enum class Language : uint8_t {
    english,
    german,
    french,
    spanish,
    italian,
    portuguese,
    dutch,
    russian,
    chinese,
    japanese,
    any
};
inline constexpr size_t language_count = 10;

enum class Role : uint8_t {
    none,
    drop,      // argument: v_… or 0; else it adds nothing: articles, politeness, "can you tell me"
    greeting,  // adds nothing where a sentence begins
    aside,     // adds nothing before what a sentence speaks of: "what exactly is"
    question,  // argument: q_…
    modal,     // m_…
    tense,     // t_…
    negation,
    person,      // a link's bit
    link,        // a link's bit: what is between two words
    concept_,    // stands for what the first of its row stands for
    same,        // stands for itself, and belongs to a topic
    common,      // stands for itself, and is in so many prompts that it says little
    number,      // argument: the value
    multiplier,  // 100, 1000, 1000000
    ordinal,     // argument: which
};

enum Question : uint32_t {
    q_what = 1,  // also where nothing is asked: it is what a bare name or "explain" asks for
    q_who = 2,
    q_when = 4,
    q_where = 8,
    q_why = 16,
    q_how = 32,
    q_how_many = 64,
    q_how_much = 128,
    q_how_long = 256,
    q_how_often = 512,
    q_whether = 1024,
};
enum Modal : uint32_t { m_can = 1, m_should = 2, m_must = 4, m_would = 8 };
/// Argument of `drop`: "who is called" and "who does call" are two questions.
enum Verb : uint32_t { v_be = 1, v_do = 2 };
enum Tense : uint32_t { t_past = 1, t_future = 2 };

/// How a word is tied to the one before. The first ones have to be the same in both prompts.
enum Link : uint32_t {
    l_from = 1u << 0,
    l_to = 1u << 1,
    l_before = 1u << 2,
    l_after = 1u << 3,
    l_with = 1u << 4,
    l_by = 1u << 5,
    l_about = 1u << 6,
    l_between = 1u << 7,
    l_as = 1u << 8,
    l_or = 1u << 9,
    l_than = 1u << 10,
    l_on = 1u << 11,
    l_at = 1u << 12,
    l_for = 1u << 13,
    l_object = 1u << 14,  // German cases: who does it, and to whom it is done, is not told by order there
    l_dative = 1u << 15,
    l_strong = (1u << 16) - 1,
    l_own = 1u << 16,  // "my": one's own address, and not what an address is
    l_the = 1u << 17,
    l_a = 1u << 18,
    l_article = l_the | l_a,
    l_in = 1u << 20,
    l_of = 1u << 21,
    l_weak = 3u << 20,  // may be missing: "capital France"
    l_and = 1u << 23,
    l_me = 1u << 24,
    l_us = 1u << 25,
    l_you = 1u << 26,
    l_him = 1u << 27,
    l_her = 1u << 28,
    l_them = 1u << 29,
    l_person = 63u << 24,
    l_not = 1u << 30,
    l_not_twice = 1u << 31,
    l_negation = 3u << 30,
};

struct Meaning {
    uint64_t argument = 0;
    uint32_t also_argument = 0;
    Role role = Role::none;
    Role also = Role::none;
    VetoReason topic = VetoReason::word;
    uint8_t longest = 1;  // of the phrases that begin with this word: in words
};

/// One line of the tables. words  apart by blanks; '_' joins the words of a phrase; small.
struct LexiconRow {
    Language language;
    Role role;
    uint64_t argument;
    VetoReason topic;
    std::string_view words;
    Role also = Role::none;
    uint32_t also_argument = 0;
};
[[nodiscard]] std::span<const LexiconRow> function_rows() noexcept;  // these tell the language of a text too
[[nodiscard]] std::span<const LexiconRow> phrase_rows() noexcept;
[[nodiscard]] std::span<const LexiconRow> number_rows() noexcept;
[[nodiscard]] std::span<const LexiconRow> synonym_rows() noexcept;
[[nodiscard]] std::span<const LexiconRow> topic_rows() noexcept;
/// one/other, apart by blanks
[[nodiscard]] std::span<const std::string_view> antonym_rows() noexcept;
/// What is done by a recipe: "how do you bake it" asks no one in person, "how do you feel" does.
[[nodiscard]] std::string_view instructions() noexcept;
/// Names that are everyday words where they are written small.
[[nodiscard]] std::string_view homographs() noexcept;

class Lexicon {
  public:
    Lexicon();
    /// Null: nothing is known.
    [[nodiscard]] const Meaning* find(uint64_t word, Language language) const noexcept;
    [[nodiscard]] uint16_t languages_of(uint64_t word) const noexcept;
    [[nodiscard]] bool are_antonyms(uint64_t one, uint64_t other) const noexcept;
    [[nodiscard]] bool is_homograph(uint64_t word) const noexcept;
    [[nodiscard]] bool is_instruction(uint64_t word) const noexcept;

    [[nodiscard]] static constexpr uint64_t phrase_start() noexcept { return 0x9ae16a3b2f90404f; }
    [[nodiscard]] static constexpr uint64_t phrase_step(uint64_t phrase, uint64_t word) noexcept {
        phrase = (phrase ^ word) * 0x9e3779b97f4a7c15;
        return phrase ^ phrase >> 31;
    }

  private:
    template <class Value>
    class Table {
      public:
        explicit Table(size_t keys_max);
        Value& at(uint64_t key);
        [[nodiscard]] const Value* find(uint64_t key) const noexcept;

      private:
        struct Slot {
            uint64_t key = 0;
            Value value{};
        };
        std::vector<Slot> slots_;
        size_t count_ = 0;
    };
    void add_rows(std::span<const LexiconRow> rows);
    void add_entry(std::string_view entry, Language language, const Meaning& meaning);
    void add_meaning(uint64_t word, Language language, const Meaning& meaning);

    Table<Meaning> meanings_;
    Table<uint16_t> languages_;
    Table<bool> antonyms_;
    Table<bool> homographs_;
    Table<bool> instructions_;
};

[[nodiscard]] const Lexicon& lexicon();

}  // namespace loom::cache
