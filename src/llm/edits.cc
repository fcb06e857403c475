#include "loom/llm/edits.h"

#include <algorithm>

namespace loom::llm {

bool Edits::replace(Range range, std::string_view replacement) noexcept {
    if (count_ == count_max) return false;
    uint32_t at = count_;
    // An insert stands before a replacement at its place, and behind an earlier insert there.
    const auto goes_before = [&](Range other) {
        return range.offset != other.offset ? range.offset < other.offset : range.length < other.length;
    };
    while (at > 0 && goes_before(edits_[at - 1].range)) --at;
    if (at > 0) LOOM_ASSERT(edits_[at - 1].range.end() <= range.offset);
    if (at < count_) LOOM_ASSERT(range.end() <= edits_[at].range.offset);
    std::move_backward(edits_.begin() + at, edits_.begin() + count_, edits_.begin() + count_ + 1);
    edits_[at] = {range, replacement};
    count_ += 1;
    return true;
}

uint64_t Edits::output_bytes(uint64_t original_bytes) const noexcept {
    uint64_t bytes = original_bytes;
    for (uint32_t i = 0; i < count_; ++i) bytes += edits_[i].replacement.size() - edits_[i].range.length;
    return bytes;
}

void rename_model(Edits& edits, const Request& request, std::string_view quoted_name) noexcept {
    LOOM_ASSERT(quoted_name.size() >= 2 && quoted_name.front() == '"' && quoted_name.back() == '"');
    LOOM_ASSERT(!request.model_range.absent());
    LOOM_ASSERT(edits.replace(request.model_range, quoted_name));
}

void drop_model(Edits& edits, const Request& request) noexcept {
    LOOM_ASSERT(!request.model_member.absent());
    LOOM_ASSERT(edits.replace(request.model_member, {}));
}

void put_anthropic_version(Edits& edits, const Request& request, std::string_view version) noexcept {
    const Range said = request.anthropic_version_range;
    bool placed = false;
    if (said.absent()) {
        const uint32_t at = request.object_insert_offset;
        LOOM_ASSERT(!request.object_empty);  // Anthropic's requests have messages
        placed = edits.insert(at, R"("anthropic_version":")") && edits.insert(at, version) && edits.insert(at, R"(",)");
    } else {
        placed = edits.insert(said.offset, "\"") && edits.replace(said, version) && edits.insert(said.end(), "\"");
    }
    LOOM_ASSERT(placed);
}

bool ask_for_usage(Edits& edits, const Request& request) noexcept {
    if (!request.stream || request.include_usage) return false;
    bool placed = false;
    if (!request.has_stream_options && request.stream_options_range.absent()) {
        placed = edits.insert(request.object_insert_offset, request.object_empty
                                                                ? R"("stream_options":{"include_usage":true})"
                                                                : R"("stream_options":{"include_usage":true},)");
    } else if (!request.has_stream_options || request.stream_options_empty) {
        placed = edits.replace(request.stream_options_range, R"({"include_usage":true})");
    } else if (request.include_usage_range.absent()) {
        placed = edits.insert(request.stream_options_range.offset + 1, R"("include_usage":true,)");
    } else {
        placed = edits.replace(request.include_usage_range, "true");
    }
    LOOM_ASSERT(placed);
    return true;
}

std::string_view output_bound_name(Endpoint endpoint, bool max_tokens_only) noexcept {
    switch (endpoint) {
        case Endpoint::chat_completions: return max_tokens_only ? "max_tokens" : "max_completion_tokens";
        case Endpoint::responses: return "max_output_tokens";
        case Endpoint::generate_content:
        case Endpoint::stream_generate_content: return "maxOutputTokens";
        default: return "max_tokens";
    }
}

void cap_output(Edits& edits, const Request& request, Endpoint endpoint, std::string_view body,
                const OutputCap& cap) noexcept {
    bool placed = true, is_bounded = false;
    for (const OutputBound& bound : request.output_bounds) {
        if (bound.range.absent()) continue;
        is_bounded |= bound.value != 0;
        if (bound.value > cap.tokens) placed = placed && edits.replace(bound.range, cap.number);
    }
    LOOM_ASSERT(placed);
    if (is_bounded) return;
    for (const OutputBound& bound : request.output_bounds) {  // `null` bounds nothing
        if (bound.range.absent()) continue;
        placed = edits.replace(bound.range, cap.number);
        LOOM_ASSERT(placed);
        return;
    }
    const bool is_gemini = endpoint == Endpoint::generate_content || endpoint == Endpoint::stream_generate_content;
    const Range& config = request.generation_config_range;
    if (is_gemini && !config.absent() && body[config.offset] == '{') {
        const bool is_empty = body[body.find_first_not_of(" \t\r\n", config.offset + 1)] == '}';
        placed = edits.insert(config.offset + 1, is_empty ? cap.member : cap.members_comma);
    } else if (is_gemini && !config.absent()) {
        placed = edits.replace(config, cap.in_an_object.substr(cap.in_an_object.find(':') + 1));
    } else if (is_gemini) {
        placed = edits.insert(request.object_insert_offset,
                              request.object_empty ? cap.in_an_object : cap.in_an_object_comma);
    } else {
        placed = edits.insert(request.object_insert_offset, request.object_empty ? cap.member : cap.members_comma);
    }
    LOOM_ASSERT(placed);
}

}  // namespace loom::llm
