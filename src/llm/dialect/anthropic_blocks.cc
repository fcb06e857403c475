#include "anthropic_blocks.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "arena_text.h"
#include "citation.h"

namespace loom::llm::anthropic {

namespace {

void open_block(std::string_view type, JsonOut& json) {
    json.open_object();
    json.member("type", type);
}

void close_block(const Part& part, JsonOut& json) {
    json.member_json("cache_control", part.cache_control);
    json.close_object();
}

Result<void> refuse(const char* what) { return fail(Errc::unsupported, Side::downstream, what); }

/// What base64 begins with says what it is, where the client's protocol did not.
Text image_type(const Media& media) noexcept {
    if (!media.media_type.empty()) return media.media_type;
    if (media.data.starts_with("/9j/") || media.data.starts_with("\\/9j\\/")) return "image/jpeg";
    if (media.data.starts_with("R0lGOD")) return "image/gif";
    if (media.data.starts_with("UklGR")) return "image/webp";
    return "image/png";
}

void write_source(std::string_view type, std::string_view key, Text value, Text media_type, JsonOut& json) {
    json.key("source");
    json.open_object();
    json.member("type", type);
    json.member("media_type", media_type);
    json.member(key, value);
    json.close_object();
}

/// Anthropic fetches http(s) itself; gs:// and s3:// are open to their own cloud alone.
bool is_fetched(Text url) noexcept { return url.starts_with("http"); }

Result<void> write_image(const Part& part, Context& context, JsonOut& json) {
    const Media& media = part.media;
    if (has(media.detail) && media.detail != "auto") context.losses.add("image_url.detail");
    if (media.source == Media::Source::text) return refuse("an image cannot be text");
    if (media.source == Media::Source::url && !is_fetched(media.data))
        return refuse("Anthropic fetches images by http and https only: send the image itself, as base64");
    open_block("image", json);
    if (media.source == Media::Source::base64) write_source("base64", "data", media.data, image_type(media), json);
    if (media.source == Media::Source::url) write_source("url", "url", media.data, {}, json);
    if (media.source == Media::Source::file_id) write_source("file", "file_id", media.data, {}, json);
    close_block(part, json);
    return {};
}

constexpr std::array<uint8_t, 256> base64_values = [] {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<uint8_t, 256> values{};
    values.fill(64);
    for (size_t i = 0; i < letters.size(); ++i) values[static_cast<uint8_t>(letters[i])] = static_cast<uint8_t>(i);
    return values;
}();

/// The text that is in base64; absent where it is no base64 or no text.
Text text_of_base64(Text base64, Context& context) {
    std::string_view left = plain(base64, context.arena);
    while (left.ends_with('=')) left.remove_suffix(1);
    char* const room = context.arena.take(left.size());
    size_t bytes = 0;
    uint32_t bits = 0, bit_count = 0;
    for (const char c : left) {
        const uint8_t value = base64_values[static_cast<uint8_t>(c)];
        if (value == 64) return {};
        bits = bits << 6 | value;
        bit_count += 6;
        if (bit_count < 8) continue;
        bit_count -= 8;
        room[bytes++] = static_cast<char>(bits >> bit_count);
    }
    const Text text = escaped({room, bytes}, context.arena);
    char* const quoted = context.arena.take(text.size() + 2);
    *std::copy(text.begin(), text.end(), quoted + 1) = *quoted = '"';
    Tokens tokens;
    Fault fault;
    const bool is_utf8 = context.nested.index({quoted, text.size() + 2}, Structure::Utf8::checked, tokens, fault);
    return is_utf8 ? text : Text();
}

/// How a file is told to Anthropic, which reads PDF and plain text only.
struct DocumentSource {
    std::string_view type, key;
    Text value, media_type;
};

Result<DocumentSource> document_source(const Media& media, Context& context) {
    const Text type = media.media_type;
    switch (media.source) {
        case Media::Source::text: return DocumentSource{"text", "data", media.data, "text/plain"};
        case Media::Source::file_id: return DocumentSource{"file", "file_id", media.data, {}};
        case Media::Source::url:
            if (is_fetched(media.data)) return DocumentSource{"url", "url", media.data, {}};
            return fail(Errc::unsupported, Side::downstream,
                        "Anthropic fetches files by http and https only: send the file itself, as base64");
        case Media::Source::base64: break;
    }
    if (type.empty() || type == "application/pdf" || type == "application\\/pdf")
        return DocumentSource{"base64", "data", media.data, "application/pdf"};
    if (type.starts_with("text/") || type.starts_with("text\\/") || type.ends_with("json")) {
        const Text text = text_of_base64(media.data, context);
        if (has(text)) return DocumentSource{"text", "data", text, "text/plain"};
    }
    return fail(Errc::unsupported, Side::downstream,
                "Anthropic reads files that are PDF or plain text: send another kind as text");
}

Result<void> write_document(const Part& part, Context& context, JsonOut& json) {
    const DocumentSource source = LOOM_TRY(document_source(part.media, context));
    open_block("document", json);
    write_source(source.type, source.key, source.value, source.media_type, json);
    if (!part.media.name.empty()) json.member("title", part.media.name);
    close_block(part, json);
    return {};
}

Result<void> write_result_part(const Part& part, Context& context, JsonOut& json) {
    switch (part.kind) {
        case Part::Kind::text:
        case Part::Kind::refusal: write_text_block(part, part.text, context, json); return {};
        case Part::Kind::image: return write_image(part, context, json);
        case Part::Kind::file: return write_document(part, context, json);
        default: return refuse("Anthropic takes texts, images and files as a tool's result");
    }
}

Result<void> write_tool_result(const Part& part, Context& context, JsonOut& json) {
    open_block("tool_result", json);
    json.member("tool_use_id", context.aliases.alias_of(part.tool_id, tool_id_rule));
    const auto is_written = [](const Part& one) { return one.kind != Part::Kind::text || !is_blank(one.text); };
    if (has(part.result_json)) {
        json.member("content", escaped(part.result_json, context.arena));
    } else if (std::ranges::any_of(part.content, is_written)) {
        json.key("content");
        json.open_array();
        for (const Part& one : part.content)
            if (is_written(one)) LOOM_TRY(write_result_part(one, context, json));
        json.close_array();
    }
    if (part.is_error) json.member_boolean("is_error", true);
    close_block(part, json);
    return {};
}

/// What a text cites in Anthropic's words, in order, with the bytes of it that each is cited for.
struct CitedText {
    struct Cited {
        Json citation;
        size_t begin;
        size_t end;
    };
    CitedText(const Part& part, Context& context) {
        for (const Json citation : citations_in(part.citations, context)) {
            const Json own = citation_of(citation, context);
            Citation read;
            if (!has(own) || !read_citation(citation, context, read)) {
                context.losses.add("annotations");
                continue;
            }
            list.add(context.arena, place(own, read.span.value_or(Span{}), part.text));
        }
    }
    /// Each place is counted on from the one before it.
    Cited place(Json own, Span span, Text text) {
        const bool is_again = !list.empty() && span.begin == last.begin && span.end == last.end;
        if (is_again) return {own, list.back().begin, list.back().end};
        const size_t before = list.empty() ? 0 : list.back().end;
        has_places &= span.begin >= last.end && span.begin < span.end;
        if (!has_places) return {own, 0, text.size()};
        const size_t begin = before + offset_of(text.substr(before), span.begin - last.end);
        const size_t end = begin + offset_of(text.substr(begin), span.end - span.begin);
        has_places &= begin < end;
        last = span;
        return {own, begin, end};
    }
    Span last;
    ArenaList<Cited> list;
    bool has_places = true;  // none overlaps another, and each has one
};

}  // namespace

Json citation_of(Json citation, Context& context) {
    if (is_citation(citation)) return one_line(citation, context.arena);
    Citation read;
    if (!read_citation(citation, context, read) || read.kind != Citation::Kind::url) return {};
    ArenaText text(context.arena);
    text.append(R"({"type":"web_search_result_location","cited_text":")").append(read.cited_text);
    text.append(R"(","url":")").append(read.url).append(R"(","title":)");
    has(read.title) ? text.append("\"").append(read.title).append("\"") : text.append("null");
    return text.append(R"(,"encrypted_index":""})").view();
}

void write_cited_text(const Part& part, Context& context, JsonOut& json) {
    const CitedText cited(part, context);
    size_t written = 0;  // of the text's bytes
    const auto write = [&](size_t end, Json citations) {
        if (end <= written) return;
        Part piece = part;
        piece.text = part.text.substr(written, end - written);
        piece.citations = citations;
        write_text_block(piece, piece.text, context, json);
        written = end;
    };
    for (auto at = cited.list.begin(); at != cited.list.end();) {
        const size_t begin = cited.has_places ? at->begin : 0;
        const size_t end = cited.has_places ? at->end : part.text.size();
        ArenaText array(context.arena);
        for (; at != cited.list.end() && (!cited.has_places || at->begin == begin); ++at)
            array.append(array.size() == 0 ? "[" : ",").append(at->citation);
        write(begin, {});
        write(end, array.append("]").view());
    }
    write(part.text.size(), {});
}

void write_text_block(const Part& part, Text text, Context& context, JsonOut& json) {
    open_block("text", json);
    json.member("text", text);
    if (is_citation(part.citations)) {
        json.member_json("citations", part.citations);
    } else if (has(part.citations)) {
        context.losses.add("annotations");
    }
    close_block(part, json);
}

void write_thinking_block(const Part& part, JsonOut& json) {
    open_block("thinking", json);
    json.member("thinking", has(part.text) ? part.text : Text(""));
    json.member("signature", has(part.signature) ? part.signature : Text(""));
    json.close_object();
}

void write_redacted_block(const Part& part, JsonOut& json) {
    open_block("redacted_thinking", json);
    json.member("data", has(part.text) ? part.text : Text(""));
    json.close_object();
}

void write_tool_use_block(const Part& call, Text id, Text name, Context& context, JsonOut& json) {
    open_block("tool_use", json);
    json.member("id", id);
    json.member("name", name);
    json.member_json("input", arguments_object(call, context));
    if (has(call.signature)) context.losses.add("thought_signature");
    close_block(call, json);
}

Text call_id(Text id, uint32_t index, Context& context) {
    if (!id.empty()) return id;
    constexpr std::string_view front = "toolu_";
    constexpr size_t digits_max = 10;
    const std::string_view answer = context.terms.fallback_id;
    char* const room = context.arena.take(front.size() + answer.size() + 1 + digits_max);
    char* end = std::ranges::copy(front, room).out;
    end = std::ranges::copy(answer, end).out;
    *end++ = '_';
    end = std::to_chars(end, end + digits_max, index).ptr;
    return escaped({room, static_cast<size_t>(end - room)}, context.arena);
}

Result<void> write_block(const Part& part, Role role, Context& context, JsonOut& json) {
    const bool is_assistant = role == Role::assistant;
    switch (part.kind) {
        case Part::Kind::text:
        case Part::Kind::refusal: write_text_block(part, part.text, context, json); return {};
        case Part::Kind::thinking: write_thinking_block(part, json); return {};
        case Part::Kind::redacted_thinking: write_redacted_block(part, json); return {};
        case Part::Kind::tool_call:
            write_tool_use_block(part, context.aliases.alias_of(part.tool_id, tool_id_rule),
                                 context.aliases.alias_of(part.tool_name, tool_name_rule), context, json);
            return {};
        case Part::Kind::tool_result: return write_tool_result(part, context, json);
        case Part::Kind::image:
            if (is_assistant) break;
            return write_image(part, context, json);
        case Part::Kind::file:
            if (is_assistant) break;
            return write_document(part, context, json);
        case Part::Kind::audio: return refuse("Anthropic takes no audio");
        case Part::Kind::video: return refuse("Anthropic takes no video");
    }
    return refuse("Anthropic takes no images and files in the assistant's messages");
}

}  // namespace loom::llm::anthropic
