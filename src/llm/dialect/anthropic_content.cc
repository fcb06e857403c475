#include "anthropic_content.h"

#include <algorithm>
#include <initializer_list>

namespace loom::llm::anthropic {

/// Members of all kinds of blocks, gathered first: `type` may stand behind the others.
struct BlockReader::Block {
    uint32_t offset = 0;
    Text type, id, name, tool_use_id, text, thinking, signature, data, title, context;
    Text origin;                    // `source` where it is a string: of a search result
    std::optional<Cursor> source;   // at its object
    std::optional<Cursor> content;  // at its string or array
    Json input, citations, cache_control;
    std::optional<bool> is_error;
};

namespace {

/// Where an image's or a document's bytes are.
struct Source {
    Text type, data, url, file_id, media_type;
    std::optional<Cursor> content;  // of a document made of blocks
};

bool collect_source(Cursor& cursor, Context& context, Source& source) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return read_text(cursor, source.type);
        if (name == "data") return read_text(cursor, source.data);
        if (name == "url") return read_text(cursor, source.url);
        if (name == "file_id") return read_text(cursor, source.file_id);
        if (name == "media_type") return read_text(cursor, source.media_type);
        if (name == "content") {
            source.content = cursor;
            return cursor.skip_value();
        }
        return skip_unknown(cursor, name, context);
    });
}

bool set_media(const Source& source, Media& media) {
    if (source.type == "base64" || source.type == "text") {
        media.source = source.type == "text" ? Media::Source::text : Media::Source::base64;
        media.data = source.data;
    } else if (source.type == "url") {
        media.source = Media::Source::url;
        media.data = source.url;
    } else if (source.type == "file") {
        media.source = Media::Source::file_id;
        media.data = source.file_id;
    }
    media.media_type = source.media_type;
    return has(media.data);
}

/// {"enabled":true}
bool is_to_be_cited(Json citations) noexcept { return has(citations) && citations.find("true") != citations.npos; }

Text joined(std::initializer_list<Text> pieces, Arena& arena) {
    size_t bytes = 0;
    for (const Text piece : pieces) bytes += piece.size();
    char* const room = arena.take(bytes);
    char* end = room;
    for (const Text piece : pieces) end = std::copy(piece.begin(), piece.end(), end);
    return {room, bytes};
}

}  // namespace

bool BlockReader::read_content(ArenaList<Part>& parts) {
    if (cursor_.is_null()) return cursor_.skip_value();
    if (cursor_.peek() == '[') return read_blocks(parts);
    if (cursor_.peek() != '"') return cursor_.fail_here("content is a string or an array of blocks");
    Text text;
    if (!take_text(cursor_, text)) return false;
    parts.add(context_.arena, {.kind = Part::Kind::text, .text = text});
    return true;
}

bool BlockReader::read_blocks(ArenaList<Part>& parts) {
    return cursor_.each_element([&] { return read_block(parts); });
}

bool BlockReader::read_block(ArenaList<Part>& parts) {
    Block block{.offset = cursor_.offset()};
    return collect(block) && take_block(block, parts);
}

bool BlockReader::collect(Block& block) {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "type") return read_text(cursor_, block.type);
        if (name == "text") return read_text(cursor_, block.text);
        if (name == "id") return read_text(cursor_, block.id);
        if (name == "name") return read_text(cursor_, block.name);
        if (name == "tool_use_id") return read_text(cursor_, block.tool_use_id);
        if (name == "thinking") return read_text(cursor_, block.thinking);
        if (name == "signature") return read_text(cursor_, block.signature);
        if (name == "data") return read_text(cursor_, block.data);
        if (name == "title") return read_text(cursor_, block.title);
        if (name == "context") return read_text(cursor_, block.context);
        if (name == "input") return take_json(cursor_, block.input);
        if (name == "citations") return take_json(cursor_, block.citations);
        if (name == "cache_control") return take_json(cursor_, block.cache_control);
        if (name == "is_error") return take_flag(cursor_, block.is_error);
        if (name == "source" && cursor_.peek() == '"') return take_text(cursor_, block.origin);
        if (name == "source" || name == "content") {
            (name == "source" ? block.source : block.content) = cursor_;
            return cursor_.skip_value();
        }
        if (name == "caller") {  // the model itself, or a tool that the provider runs
            Json caller;
            if (!take_json(cursor_, caller)) return false;
            if (has(caller) && caller.find("\"direct\"") == caller.npos) context_.losses.add(name);
            return true;
        }
        return skip_unknown(cursor_, name, context_);
    });
}

