#include "bedrock_media.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "loom/base/base64.h"

namespace loom::llm::bedrock {

namespace {

struct Format {
    std::string_view subtype;  // of the media type
    std::string_view name;     // in Converse, and of a file's extension
};
constexpr std::array<Format, 5> image_formats = {
    {{"png", "png"}, {"jpeg", "jpeg"}, {"jpg", "jpeg"}, {"gif", "gif"}, {"webp", "webp"}}};
constexpr std::array<Format, 11> document_formats = {
    {{"pdf", "pdf"},
     {"csv", "csv"},
     {"msword", "doc"},
     {"vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
     {"vnd.ms-excel", "xls"},
     {"vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
     {"html", "html"},
     {"plain", "txt"},
     {"markdown", "md"},
     {"x-markdown", "md"},
     {"txt", "txt"}}};
constexpr std::array<Format, 9> video_formats = {{{"mp4", "mp4"},
                                                  {"quicktime", "mov"},
                                                  {"x-matroska", "mkv"},
                                                  {"webm", "webm"},
                                                  {"x-flv", "flv"},
                                                  {"mpeg", "mpeg"},
                                                  {"mpg", "mpg"},
                                                  {"x-ms-wmv", "wmv"},
                                                  {"3gpp", "three_gp"}}};
constexpr std::array<Format, 11> audio_formats = {{{"wav", "wav"},
                                                   {"x-wav", "wav"},
                                                   {"mp3", "mp3"},
                                                   {"mpeg", "mp3"},
                                                   {"flac", "flac"},
                                                   {"ogg", "ogg"},
                                                   {"opus", "opus"},
                                                   {"aac", "aac"},
                                                   {"mp4", "mp4"},
                                                   {"m4a", "m4a"},
                                                   {"webm", "webm"}}};

constexpr size_t document_name_bytes_max = 180;  // 200 with what keeps two apart
constexpr uint32_t document_names_compared_max = 32;

/// Empty where the table has none. Where no type is given, the file's name may tell.
template <size_t count>
std::string_view format_of(const Media& media, const std::array<Format, count>& formats) noexcept {
    const Text type = media.media_type.substr(0, media.media_type.find(';'));
    const Text subtype = type.substr(type.rfind('/') + 1);  // npos + 1 is 0
    for (const Format& format : formats)
        if (subtype == format.subtype) return format.name;
    if (media.source == Media::Source::text) return "txt";
    const Text name = media.name.empty() && media.source == Media::Source::url ? media.data : media.name;
    const size_t dot = name.rfind('.');
    if (dot == name.npos) return {};
    for (const Format& format : formats)
        if (name.substr(dot + 1) == format.name) return format.name;
    return {};
}

/// What an image's first bytes in base64 tell, where nobody named its type.
std::string_view image_format_of(const Media& media) noexcept {
    const std::string_view named = format_of(media, image_formats);
    if (!named.empty() || !media.media_type.empty()) return named;
    if (media.data.starts_with("iVBORw0KGgo")) return "png";
    if (media.data.starts_with("/9j/")) return "jpeg";
    if (media.data.starts_with("R0lGOD")) return "gif";
    return media.data.starts_with("UklGR") ? "webp" : std::string_view{};
}

/// A document's name as Converse takes it: letters and digits, single blanks, hyphens, parentheses, square brackets.
std::string_view clean_document_name(Text name, Arena& arena) {
    name = plain(name, arena);
    const size_t dot = name.rfind('.');
    if (dot != name.npos && dot > 0) name = name.substr(0, dot);  // the format tells what the extension did
    name = name.substr(0, document_name_bytes_max);
    char* const room = arena.take(name.size());
    size_t bytes = 0;
    for (const char c : name) {
        const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '(' || c == ')' || c == '[' || c == ']';
        if (fits) room[bytes++] = c;
        if (!fits && bytes > 0 && room[bytes - 1] != ' ') room[bytes++] = ' ';
    }
    while (bytes > 0 && room[bytes - 1] == ' ') --bytes;
    return bytes == 0 ? std::string_view("document") : std::string_view(room, bytes);
}

}  // namespace

Result<void> MediaWriter::write(const Part& part) {
    switch (part.kind) {
        case Part::Kind::image: return write_image(part.media);
        case Part::Kind::file: return write_document(part);
        case Part::Kind::video: return write_clip(part.media, "video", format_of(part.media, video_formats));
        default: return write_clip(part.media, "audio", format_of(part.media, audio_formats));
    }
}

Result<void> MediaWriter::write_image(const Media& media) {
    if (has(media.detail) && media.detail != "auto") context_.losses.add("image_url.detail");
    Media image = media;
    if (media.source == Media::Source::url) (void)split_data_url(media.data, image);
    LOOM_TRY(check_source(image));
    const std::string_view format = image_format_of(image);
    if (format.empty()) return refuse("Bedrock takes images of PNG, JPEG, GIF and WebP");
    return write_clip(image, "image", format);
}

/// {kind:{"format":…,"source":…}}
Result<void> MediaWriter::write_clip(const Media& media, std::string_view kind, std::string_view format) {
    LOOM_TRY(check_source(media));
    if (format.empty()) return refuse("Bedrock does not take a sound or video of this media type");
    out_.key(kind);
    out_.open_object();
    out_.member("format", format);
    write_source(media);
    out_.close_object();
    return {};
}

Result<void> MediaWriter::write_document(const Part& part) {
    Media file = part.media;
    if (file.source == Media::Source::url) (void)split_data_url(part.media.data, file);
    LOOM_TRY(check_source(file));
    const std::string_view format = format_of(file, document_formats);
    if (format.empty()) return refuse("Bedrock takes files of PDF, CSV, DOC(X), XLS(X), HTML, TXT and Markdown");
    name_ = document_name(file.name);
    out_.key("document");
    out_.open_object();
    out_.member("format", format);
    out_.member_string("name", name_);
    const bool is_cited = has(part.citations) && model_.cites;
    write_document_source(file, part.content, is_cited);
    if (is_cited) {
        out_.key("citations");
        out_.open_object();
        out_.member_boolean("enabled", true);
        out_.close_object();
        cited_document_count_ += 1;
    } else if (has(part.citations)) {
        context_.losses.add("citations");
    }
    out_.close_object();
    return {};
}

/// Texts and blocks are taken of documents that are to be cited; of others their bytes alone: "must set one of the
/// following keys: bytes, s3Location" (strands-agents/harness-sdk#3582).
void MediaWriter::write_document_source(const Media& media, const ArenaList<Part>& blocks, bool is_cited) {
    if (media.source != Media::Source::text || (is_cited && blocks.empty())) return write_source(media);
    out_.key("source");
    out_.open_object();
    if (is_cited) {
        out_.key("content");
        out_.open_array();
        for (const Part& block : blocks) {
            out_.open_object();
            out_.member("text", block.text);
            out_.close_object();
        }
        out_.close_array();
    } else {
        const std::string_view text = plain(media.data, context_.arena);
        std::string base64;
        base64_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, base64);
        out_.member("bytes", std::string_view(base64));
    }
    out_.close_object();
}

Result<void> MediaWriter::check_source(const Media& media) {
    if (media.source == Media::Source::file_id) return refuse("Bedrock keeps no files: send the bytes as base64");
    if (media.source == Media::Source::url && !media.data.starts_with("s3:"))
        return refuse("Bedrock fetches no URLs: send the bytes as base64, or an s3:// address");
    return {};
}

void MediaWriter::write_source(const Media& media) {
    out_.key("source");
    out_.open_object();
    if (media.source == Media::Source::url) {
        out_.key("s3Location");
        out_.open_object();
        out_.member("uri", media.data);
        out_.close_object();
    } else {
        out_.member(media.source == Media::Source::text ? "text" : "bytes", media.data);
    }
    out_.close_object();
}

std::string_view MediaWriter::document_name(Text name) {
    const std::string_view clean = clean_document_name(name, context_.arena);
    // Of many, all are numbered by their place: comparing each with each would take for ever.
    const bool is_one_of_many = names_.count() >= document_names_compared_max;
    const auto is_taken = [this](std::string_view tried) { return std::ranges::find(names_, tried) != names_.end(); };
    std::string_view unique = clean;
    for (uint32_t number = names_.count() + 1; is_one_of_many ? unique == clean : is_taken(unique); ++number) {
        char* const room = context_.arena.take(clean.size() + 16);
        char* end = std::ranges::copy(clean, room).out;
        *end++ = ' ';
        end = std::to_chars(end, end + 12, number).ptr;
        unique = {room, static_cast<size_t>(end - room)};
    }
    return names_.add(context_.arena, unique);
}

}  // namespace loom::llm::bedrock
