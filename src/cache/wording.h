// The last word of the veto: two prompts are written alike but for a short list of what provably adds nothing.
#pragma once

#include <span>
#include <string_view>

#include "loom/cache/veto.h"
#include "words.h"

namespace loom::cache {

/// Every word, mark and capital counts, in order, in every language. What may differ:
/// - blanks between words, the kind of quotation marks and apostrophes, one mark at the very end, "¿" at the very
/// begin;
/// - the case of a sentence's first letter; in English all capitals, where one of the texts has none: but for single
///   letters, for words all in capitals (SOAP, soap) and for what looks like a unit (Mb, MB);
/// - a number's thousands ("10,000" and "10000"), in English 2 to 12 in words, a unit behind a number by its names;
/// - in English contractions, British spelling and few pairs of words (spellings()); "how do I", "how can I" and "how
///   to" where a sentence begins; a greeting that a mark ends, "please" and "can you" before a request;
/// - in English "in Python" before or behind a question, "France's capital", the order of "the difference between".
/// none: they are alike. Symmetric, linear, nothing from the heap; 100 KiB of stack.
[[nodiscard]] VetoReason compare_wording(const Words& a, const Words& b, bool english) noexcept;

/// Words that stand for each other in English wherever they are not spoken of themselves: a line each, apart by blanks.
[[nodiscard]] std::span<const std::string_view> spellings() noexcept;

}  // namespace loom::cache
