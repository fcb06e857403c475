#include "cohere_citation.h"

namespace loom::llm::cohere {

namespace {

/// {"type":"document","id":…,"document":{…}} or {"type":"tool","id":…,"tool_output":{…}}: an object of the caller's
/// own.
bool read_source(Cursor& cursor, CohereCitation::Page& page) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if ((name != "document" && name != "tool_output") || cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range inner) {
            const std::string_view word = name_of(cursor, inner);
            if (word == "url") return take_text(cursor, page.url);
            return word == "title" ? take_text(cursor, page.title) : cursor.skip_value();
        });
    });
}

}  // namespace

bool read_citation(Cursor& cursor, Context& context, CohereCitation& citation) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, citation.type);
        if (name == "start") return take_number(cursor, citation.start);
        if (name == "end") return take_number(cursor, citation.end);
        if (name == "content_index") {
            uint64_t index = 0;
            if (!cursor.take_count(index)) return cursor.skip_value();
            citation.content_index = index;
            return true;
        }
        if (name != "sources" || cursor.peek() != '[') return cursor.skip_value();
        return cursor.each_element([&] { return read_source(cursor, citation.sources.add(context.arena)); });
    });
}

ArenaList<Json> annotations_of(const CohereCitation& citation, Context& context) {
    ArenaList<Json> annotations;
    const double begin = value_of(citation.start), end = value_of(citation.end);
    const bool is_of_text = !has(citation.type) || citation.type == "TEXT_CONTENT";
    const bool has_place = is_of_text && begin >= 0 && end > begin && end < 1e15;
    if (!has_place || citation.sources.empty()) context.losses.add("citations");
    for (const CohereCitation::Page& page : citation.sources) {
        const std::string_view url = plain(page.url, context.arena);
        const bool is_page = url.starts_with("https://") || url.starts_with("http://");
        if (!is_page || !has_place) {
            context.losses.add("citations");
            continue;
        }
        const Span span{static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
        annotations.add(context.arena, url_annotation(page.url, page.title, span, context.arena));
    }
    return annotations;
}

}  // namespace loom::llm::cohere
