#include <algorithm>

#include "gemini.h"

namespace loom::llm::gemini {

namespace {

using Kind = Part::Kind;

Kind kind_of_media(Text media_type) noexcept {
    if (media_type.starts_with("image/")) return Kind::image;
    if (media_type.starts_with("audio/")) return Kind::audio;
    if (media_type.starts_with("video/")) return Kind::video;
    return Kind::file;
}

/// What the files endpoint handed out is an address that only Google's servers can read.
Media::Source source_of_uri(Text uri) noexcept {
    const bool is_file = uri.starts_with("files/") || uri.find("generativelanguage.googleapis.com/") != uri.npos;
    return is_file ? Media::Source::file_id : Media::Source::url;
}

struct Row {
    std::string_view mark;
    std::string_view media_type;
};

/// First characters of the base64 of files whose first bytes say what they are.
constexpr std::array<Row, 9> base64_rows = {{{"iVBORw0KGgo", "image/png"},
                                             {"/9j/", "image/jpeg"},
                                             {"R0lGOD", "image/gif"},
                                             {"JVBERi0", "application/pdf"},
                                             {"SUQz", "audio/mpeg"},
                                             {"T2dnUw", "audio/ogg"},
                                             {"ZkxhQw", "audio/flac"},
                                             {"GkXfo", "video/webm"},
                                             {"UklGR", ""}}};  // RIFF: WebP or WAV, as the part's kind says

constexpr std::array<Row, 17> suffix_rows = {{{".png", "image/png"},
                                              {".jpg", "image/jpeg"},
                                              {".jpeg", "image/jpeg"},
                                              {".webp", "image/webp"},
                                              {".gif", "image/gif"},
                                              {".heic", "image/heic"},
                                              {".pdf", "application/pdf"},
                                              {".txt", "text/plain"},
                                              {".csv", "text/csv"},
                                              {".html", "text/html"},
                                              {".mp3", "audio/mpeg"},
                                              {".wav", "audio/wav"},
                                              {".flac", "audio/flac"},
                                              {".ogg", "audio/ogg"},
                                              {".mp4", "video/mp4"},
                                              {".webm", "video/webm"},
                                              {".mov", "video/quicktime"}}};

std::string_view type_of_data(const Part& part) noexcept {
    for (const Row& row : base64_rows)
        if (part.media.data.starts_with(row.mark) && !row.media_type.empty()) return row.media_type;
    if (part.media.data.starts_with("UklGR")) return part.kind == Kind::audio ? "audio/wav" : "image/webp";
    return {};
}

std::string_view type_of_uri(Text uri) noexcept {
    uri = uri.substr(0, uri.find_first_of("?#"));
    for (const Row& row : suffix_rows)
        if (uri.ends_with(row.mark)) return row.media_type;
    return {};
}

/// Google must be told what a file is, other protocols need not say.
std::string_view media_type_of(const Part& part) noexcept {
    if (has(part.media.media_type) && !part.media.media_type.empty()) return part.media.media_type;
    const bool is_data = part.media.source == Media::Source::base64;
    const std::string_view found = is_data ? type_of_data(part) : type_of_uri(part.media.data);
    if (!found.empty()) return found;
    switch (part.kind) {
        case Kind::audio: return "audio/mpeg";
        case Kind::video: return "video/mp4";
        case Kind::file: return "application/pdf";
        default: return "image/jpeg";
    }
}

/// In the alphabet that every protocol takes. Google reads the URL's too, and its SDK for Python writes it.
Text standard_base64(Text data, Arena& arena) {
    if (data.find('-') == data.npos && data.find('_') == data.npos) return data;
    char* const copy = arena.take(data.size());
    std::ranges::transform(data, copy, [](char c) { return c == '-' ? '+' : c == '_' ? '/' : c; });
    return {copy, data.size()};
}

class PartReader {
  public:
    PartReader(Cursor& cursor, Context& context, std::string_view where, Part& part) noexcept
        : cursor_(cursor), context_(context), where_(where), part_(part) {}

    bool run(bool& found) {
        if (!each_field(cursor_, [&](const FieldName& field) { return member(field); })) return false;
        if (has(part_.signature) && !found_) part_.text = "";  // a signature alone belongs to an empty text
        found = found_ || has(part_.signature);
        if (part_.kind == Kind::text && thought_) part_.kind = Kind::thinking;
        return true;
    }

  private:
    bool member(const FieldName& field) {
        if (field == "text") return text();
        if (field == "thought") {
            thought_ = cursor_.is_true();
            return cursor_.skip_value();
        }
        if (field == "thoughtSignature") return base64(part_.signature);
        if (field == "inlineData") return media(Media::Source::base64);
        if (field == "fileData") return media(Media::Source::url);
        if (field == "functionCall") return call();
        if (field == "functionResponse") return result();
        if (field == "partMetadata") return metadata();
        return lose(cursor_, context_, where_, field.view());
    }

    bool base64(Text& into) {
        if (!take_text(cursor_, into)) return false;
        if (has(into)) into = standard_base64(into, context_.arena);
        return true;
    }

    bool text() {
        found_ |= cursor_.peek() == '"';
        return take_text(cursor_, redacted_ ? shown_ : part_.text);
    }

