// What similarity cannot tell: whether two prompts that look alike may have one answer. "How do I enable it" and "how
// do I disable it" are nearer to each other than most paraphrases, whatever the embedding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom::cache {

/// Why one answer does not do for both; where there is more than one reason, the first of these.
enum class VetoReason : uint8_t {
    none,
    length,       // one of them is longer than prompts that are compared
    language,     // of the text, or that the answer is to be in
    quotation,    // what stands in quotation marks
    code,         // code, identifiers, paths, addresses, formulas
    number,       // a value, an ordinal, a version, a range
    unit,         // of measure or money
    date,         // dates, times, weekdays, months, "tomorrow"
    negation,     // not, without, never; un-, dis-, non-
    antonym,      // enable and disable
    comparative,  // better and best, more and less
    question,     // who, what, when, where, why, how, how many; whether; can and should
    tense,        // was, is, will be
    person,       // my and your
    format,       // as JSON, in three bullets, in short
    name,         // of people, places, products
    word,         // any other word that stands in only one of them and is not known to add nothing
    direction,    // the same words, in another order or otherwise related: from A to B
};
inline constexpr size_t veto_reason_count = 18;
/// As metrics and logs have it: the enumerator's name.
[[nodiscard]] std::string_view veto_reason_name(VetoReason reason) noexcept;

inline constexpr size_t veto_bytes_max = 16 * 1024;

/// A word counts unless it is known to add nothing: both prompts have to speak of the same, in the same order, by words
/// that are equal or listed as synonyms. So what is unknown is a veto and not a risk, in every language; what may be
/// left away is known for English, German, French, Spanish, Italian, Portuguese, Dutch, a little Russian, Chinese and
/// Japanese. Capitals alone count in code, in identifiers and in the words that are listed for it (Polish, US): "ls"
/// and "LS" are one word. Whatever the embedding, no two prompts share an answer that put the same in quite other
/// words.
///
/// May what was answered to `kept` answer `asked`? It is the cautious one: a needless veto costs one call to a
/// provider. UTF-8; what is none is compared as bytes. veto(a, b) == veto(b, a), and veto(a, a) == none. Linear in the
/// texts but for the sorting of their words; nothing from the heap but on the first call; 200 KiB of stack; no errors.
[[nodiscard]] VetoReason veto(std::string_view asked, std::string_view kept);

}  // namespace loom::cache
