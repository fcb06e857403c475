#include "citation.h"

#include <algorithm>
#include <charconv>

#include "arena_text.h"

namespace loom::llm {

namespace {

/// The unit of UTF-16 that \uXXXX stands for; 0 for every other escape.
uint32_t unit_of(Text escape) noexcept {
    uint32_t unit = 0;
    if (escape.size() >= 6 && escape[1] == 'u') std::from_chars(escape.data() + 2, escape.data() + 6, unit, 16);
    return unit;
}
bool is_high_surrogate(uint32_t unit) noexcept { return unit >= 0xD800 && unit < 0xDC00; }
/// It stands for no code point of its own: the one before it does, though that may have come in an earlier piece.
bool is_low_surrogate(uint32_t unit) noexcept { return unit >= 0xDC00 && unit < 0xE000; }

size_t size_of_escape(Text escape) noexcept {
    return escape.size() >= 6 && escape[1] == 'u' ? 6 : std::min<size_t>(escape.size(), 2);
}

/// Runs `step(begin)` for each code point, until it returns false.
template <class Step>
void each_code_point(Text inside, Step&& step) noexcept {
    for (size_t at = 0; at < inside.size();) {
        const size_t begin = at;
        if (inside[at] == '\\') {
            const Text escape = inside.substr(at);
            at += size_of_escape(escape);
            if (is_low_surrogate(unit_of(escape))) continue;
        } else {
            at += 1;
            while (at < inside.size() && (static_cast<uint8_t>(inside[at]) & 0xC0) == 0x80) at += 1;
        }
        if (!step(begin)) return;
    }
}

bool read_span(Json start, Json end, std::optional<Span>& span) {
    if (!has(start) || !has(end)) return false;
    const double begin = value_of(start), stop = value_of(end);
    if (!(begin >= 0 && stop >= begin && stop < 1e15)) return false;
    span = Span{static_cast<uint64_t>(begin), static_cast<uint64_t>(stop)};
    return true;
}

struct Members {
    Text document_title, filename;
    Json start, end;
};

bool read_members(Cursor& cursor, Citation& read, Members& members) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "url_citation" && cursor.peek() == '{') {
            read.is_nested = true;
            return read_members(cursor, read, members);
        }
        if (name == "type") return take_text(cursor, read.type);
        if (name == "url") return take_text(cursor, read.url);
        if (name == "title") return take_text(cursor, read.title);
        if (name == "cited_text") return take_text(cursor, read.cited_text);
        if (name == "file_id") return take_text(cursor, read.file_id);
        if (name == "document_index" || name == "index") return take_number(cursor, read.index);
        if (name == "source") return take_text(cursor, read.source);
        if (name == "start_page_number") return take_number(cursor, read.page);
        if (name == "document_title") return take_text(cursor, members.document_title);
        if (name == "filename") return take_text(cursor, members.filename);
        if (name == "start_index") return take_number(cursor, members.start);
        if (name == "end_index") return take_number(cursor, members.end);
        return cursor.skip_value();
    });
}

bool is_web(Text url) noexcept { return url.starts_with("http://") || url.starts_with("https://"); }

}  // namespace

