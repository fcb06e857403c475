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

/// Two prompts share an answer where they are written alike: the same words, marks and capitals in the same order, but
/// for a short list of what adds nothing (src/cache/wording.h). The list is for English; in all other languages it is
/// the case of the first letter, one mark at the end and a "please". So what is unknown is a veto, in every language,
/// and near to all that is asked in other words is one too: of 245 paraphrases 55 pass.
///
/// It is no proof. What is on the list was chosen by hand, and a pair that turns on it passes: "polite" and "are you
/// able to", a name that is also a word and is typed small ("the white house"). Before the list there was a reading
/// that left away what it took for frames: 297 of the 379 pairs that a hostile reviewer wrote against it passed. None
/// of these does now, nor of 67 that were written after and measured once; of two rounds of 110 against the list itself
/// 40 and 90 did when they were first looked at, before it was made shorter, and 29 of these 220 still do: they ask the
/// same, or differ in a capital alone.
///
/// May what was answered to `kept` answer `asked`? It is the cautious one: a needless veto costs one call to a
/// provider. UTF-8; what is none is compared as bytes. veto(a, b) == veto(b, a), and veto(a, a) == none. Linear in the
/// texts but for the sorting of their words; nothing from the heap but on the first call; 300 KiB of stack; no errors.
[[nodiscard]] VetoReason veto(std::string_view asked, std::string_view kept);

}  // namespace loom::cache
