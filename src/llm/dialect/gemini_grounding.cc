#include "gemini_grounding.h"

#include <algorithm>

namespace loom::llm::gemini {

namespace {

/// {"web":{"uri":…,"title":…}}; retrievedContext and maps likewise.
bool read_chunk(Cursor& cursor, Context& context, Grounding& grounding) {
    Source& source = grounding.chunks.add(context.arena);
    return each_field(cursor, [&](const FieldName&) {
        return each_field(cursor, [&](const FieldName& field) {
            if (field == "uri") return take_text(cursor, source.url);
            return field == "title" ? take_text(cursor, source.title) : cursor.skip_value();
        });
    });
}

bool read_segment(Cursor& cursor, Support& support) {
    return each_field(cursor, [&](const FieldName& field) {
        if (field == "partIndex") return take_integer(cursor, support.part);
        if (field == "startIndex") return take_integer(cursor, support.begin);
        if (field == "endIndex") return take_integer(cursor, support.end);
        return field == "text" ? take_text(cursor, support.text) : cursor.skip_value();
    });
}

bool read_support(Cursor& cursor, Context& context, Grounding& grounding) {
    Support& support = grounding.supports.add(context.arena);
    return each_field(cursor, [&](const FieldName& field) {
        if (field == "segment") return read_segment(cursor, support);
        if (field != "groundingChunkIndices") return cursor.skip_value();
        return each_item(cursor, [&] {
            std::optional<int64_t> chunk;
            if (!take_integer(cursor, chunk)) return false;
            if (chunk) support.chunks.add(context.arena, *chunk);
            return true;
        });
    });
}

size_t count_code_points(std::string_view utf8) noexcept {
    return static_cast<size_t>(
        std::ranges::count_if(utf8, [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace

bool read_grounding(Cursor& cursor, Context& context, Grounding& grounding) {
    return each_field(cursor, [&](const FieldName& field) {
        if (field == "groundingChunks")
            return each_item(cursor, [&] { return read_chunk(cursor, context, grounding); });
        if (field == "groundingSupports")
            return each_item(cursor, [&] { return read_support(cursor, context, grounding); });
        return lose(cursor, context, "groundingMetadata.", field.view());  // what was asked, and Google's widget
    });
}

bool read_recitation(Cursor& cursor, Context& context, Grounding& grounding) {
    return each_field(cursor, [&](const FieldName& field) {
        if (field != "citationSources" && field != "citations") return cursor.skip_value();  // the API's word, Vertex's
        return each_item(cursor, [&] {
            Support& support = grounding.supports.add(context.arena);
            support.chunks.add(context.arena, grounding.chunks.count());
            Source& source = grounding.chunks.add(context.arena);
            return each_field(cursor, [&](const FieldName& inner) {
                if (inner == "startIndex") return take_integer(cursor, support.begin);
                if (inner == "endIndex") return take_integer(cursor, support.end);
                if (inner == "uri") return take_text(cursor, source.url);
                if (inner == "title") return take_text(cursor, source.title);
                return lose(cursor, context, "citationMetadata.", inner.view());
            });
        });
    });
}

void GroundedText::append(Text inside, uint32_t part, Context& context) {
    if (is_cut_) return;
    if (parts_.empty() || parts_.back().part != part) parts_.push_back({part, bytes_.size()});
    bytes_ += plain(inside, context.arena);
}

void GroundedText::cut() {
    is_cut_ = true;
    bytes_ = {};
    parts_ = {};
}

size_t GroundedText::begin_of(int64_t part) const noexcept {
    const auto at = std::ranges::find(parts_, part, [](const PartBegin& one) { return int64_t{one.part}; });
    return at == parts_.end() ? 0 : at->at;
}

/// Counted in its part, or in all of the text. A place that does not hold the text that it is said to hold is counted
/// otherwise than documented: the text itself says where it is, if it stands there but once.
bool GroundedText::find_span(const Support& support, Context& context, Span& span) const {
    const std::string_view all = bytes_;
    const std::string_view text = plain(support.text, context.arena);
    const int64_t begin = support.begin.value_or(0);  // proto3 leaves out a zero
    const int64_t end = support.end.value_or(begin > INT32_MAX ? begin : begin + static_cast<int64_t>(text.size()));
    std::string_view found;
    for (const size_t base : {begin_of(support.part.value_or(0)), size_t{0}}) {
        const auto size = static_cast<int64_t>(all.size() - base);
        if (begin < 0 || begin >= end || end > size) continue;
        const std::string_view there = all.substr(base + static_cast<size_t>(begin), static_cast<size_t>(end - begin));
        if (!text.empty() && there != text) continue;
        found = there;
        break;
    }
    if (found.empty() && !text.empty()) {
        const size_t at = all.find(text);
        if (at != all.npos && all.find(text, at + 1) == all.npos) found = all.substr(at, text.size());
    }
    if (found.empty()) return false;
    span.begin = count_code_points(all.substr(0, static_cast<size_t>(found.data() - all.data())));
    span.end = span.begin + count_code_points(found);
    return true;
}

ArenaList<Cited> GroundedText::find(const Grounding& grounding, Context& context) const {
    ArenaList<Cited> cited;
    for (const Support& support : grounding.supports) {
        Span span;
        const bool has_place = find_span(support, context, span);
        for (const int64_t chunk : support.chunks) {
            int64_t at = 0;
            const auto source = std::ranges::find_if(grounding.chunks, [&](const Source&) { return at++ == chunk; });
            if (has_place && source != grounding.chunks.end() && has(source->url)) {
                cited.add(context.arena, {source->url, source->title, span});
            } else {
                context.losses.add("groundingMetadata");
            }
        }
    }
    if (grounding.supports.empty() && !grounding.chunks.empty()) context.losses.add("groundingMetadata");
    return cited;
}

}  // namespace loom::llm::gemini
