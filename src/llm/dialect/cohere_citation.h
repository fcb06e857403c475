// What Cohere cites: {"start":…,"end":…,"text":…,"sources":[…],"content_index":…,"type":…}.
//
// Source: cohere 7.3 (types/citation.py, types/source.py, CitationStartEvent*). Its docstrings say of start and end "in
// the original source text"; the examples of docs.cohere.com ("text" is response[start:end]) and Cohere's own parser
// (cohere-ai/melody, which counts code points) mean the answer's content. `document` and `tool_output` are what the
// caller gave: a page has its address in a member that nobody but the caller named, `url` by custom.
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
