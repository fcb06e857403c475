// What a request wants its answer to be, and what media its parts are: what a model must be able to do.
#include "request_walk.h"

#include <algorithm>

namespace loom::llm {

/// Most members are told from these by their name's size.
bool RequestWalk::read_output_member(std::string_view name) {
    if (cursor_.peek() != '{') return cursor_.skip_value();
    switch (name.size()) {
        case 4:  // of Responses: {"format":{"type":"json_schema",…}}
            if (name == "text" && endpoint_ == Endpoint::responses) return read_schema_wish(true);
            break;
        case 5: request_.has_audio |= name == "audio" && endpoint_ == Endpoint::chat_completions; break;
        case 13:  // of Messages
            if (name == "output_format") return read_schema_wish(false);
            if (name == "output_config") return read_schema_wish(true);
            break;
        case 15:
            if (name == "response_format") return read_schema_wish(false);
            break;
        default: break;
    }
    return cursor_.skip_value();
}

/// in_format  the wish stands in a member `format`.
bool RequestWalk::read_schema_wish(bool in_format) {
    return cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (in_format && name == "format" && cursor_.peek() == '{') return read_schema_wish(false);
        if (in_format || name != "type" || cursor_.peek() != '"') return cursor_.skip_value();
        const std::string_view format = inside(cursor_.text(), cursor_.take_string());
        request_.has_schema |= format == "json_schema";
        request_.wants_json |= format.starts_with("json");
        return true;
    });
}

/// Whatever it is, the upstream is the judge; who has to bound it wants to know that it is no plain one.
bool RequestWalk::read_gemini_bound() {
    OutputBound& bound = request_.output_bounds[2];
    request_.has_unclear_bound |= !bound.range.absent();
    const uint32_t offset = cursor_.offset();
    uint64_t count = 0;
    if (!cursor_.is_null() && cursor_.is_number() && cursor_.take_count(count)) {
        max_output_tokens_ = count;
    } else {
        request_.has_unclear_bound |= !cursor_.is_null();
        if (!cursor_.skip_value()) return false;
    }
    bound = {.range = {offset, cursor_.last_end() - offset}, .value = count};
    return true;
}

bool RequestWalk::may_mean(std::string_view name, std::string_view folded) noexcept {
    if (name.find('\\') != name.npos) return true;
    for (const char c : name) {
        if (c == '_') continue;
        if (folded.empty() || (c | 0x20) != folded.front()) return false;
        folded.remove_prefix(1);
    }
    return folded.empty();
}

/// Gemini's.
bool RequestWalk::read_generation_config() {
    Range& range = request_.generation_config_range;
    request_.has_unclear_bound |= !range.absent();
    if (cursor_.peek() != '{') return cursor_.skip_value(range);
    range.offset = cursor_.offset();
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (name == "maxOutputTokens" || name == "max_output_tokens") return read_gemini_bound();
        if (name == "candidateCount" || name == "candidate_count") {  // each as long as the bound
            uint64_t count = 1;
            if (cursor_.is_number() && cursor_.take_count(count)) {
                request_.n = std::max(request_.n, static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX)));
                return true;
            }
            request_.has_unclear_bound |= !cursor_.is_null();
            return cursor_.skip_value();
        }
        request_.has_unclear_bound |= may_mean(name, "maxoutputtokens") || may_mean(name, "candidatecount");
        const bool has_schema = name == "responseSchema" || name == "response_schema" || name == "responseJsonSchema" ||
                                name == "response_json_schema";
        request_.has_schema |= has_schema && !cursor_.is_null();
        if ((name != "responseMimeType" && name != "response_mime_type") || cursor_.peek() != '"')
            return cursor_.skip_value();
        request_.wants_json |= inside(cursor_.text(), cursor_.take_string()) != "text/plain";
        return true;
    });
    if (good) range.length = cursor_.last_end() - range.offset;
    return good;
}

/// Gemini's: bytes, or where they are, and what they are. What does not say is looked at.
bool RequestWalk::read_inline_data() {
    bool is_audio = false;
    const auto read_media_member = [&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if ((name != "mimeType" && name != "mime_type") || cursor_.peek() != '"') return cursor_.skip_value();
        is_audio = inside(cursor_.text(), cursor_.take_string()).starts_with("audio/");
        return true;
    };
    const bool good = cursor_.peek() == '{' ? cursor_.each_member(read_media_member) : cursor_.skip_value();
    request_.has_audio |= is_audio;
    request_.has_images |= !is_audio;
    return good;
}

}  // namespace loom::llm