    bool media(Media::Source source) {
        found_ = true;
        part_.media.source = source;
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "mimeType") return take_text(cursor_, part_.media.media_type);
            if (field == "data") return base64(part_.media.data);
            if (field == "fileUri") return take_text(cursor_, part_.media.data);
            if (field == "displayName") return take_text(cursor_, part_.media.name);
            return lose(cursor_, context_, where_, field.view());
        });
        part_.kind = kind_of_media(part_.media.media_type);
        if (source == Media::Source::url) part_.media.source = source_of_uri(part_.media.data);
        return good;
    }

    bool call() {
        found_ = true;
        part_.kind = Kind::tool_call;
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "id") return take_text(cursor_, part_.tool_id);
            if (field == "name") return take_text(cursor_, part_.tool_name);
            if (field == "args") return take_json(cursor_, part_.arguments);
            return lose(cursor_, context_, "functionCall.", field.view());
        });
        if (!has(part_.arguments)) part_.arguments = "{}";
        return good;
    }

    bool result() {
        found_ = true;
        part_.kind = Kind::tool_result;
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "id") return take_text(cursor_, part_.tool_id);
            if (field == "name") return take_text(cursor_, part_.tool_name);
            if (field == "response") return response();
            if (field == "parts") return each_item(cursor_, [&] { return result_part(); });
            return lose(cursor_, context_, "functionResponse.", field.view());
        });
        if (good && has(part_.result_json) && !part_.content.empty()) put_result_before_media();
        return good;
    }

    /// {"output": "text"} is a text, {"error": "text"} one that says what went wrong; any other object stands as it is.
    bool response() {
        if (cursor_.peek() != '{') return bare_response();
        Cursor members = cursor_;
        uint32_t count = 0;
        bool is_text = false;
        std::string_view name;
        Text text;
        const bool good = members.each_member([&](Range key) {
            count += 1;
            name = name_of(members, key);
            is_text = members.peek() == '"';
            return take_text(members, text);
        });
        if (!good) return cursor_.skip_value();  // leaves the fault in the cursor
        const bool known = name == "output" || name == "result" || name == "error";
        if (count == 1) part_.is_error = name == "error";
        if (count != 1 || !is_text || !known) return take_json(cursor_, part_.result_json);
        part_.content.add(context_.arena, {.text = text});
        return cursor_.skip_value();
    }

    /// Google would refuse it; whoever sends a text or a number meant just that.
    bool bare_response() {
        Json value;
        const bool is_text = cursor_.peek() == '"';
        if (!take_json(cursor_, value)) return false;
        if (!has(value)) return true;
        const Text text = is_text ? value.substr(1, value.size() - 2) : value;
        part_.content.add(context_.arena, {.text = text});
        return true;
    }

    bool result_part() {
        Part inner;
        bool found = false;
        if (!PartReader(cursor_, context_, "functionResponse.parts[].", inner).run(found)) return false;
        if (found) part_.content.add(context_.arena, inner);
        return true;
    }

    void put_result_before_media() {
        ArenaList<Part> content;
        content.add(context_.arena, {.text = escaped(part_.result_json, context_.arena)});
        for (const Part& media : part_.content) content.add(context_.arena, media);
        part_.content = content;
        part_.result_json = {};
    }

    /// Where a redacted thinking of another provider waits to be sent back (see write_text_part).
    bool metadata() {
        return each_field(cursor_, [&](const FieldName& field) {
            if (field != "redactedThinking") return lose(cursor_, context_, "partMetadata.", field.view());
            found_ = true;
            part_.kind = Kind::redacted_thinking;
            redacted_ = true;
            return take_text(cursor_, part_.text);
        });
    }

    Cursor& cursor_;
    Context& context_;
    std::string_view where_;
    Part& part_;
    bool thought_ = false;
    bool found_ = false;
    bool redacted_ = false;
    Text shown_;  // the text beside redacted data: empty
};

}  // namespace

bool read_part(Cursor& cursor, Context& context, std::string_view where, Part& part, bool& found) {
    if (cursor.peek() != '{') return cursor.fail_here("an object is expected");
    return PartReader(cursor, context, where, part).run(found);
}

void write_media(const Part& part, JsonOut& json) {
    const bool is_data = part.media.source == Media::Source::base64;
    json.key(is_data ? "inlineData" : "fileData");
    json.open_object();
    json.member("mimeType", media_type_of(part));
    json.member(is_data ? "data" : "fileUri", part.media.data);
    json.close_object();
}

void write_text_part(const Part& part, JsonOut& json) {
    const bool redacted = part.kind == Kind::redacted_thinking;
    json.open_object();
    json.key("text");
    json.text(redacted || !has(part.text) ? "" : part.text);
    if (redacted || part.kind == Kind::thinking) json.member_boolean("thought", true);
    json.member("thoughtSignature", part.signature);
    if (redacted) {  // the one field of a part that clients keep and nobody reads
        json.key("partMetadata");
        json.open_object();
        json.member("redacted_thinking", part.text);
        json.close_object();
    }
    json.close_object();
}

void write_call(const Part& call, Text name, Json args, JsonOut& json) {
    json.open_object();
    json.key("functionCall");
    json.open_object();
    if (!call.tool_id.empty()) json.member("id", call.tool_id);
    json.member("name", name);
    json.member_json("args", args);
    json.close_object();
    if (has(call.signature)) json.member("thoughtSignature", call.signature);
    json.close_object();
}

}  // namespace loom::llm::gemini
