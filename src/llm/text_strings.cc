#include "loom/llm/text_strings.h"

#include <algorithm>

namespace loom::llm {

namespace {

/// Sorted. Of OpenAI's chat, completions and Responses, Anthropic's messages, Gemini's contents, and their kin.
constexpr std::string_view names_left_out[] = {
    "anthropic_version",
    "b64_json",
    "cache_control",
    "call_id",
    "container",
    "conversation",
    "data",
    "detail",
    "encoding_format",
    "encrypted_content",
    "file_data",
    "file_id",
    "fileUri",
    "file_uri",
    "format",
    "id",
    "image_url",
    "include",
    "input_audio",
    "media_type",
    "mimeType",
    "mime_type",
    "modalities",
    "model",
    "name",
    "object",
    "output_config",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning_effort",
    "role",
    "safety_identifier",
    "service_tier",
    "signature",
    "status",
    "thoughtSignature",
    "thought_signature",
    "tool_call_id",
    "tool_choice",
    "tool_use_id",
    "type",
    "url",
    "user",
    "voice",
};

/// Whose value, where it is an object, is what a tool is given or gives: its members are the tool's own.
constexpr std::string_view free_forms[] = {"args", "arguments", "input", "output", "response"};

bool is_free_form(std::string_view name) noexcept {
    return std::ranges::find(free_forms, name) != std::end(free_forms);
}

bool is_left_out(std::string_view name) noexcept {
    return std::ranges::find(names_left_out, name) != std::end(names_left_out);
}

}  // namespace

/// at_ is behind the quote; afterwards behind the one that closes.
Range TextStrings::take_string() noexcept {
    const size_t begin = at_;
    for (;;) {
        at_ = std::min(text_.find('"', at_), text_.size());
        size_t slashes = 0;
        while (at_ - slashes > begin && text_[at_ - slashes - 1] == '\\') slashes += 1;
        if (slashes % 2 == 0 || at_ == text_.size()) break;
        at_ += 1;
    }
    const Range inside{static_cast<uint32_t>(begin), static_cast<uint32_t>(at_ - begin)};
    at_ = std::min(at_ + 1, text_.size());
    return inside;
}

void TextStrings::open(char bracket) noexcept {
    if (depth_ == depth_max) return;  // no reader takes such a document
    const Level& outer = levels_[depth_];
    const bool skips = outer.skips || outer.skips_all;
    const bool free = outer.is_free || (outer.opens_free && bracket == '{' && !skips);
    levels_[++depth_] = {
        .in_array = bracket == '[', .skips = skips && bracket == '[', .skips_all = skips, .is_free = free};
}

bool TextStrings::is_name() noexcept {
    const size_t next = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    return !levels_[depth_].in_array && next < text_.size() && text_[next] == ':';
}

std::optional<Range> TextStrings::next() noexcept {
    while (at_ < text_.size()) {
        const char c = text_[at_++];
        if (c == '{' || c == '[') {
            open(c);
        } else if (c == '}' || c == ']') {
            if (depth_ > 0) depth_ -= 1;
        } else if (c == '"') {
            const Range string = take_string();
            Level& level = levels_[depth_];
            if (is_name()) {
                const std::string_view name = text_of(text_, string);
                level.skips = !level.is_free && is_left_out(name);
                level.opens_free = is_free_form(name);
            } else if (!level.skips && !level.skips_all && !string.absent())
                return string;
        }
    }
    return std::nullopt;
}

}  // namespace loom::llm
