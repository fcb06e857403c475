// What a candidate of Gemini's rests on: groundingMetadata of a search, citationMetadata of what it recites. Both say
// their places in bytes of UTF-8.
//
// Source: @google/genai 2.32 and google-genai 3.4, type Segment ("Start index in the given Part, measured in bytes.
// Offset from the start of the Part, inclusive, starting at zero."), and google.generativeai's CitationSource ("Start
// of segment of the response that is attributed to this source. Index indicates the start of the segment, measured in
// bytes."). In fact Google leaves partIndex out where there are several parts, and counts in all of the text
// (googleapis/python-genai#961); where partIndex stands there it counts in that part.
#pragma once

#include <string>
#include <vector>

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
    /// The inside of a text that is no thinking; part  its number in its content, where that came whole.
    void append(Text inside, uint32_t part, Context& context);
    /// There is no room for more: nothing is kept of it, and what cites it is lost.
    void cut();
    /// Sources of which no place or no page is known are noted as lost.
    [[nodiscard]] ArenaList<Cited> find(const Grounding& grounding, Context& context) const;

  private:
    struct PartBegin {
        uint32_t part;
        size_t at;
    };
    [[nodiscard]] bool find_span(const Support& support, Context& context, Span& span) const;
    [[nodiscard]] size_t begin_of(int64_t part) const noexcept;

    std::string bytes_;
    std::vector<PartBegin> parts_;
    bool is_cut_ = false;
};

}  // namespace loom::llm::gemini
