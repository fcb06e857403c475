#include "gemini_grounding.h"

#include <algorithm>
#include <cstring>

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
    for (size_t marked = marks_.size() * stride; marked + stride <= bytes_.size(); marked += stride) {
        const uint64_t before = marks_.empty() ? 0 : marks_.back();
        marks_.push_back(before + count_code_points(std::string_view(bytes_).substr(marked, stride)));
    }
}

void GroundedText::cut() {
    is_cut_ = true;
    bytes_ = {};
    marks_ = {};
    parts_ = {};
}

std::optional<size_t> GroundedText::begin_of(int64_t part) const noexcept {
    const auto at = std::ranges::lower_bound(parts_, part, {}, [](const PartBegin& one) { return int64_t{one.part}; });
    if (at == parts_.end() || at->part != part) return {};
    return at->at;
}

uint64_t GroundedText::points_before(size_t at) const noexcept {
    const size_t mark = std::min(at / stride, marks_.size());
    const std::string_view rest = std::string_view(bytes_).substr(mark * stride, at - mark * stride);
    return (mark == 0 ? 0 : marks_[mark - 1]) + count_code_points(rest);
}

/// Counted in its part, or in all of the text; empty where neither is known to hold it.
std::string_view GroundedText::place_of(const Support& support, std::string_view text) const noexcept {
    const std::string_view all = bytes_;
    const int64_t begin = support.begin.value_or(0);  // proto3 leaves out a zero
    const int64_t end = support.end.value_or(begin > INT32_MAX ? begin : begin + static_cast<int64_t>(text.size()));
    const auto at = [&](size_t base) -> std::string_view {
        const auto size = static_cast<int64_t>(all.size() - base);
        if (begin < 0 || begin >= end || end > size) return {};
        const std::string_view there = all.substr(base + static_cast<size_t>(begin), static_cast<size_t>(end - begin));
        return text.empty() || there == text ? there : std::string_view();
    };
    const std::optional<size_t> base = begin_of(support.part.value_or(0));
    const std::string_view in_part = base ? at(*base) : std::string_view();
    // Of a part that is named only its text can tell that it was counted otherwise.
    return !in_part.empty() || (support.part && text.empty()) ? in_part : at(0);
}

/// Where a text stands that stands there but once. glibc's memmem() is linear, so that no text makes it slow.
std::string_view GroundedText::search(std::string_view text) noexcept {
    const std::string_view all = bytes_;
    const auto next = [&](size_t from) {
        searched_bytes_ += all.size() - from;
        const void* const found = ::memmem(all.data() + from, all.size() - from, text.data(), text.size());
        return found == nullptr ? all.npos : static_cast<size_t>(static_cast<const char*>(found) - all.data());
    };
    if (text.empty() || text.size() > all.size() || searched_bytes_ > searched_bytes_max) return {};
    const size_t at = next(0);
    return at != all.npos && next(at + 1) == all.npos ? all.substr(at, text.size()) : std::string_view();
}

/// A place that does not hold the text that it is said to hold is counted otherwise than documented: the text itself
/// says where it is.
bool GroundedText::find_span(const Support& support, Context& context, Span& span) {
    if (support.text.size() > segment_bytes_max) return false;
    const std::string_view text = plain(support.text, context.arena);
    std::string_view found = place_of(support, text);
    if (found.empty()) found = search(text);
    if (found.empty()) return false;
    const auto begin = static_cast<size_t>(found.data() - bytes_.data());
    span = {points_before(begin), points_before(begin + found.size())};
    return true;
}

ArenaList<Cited> GroundedText::find(const Grounding& grounding, Context& context) {
    const std::vector<Source> sources(grounding.chunks.begin(), grounding.chunks.end());
    ArenaList<Cited> cited;
    size_t support_count = 0, index_count = 0, cited_bytes = 0;
    const auto cite = [&](int64_t chunk, const Span* span) {
        if (span == nullptr || chunk < 0 || static_cast<uint64_t>(chunk) >= sources.size()) return false;
        const Source& source = sources[static_cast<size_t>(chunk)];
        const size_t bytes = source.url.size() + source.title.size();
        if (!has(source.url) || cited_bytes + bytes > cited_bytes_max) return false;
        cited_bytes += bytes;
        cited.add(context.arena, {source.url, source.title, *span});
        return true;
    };
    bool is_lost = grounding.supports.empty() && !sources.empty();
    for (const Support& support : grounding.supports) {
        is_lost |= ++support_count > supports_max;
        if (support_count > supports_max) break;
        Span span;
        const bool has_place = find_span(support, context, span);
        for (const int64_t chunk : support.chunks) {
            const bool is_cited = ++index_count <= cited_max && cite(chunk, has_place ? &span : nullptr);
            is_lost |= !is_cited;
            if (index_count > cited_max) break;
        }
    }
    if (is_lost) context.losses.add("groundingMetadata");
    return cited;
}

}  // namespace loom::llm::gemini
