// What Claude cites on Bedrock, as Anthropic's citations and back. Source: the service model of Amazon Bedrock Runtime
// (botocore 1.44: Citation, CitationsDelta, CitationLocation).
#include "citation.h"

#include <algorithm>
#include <array>

#include "arena_text.h"
#include "bedrock.h"

namespace loom::llm::bedrock {

namespace {

/// The members of a Citation and of the one location in it, or those of Anthropic's object.
struct Cited {
    std::string_view place;  // the location's member, or Anthropic's type
    Text title;
    Text source;
    Text cited_text;
    Json index;
    Json start;
    Json end;
    Text url;
};

/// A place in a document. Documents are counted from the first one of the conversation on both sides.
struct Place {
    std::string_view bedrock;
    std::string_view type;  // Anthropic's
    std::string_view start;
    std::string_view end;
};
constexpr std::array<Place, 3> document_places = {
    {{"documentChar", "char_location", "start_char_index", "end_char_index"},
     {"documentPage", "page_location", "start_page_number", "end_page_number"},
     {"documentChunk", "content_block_location", "start_block_index", "end_block_index"}}};

/// A union's member that is null, or a page without an address, as AWS's own SDK has been seen to make of a place that
/// it did not know (aws/aws-sdk-js-v3#7497), is none.
bool read_location(Cursor& cursor, Cited& cited) {
    return cursor.each_member([&](Range key) {
        const std::string_view place = name_of(cursor, key);
        if (cursor.peek() != '{') return cursor.skip_value();
        const bool good = cursor.each_member([&](Range inner) {
            const std::string_view name = name_of(cursor, inner);
            if (name == "documentIndex" || name == "searchResultIndex") return take_number(cursor, cited.index);
            if (name == "start") return take_number(cursor, cited.start);
            if (name == "end") return take_number(cursor, cited.end);
            return name == "url" ? take_text(cursor, cited.url) : cursor.skip_value();
        });
        if (place != "web" || !cited.url.empty()) cited.place = place;
        return good;
    });
}

bool read_members(Cursor& cursor, ArenaList<Part>& quotes, Arena& arena, Cited& cited) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "title") return take_text(cursor, cited.title);
        if (name == "source") return take_text(cursor, cited.source);
        if (name == "location" && cursor.peek() == '{') return read_location(cursor, cited);
        if (name != "sourceContent" || cursor.peek() != '[') return cursor.skip_value();
        return cursor.each_element([&] {
            if (cursor.peek() != '{') return cursor.skip_value();
            return cursor.each_member([&](Range inner) {
                if (name_of(cursor, inner) != "text") return cursor.skip_value();
                return take_text(cursor, quotes.add(arena).text);
            });
        });
    });
}

Json number_or_zero(Json number) noexcept { return has(number) ? number : Json("0"); }

ArenaText& add_text(ArenaText& out, std::string_view name, Text inside) {
    return out.append("\"").append(name).append("\":\"").append(inside).append("\"");
}
ArenaText& add_number(ArenaText& out, std::string_view name, Json number) {
    return out.append(",\"").append(name).append("\":").append(number_or_zero(number));
}

Json anthropic_citation(const Cited& cited, Arena& arena) {
    ArenaText out(arena);
    const auto begin = [&](std::string_view type) {
        add_text(out.append("{"), "type", type).append(",");
        add_text(out, "cited_text", cited.cited_text);
    };
    for (const Place& place : document_places) {
        if (cited.place != place.bedrock) continue;
        begin(place.type);
        add_text(add_number(out, "document_index", cited.index).append(","), "document_title", cited.title);
        add_number(out, place.start, cited.start);
        return add_number(out, place.end, cited.end).append("}").view();
    }
    if (cited.place == "searchResultLocation") {
        begin("search_result_location");
        add_text(out.append(","), "source", cited.source);
        add_text(out.append(","), "title", cited.title);
        add_number(out, "search_result_index", cited.index);
        add_number(out, "start_block_index", cited.start);
        return add_number(out, "end_block_index", cited.end).append("}").view();
    }
    if (cited.place != "web") return {};
    begin("web_search_result_location");
    add_text(out.append(","), "url", cited.url);
    add_text(out.append(","), "title", cited.title);
    return add_text(out.append(","), "encrypted_index", "").append("}").view();
}

/// Anthropic's object. False for what is no object.
bool read_anthropic(Json citation, Context& context, Cited& cited) {
    Tokens tokens;
    Fault fault;
    if (!context.nested.index(citation, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(citation, tokens);
    return cursor.peek() == '{' && cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, cited.place);
        if (name == "cited_text") return take_text(cursor, cited.cited_text);
        if (name == "document_title") return take_text(cursor, cited.title);
        if (name == "document_index") return take_number(cursor, cited.index);
        if (name.starts_with("start_")) return take_number(cursor, cited.start);
        return name.starts_with("end_") ? take_number(cursor, cited.end) : cursor.skip_value();
    });
}

/// {"title":…,"sourceContent":[{"text":…}],"location":{"documentChar":{"documentIndex":…,"start":…,"end":…}}}
Json bedrock_citation(const Cited& cited, const Place& place, Arena& arena) {
    ArenaText out(arena);
    out.append("{");
    if (has(cited.title)) add_text(out, "title", cited.title).append(",");
    add_text(out.append(R"("sourceContent":[{)"), "text", cited.cited_text).append(R"(}],"location":{")");
    out.append(place.bedrock).append(R"(":{"documentIndex":)").append(number_or_zero(cited.index));
    add_number(out, "start", cited.start);
    return add_number(out, "end", cited.end).append("}}}").view();
}

}  // namespace

bool read_citation(Cursor& cursor, Arena& arena, Json& citation) {
    Cited cited;
    ArenaList<Part> quotes;
    if (!read_members(cursor, quotes, arena, cited)) return false;
    cited.cited_text = joined_text(quotes, "", arena);
    citation = anthropic_citation(cited, arena);
    return true;
}

ArenaList<Json> citations_of(Json citations, uint32_t document_count, Context& context) {
    ArenaList<Json> written;
    for (const Json citation : citations_in(citations, context)) {
        Cited cited;
        const bool is_read = read_anthropic(citation, context, cited);
        const auto* const place = std::ranges::find(document_places, cited.place, &Place::type);
        const double index = value_of(cited.index);
        if (is_read && place != document_places.end() && index >= 0 && index < document_count) {
            written.add(context.arena, bedrock_citation(cited, *place, context.arena));
        } else {
            context.losses.add("citations");
        }
    }
    return written;
}

}  // namespace loom::llm::bedrock
