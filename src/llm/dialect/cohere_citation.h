// What Cohere cites: {"start":…,"end":…,"text":…,"sources":[…],"content_index":…,"type":…}. The places are those of
// characters in the answer's content, not in the source. Source: docs.cohere.com/v2/reference/chat, cohere-ai 7.20.
#pragma once

#include "citation.h"
#include "cohere.h"

namespace loom::llm::cohere {

struct CohereCitation {
    struct Page {
        Text url;
        Text title;
    };
    Text type;
    Json start;
    Json end;
    std::optional<uint64_t> content_index;
    ArenaList<Page> sources;  // documents and tools' results; their url is absent where they have none
};

/// The object under the cursor.
[[nodiscard]] bool read_citation(Cursor& cursor, Context& context, CohereCitation& citation);
/// As annotations of a page each. A source that is no page, and what is cited for the thinking, is noted as lost: no
/// client's protocol can name the document or the tool's result.
[[nodiscard]] ArenaList<Json> annotations_of(const CohereCitation& citation, Context& context);

}  // namespace loom::llm::cohere