bool BlockReader::take_block(const Block& block, ArenaList<Part>& parts) {
    if (!has(block.type)) return refuse(block, "a content block needs a type");
    if (block.type == "text") return take_text_block(block, parts);
    if (block.type == "image") return take_media(block, Part::Kind::image, parts);
    if (place_ != Place::document) {
        if (block.type == "document") return take_document(block, parts);
        if (block.type == "search_result") return take_search_result(block, parts);
    }
    if (place_ == Place::message) {
        if (block.type == "tool_use") return take_tool_use(block, parts);
        if (block.type == "tool_result") return take_tool_result(block, parts);
        if (block.type == "thinking") {
            Part& part = add(block, Part::Kind::thinking, parts);
            part.text = has(block.thinking) ? block.thinking : Text("");
            if (!block.signature.empty()) part.signature = block.signature;  // "" stands where a provider gave none
            return true;
        }
        if (block.type == "redacted_thinking") {
            add(block, Part::Kind::redacted_thinking, parts).text = has(block.data) ? block.data : Text("");
            return true;
        }
    }
    // What the provider's own tools asked and found, uploads to its containers, its compactions: no other has them.
    context_.losses.add(block.type);
    return true;
}

Part& BlockReader::add(const Block& block, Part::Kind kind, ArenaList<Part>& parts) {
    return parts.add(context_.arena, {.kind = kind, .cache_control = block.cache_control});
}

bool BlockReader::take_text_block(const Block& block, ArenaList<Part>& parts) {
    if (!has(block.text)) return refuse(block, "a text block needs its text");
    Part& part = add(block, Part::Kind::text, parts);
    part.text = block.text;
    if (is_citation(block.citations)) part.citations = block.citations;
    return true;
}

bool BlockReader::take_tool_use(const Block& block, ArenaList<Part>& parts) {
    if (!has(block.id) || !has(block.name)) return refuse(block, "a tool_use block needs an id and a name");
    Part& part = add(block, Part::Kind::tool_call, parts);
    part.tool_id = block.id;
    part.tool_name = context_.aliases.original_of(block.name);
    part.arguments = has(block.input) ? block.input : Json("{}");
    return true;
}

bool BlockReader::take_tool_result(const Block& block, ArenaList<Part>& parts) {
    if (!has(block.tool_use_id)) return refuse(block, "a tool_result block needs a tool_use_id");
    Part& part = add(block, Part::Kind::tool_result, parts);
    part.tool_id = block.tool_use_id;
    part.is_error = block.is_error.value_or(false);
    return read_inner(block, block.content, Place::tool_result, part.content);
}

bool BlockReader::take_media(const Block& block, Part::Kind kind, ArenaList<Part>& parts) {
    if (!block.source) return refuse(block, "the block needs its source");
    Cursor at = *block.source;
    Source source;
    if (!collect_source(at, context_, source)) return cursor_.fail_at(at.fault().offset, at.fault().what);
    if (source.type == "content" && kind == Part::Kind::file) {
        ArenaList<Part> inner;
        if (!read_inner(block, source.content, Place::document, inner)) return false;
        Part& part = add(block, kind, parts);
        const Text text = joined_text(inner, "\\n", context_.arena);
        part.media = {.source = Media::Source::text, .data = has(text) ? text : Text(""), .name = block.title};
        if (is_to_be_cited(block.citations)) part.citations = block.citations;
        for (const Part& one : inner) (one.kind == Part::Kind::text ? part.content : parts).add(context_.arena, one);
        return true;
    }
    Media media;
    if (!set_media(source, media)) return refuse(block, "the block's source is of no known type, or empty");
    Part& part = add(block, kind, parts);
    part.media = media;
    if (kind != Part::Kind::file) return true;
    part.media.name = block.title;
    if (is_to_be_cited(block.citations)) part.citations = block.citations;
    return true;
}

bool BlockReader::take_document(const Block& block, ArenaList<Part>& parts) {
    if (has(block.context)) context_.losses.add("context");
    return take_media(block, Part::Kind::file, parts);
}

/// A text that begins with the title and the source: no other protocol has results of a search that the client made.
bool BlockReader::take_search_result(const Block& block, ArenaList<Part>& parts) {
    if (is_to_be_cited(block.citations)) context_.losses.add("citations");
    ArenaList<Part> inner;
    if (!read_inner(block, block.content, Place::document, inner)) return false;
    const Text text = joined_text(inner, "\\n", context_.arena);
    add(block, Part::Kind::text, parts).text =
        joined({block.title, "\\n", block.origin, "\\n\\n", has(text) ? text : Text("")}, context_.arena);
    return true;
}

bool BlockReader::read_inner(const Block& block, const std::optional<Cursor>& at, Place place, ArenaList<Part>& parts) {
    if (!at) return place == Place::tool_result || refuse(block, "the block needs its content");
    Cursor inner = *at;
    BlockReader reader(inner, context_, place);
    return reader.read_content(parts) || cursor_.fail_at(inner.fault().offset, inner.fault().what);
}

bool BlockReader::refuse(const Block& block, const char* what) { return cursor_.fail_at(block.offset, what); }

}  // namespace loom::llm::anthropic
