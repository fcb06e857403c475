#include <algorithm>
#include <utility>

#include "loom/llm/error.h"
#include "openai_chat.h"

namespace loom::llm::openai_chat {

namespace {

/// An error's type in OpenAI's words.
std::string_view type_of_status(int status) noexcept {
    switch (status) {
        case 0: return error_type::api;
        case 401: return error_type::authentication;
        case 403: return error_type::permission;
        case 404: return error_type::not_found;
        case 429: return error_type::rate_limit;
        default: return status < 500 ? error_type::invalid_request : error_type::server;
    }
}

}  // namespace

std::string_view finish_word(FinishReason reason, bool has_calls, bool has_refusal) noexcept {
    switch (reason) {
        case FinishReason::length: return "length";
        case FinishReason::tool_calls: return "tool_calls";
        case FinishReason::content_filter: return "content_filter";
        case FinishReason::refusal: return has_refusal ? "stop" : "content_filter";
        default: return has_calls ? "tool_calls" : "stop";
    }
}

void write_thinking(const ArenaList<Part>& parts, Context& context, JsonOut& json) {
    bool has_text = false, has_blocks = false;
    for (const Part& part : parts) {
        if (!is_thinking(part)) continue;
        has_text |= part.kind != Part::Kind::redacted_thinking && !part.text.empty();
        has_blocks |= part.kind == Part::Kind::redacted_thinking || (!part.thought && has(part.signature));
    }
    if (has_text) {
        json.key("reasoning_content");
        json.open_text();
        bool is_first = true;
        for (const Part& part : parts) {
            if (!is_thinking(part) || part.kind == Part::Kind::redacted_thinking || part.text.empty()) continue;
            if (!std::exchange(is_first, false)) json.piece(R"(\n\n)");
            json.piece(part.text);
        }
        json.close_text();
    }
    if (!has_blocks) return;
    json.key("thinking_blocks");
    json.open_array();
    for (const Part& part : parts)
        if (is_thinking(part) && !part.thought) write_thinking_block(part, json);
    json.close_array();
}

void write_thinking_block(const Part& part, JsonOut& json) {
    json.open_object();
    if (part.kind == Part::Kind::redacted_thinking) {
        json.member_string("type", "redacted_thinking");
        json.member("data", part.text);
    } else {
        json.member_string("type", "thinking");
        json.key("thinking");
        json.text(part.text);
        json.member("signature", part.signature);
    }
    json.close_object();
}

void write_extra_content(Text signature, JsonOut& json) {
    if (!has(signature)) return;
    json.key("extra_content");
    json.open_object();
    json.key("google");
    json.open_object();
    json.member("thought_signature", signature);
    json.close_object();
    json.close_object();
}

Text text_signature_of(const ArenaList<Part>& parts) noexcept {
    Text signature;
    for (const Part& part : parts)
        if (part.kind == Part::Kind::text && has(part.signature)) signature = part.signature;
    return signature;
}

void write_arguments(const Part& call, JsonOut& json) {
    if (has(call.arguments)) {
        json.string(call.arguments);
    } else {
        json.text(is_blank(call.arguments_text) ? "{}" : call.arguments_text);
    }
}

void write_image_url(const Media& media, JsonOut& json) {
    json.open_object();
    json.member_string("type", "image_url");
    json.key("image_url");
    json.open_object();
    json.key("url");
    media.source == Media::Source::base64 ? write_data_url(media, "image/png", json) : json.text(media.data);
    json.close_object();
    json.close_object();
}

void write_data_url(const Media& media, std::string_view type_default, JsonOut& json) {
    json.open_text();
    json.piece("data:");
    json.piece(has(media.media_type) ? media.media_type : type_default);
    json.piece(";base64,");
    json.piece(media.data);
    json.close_text();
}

bool write_annotation(Json citation, Span part, Context& context, JsonOut& json) {
    Citation read;
    if (!read_citation(citation, context, read) || read.kind != Citation::Kind::url) return false;
    if (read.is_nested) {
        json.json(citation);
        return true;
    }
    json.open_object();
    json.member_string("type", "url_citation");
    json.key("url_citation");
    json.open_object();
    json.member_number("start_index", read.span ? part.begin + read.span->begin : part.begin);
    json.member_number("end_index", read.span ? part.begin + read.span->end : part.end);
    json.member("url", read.url);
    json.key("title");
    json.text(read.title);
    json.close_object();
    json.close_object();
    return true;
}

void write_usage(const Usage& usage, JsonOut& json) {
    json.key("usage");
    json.open_object();
    json.member_number("prompt_tokens", usage.input);
    json.member_number("completion_tokens", usage.output);
    json.member_number("total_tokens", std::max(usage.total, usage.input + usage.output));
    json.key("prompt_tokens_details");
    json.open_object();
    json.member_number("cached_tokens", usage.cached_input);
    json.member_number("audio_tokens", usage.audio_input);
    if (usage.cache_write > 0) json.member_number("cache_write_tokens", usage.cache_write);
    json.close_object();
    json.key("completion_tokens_details");
    json.open_object();
    json.member_number("reasoning_tokens", usage.reasoning);
    json.member_number("audio_tokens", usage.audio_output);
    json.close_object();
    json.close_object();
}

void write_error_value(const ErrorAnswer& error, JsonOut& json) {
    // A word of another protocol's ("INVALID_ARGUMENT", "ThrottlingException") says more as the code.
    const bool is_type = error.type.ends_with("_error");
    const Text code = has(error.code) || is_type || error.type.empty() ? error.code : error.type;
    json.open_object();
    json.key("message");
    json.text(error.message);
    json.key("type");
    if (is_type) {
        json.text(error.type);
    } else {
        json.string(type_of_status(error.status));
    }
    json.key("param");
    has(error.param) ? json.text(error.param) : json.null();
    json.key("code");
    has(code) ? json.text(code) : json.null();
    json.close_object();
}

}  // namespace loom::llm::openai_chat
