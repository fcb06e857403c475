// What a candidate of Gemini's rests on: groundingMetadata of a search, citationMetadata of what it recites. Both say
// their places in bytes of UTF-8. Source: ai.google.dev/api/generate-content and @google-cloud/vertexai ("Start index
// in the given Part, measured in bytes. Offset from the start of the Part, inclusive, starting at zero.").
#pragma once

#include <string>

#include "citation.h"
#include "gemini.h"

namespace loom::llm::gemini {

/// The value of groundingMetadata, under the cursor. What of it has no place elsewhere is noted as lost.
[[nodiscard]] bool read_grounding(Cursor& cursor, Context& context, Grounding& grounding);
/// That of citationMetadata.
[[nodiscard]] bool read_recitation(Cursor& cursor, Context& context, Grounding& grounding);

/// A page that a candidate cites, and where: in code points of all of its text.
struct Cited {
    Text url;
    Text title;
    Span span;
};

/// A candidate's text as far as it came, decoded, for its sources' places to be found in.
class GroundedText {
  public:
    static constexpr size_t bytes_max = 1 << 20;  // beyond, nothing is kept of it, and what cites it is lost

    /// The inside of a text that is no thinking.
    void append(Text inside, Context& context);
    /// Sources of which no place or no page is known are noted as lost.
    [[nodiscard]] ArenaList<Cited> find(const Grounding& grounding, Context& context) const;

  private:
    [[nodiscard]] bool find_span(const Support& support, Context& context, Span& span) const;

    std::string bytes_;
    bool is_cut_ = false;
};

}  // namespace loom::llm::gemini
