// The last word of the veto: two prompts are written alike but for a short list of what provably adds nothing.
#pragma once

#include <span>
#include <string_view>

#include "loom/cache/veto.h"
#include "words.h"

namespace loom::cache {

/// Every word, mark and capital counts, in order, in every language. What may differ:
/// - blanks, curly and straight quotes, one "?", "." or "!" at the very end, "¿" at the very begin;
/// - the case of a sentence's first letter; in English all capitals, where one of the texts has none: but not that of
///   single letters, of words all in capitals (SOAP, soap), of what looks like a unit (Mb, MB) or is a name and a word;
/// - "please" and its like before or behind more; in English a greeting before a question;
/// - in English the thousands of what is measured ("10,000 km"), 2 to 12 in words of what is to be listed, the names of
///   a unit behind a number, contractions, British spelling, few pairs of words (spellings());
/// - in English "how do I", "how can I" and "how to" do what is done by a recipe, "can you" before a request;
/// - in English "in Python" before or behind a question, "France's capital", the order of "the difference between".
/// Where a text speaks of words, of code or of works by their titles, most of that counts too.
/// It is English where the small words say so and a third of all words are known.
/// none: they are alike. Symmetric, linear, nothing from the heap; 150 KiB of stack.
[[nodiscard]] VetoReason compare_wording(const Words& a, const Words& b, bool english) noexcept;

/// Words that stand for each other in English wherever they are not spoken of themselves: a line each, apart by blanks.
[[nodiscard]] std::span<const std::string_view> spellings() noexcept;

}  // namespace loom::cache