bool read_citation(Json citation, Context& context, Citation& read) {
    Tokens tokens;
    Fault fault;
    if (!context.nested.index(citation, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(citation, tokens);
    Members members;
    if (cursor.peek() != '{' || !read_members(cursor, read, members) || !cursor.at_end()) return false;
    // A client's own search may say a page for its source, or a name of its own.
    const bool is_found = read.type == "search_result_location";
    if (is_found && is_web(plain(read.source, context.arena))) read.url = read.source;
    if (has(members.document_title)) read.title = members.document_title;
    if (has(members.filename)) read.title = members.filename;
    const bool is_document = is_found || read.type == "char_location" || read.type == "page_location" ||
                             read.type == "content_block_location" || read.type == "file_citation";
    read.kind = has(read.url) ? Citation::Kind::url : is_document ? Citation::Kind::document : Citation::Kind::other;
    if (!read_span(members.start, members.end, read.span)) read.span = {};
    return true;
}

ArenaList<Json> citations_in(Json array, Context& context) {
    ArenaList<Json> elements;
    Tokens tokens;
    Fault fault;
    if (!has(array) || !context.nested.index(array, Structure::Utf8::passed, tokens, fault)) return elements;
    Cursor cursor(array, tokens);
    if (cursor.peek() != '[') return elements;
    const bool good = cursor.each_element([&] {
        Json one;
        if (!take_json(cursor, one)) return false;
        if (has(one)) elements.add(context.arena, one);
        return true;
    });
    return good ? elements : ArenaList<Json>{};
}

uint64_t code_points(Text inside) noexcept {
    uint64_t count = 0;
    each_code_point(inside, [&](size_t) {
        count += 1;
        return true;
    });
    return count;
}

size_t offset_of(Text inside, uint64_t count) noexcept {
    size_t offset = inside.size();
    each_code_point(inside, [&](size_t begin) {
        if (count-- > 0) return true;
        offset = begin;
        return false;
    });
    return offset;
}

uint64_t utf8_bytes(Text inside) noexcept {
    uint64_t bytes = 0;
    for (size_t at = 0; at < inside.size();) {
        if (inside[at] != '\\') {
            bytes += 1;
            at += 1;
            continue;
        }
        const uint32_t unit = unit_of(inside.substr(at));
        at += size_of_escape(inside.substr(at));
        bytes += is_low_surrogate(unit) ? 0 : is_high_surrogate(unit) ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    }
    return bytes;
}

void PlacedText::append(Text inside) {
    const size_t before = inside_.size();
    inside_ += inside;
    each_code_point(inside, [&](size_t begin) {
        if (count_ > 0 && count_ % stride == 0) {
            const Place last = marks_.empty() ? Place{} : marks_.back();
            const size_t at = before + begin;
            marks_.push_back({at, last.bytes + utf8_bytes(Text(inside_).substr(last.at, at - last.at))});
        }
        count_ += 1;
        return true;
    });
}

void PlacedText::clear() {
    inside_.clear();
    marks_.clear();
    count_ = 0;
}

PlacedText::Place PlacedText::find(uint64_t count) const noexcept {
    const uint64_t mark = std::min<uint64_t>(count / stride, marks_.size());
    const Place near = mark == 0 ? Place{} : marks_[mark - 1];
    const Text rest = Text(inside_).substr(near.at);
    const size_t offset = offset_of(rest, count - mark * stride);
    return {near.at + offset, near.bytes + utf8_bytes(rest.substr(0, offset))};
}

Json url_annotation(Text url, Text title, Span span, Arena& arena) {
    ArenaText text(arena);
    const auto number = [&](uint64_t value) {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        text.append({digits, static_cast<size_t>(end - digits)});
    };
    text.append(R"({"type":"url_citation","start_index":)");
    number(span.begin);
    text.append(R"(,"end_index":)");
    number(span.end);
    return text.append(R"(,"url":")").append(url).append(R"(","title":")").append(title).append(R"("})").view();
}

void HeldCitations::take(Json citation, DeltaSink& sink) {
    const bool is_one_line = citation.find('\n') == citation.npos;
    if (!is_one_line || bytes_.size() + citation.size() > bytes_max)
        return sink.on_delta({.kind = Delta::Kind::citation, .json = citation});
    bytes_.append(citation) += '\n';
}

void HeldCitations::tell(DeltaSink& sink) {
    for (size_t begin = 0; begin < bytes_.size();) {
        const size_t end = bytes_.find('\n', begin);
        sink.on_delta({.kind = Delta::Kind::citation, .json = std::string_view(bytes_).substr(begin, end - begin)});
        begin = end + 1;
    }
    bytes_.clear();
}

}  // namespace loom::llm
