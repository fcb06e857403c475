#include <algorithm>

#include "gemini.h"

namespace loom::llm::gemini {

namespace {

struct Counts {
    uint64_t prompt = 0, candidates = 0, thoughts = 0, cached = 0, tool_prompt = 0, total = 0;
    uint64_t audio_input = 0, audio_output = 0;
};

bool take_count(Cursor& cursor, uint64_t& count) {
    std::optional<int64_t> value;
    if (!take_integer(cursor, value)) return false;
    count = value && *value > 0 ? static_cast<uint64_t>(*value) : 0;
    return true;
}

/// [{"modality":"AUDIO","tokenCount":12}]
bool add_audio(Cursor& cursor, uint64_t& audio) {
    return each_item(cursor, [&] {
        Text modality;
        uint64_t count = 0;
        const bool good = each_field(cursor, [&](const FieldName& field) {
            if (field == "modality") return take_text(cursor, modality);
            return field == "tokenCount" ? take_count(cursor, count) : cursor.skip_value();
        });
        if (good && modality == "AUDIO") audio += count;
        return good;
    });
}

Usage usage_of(const Counts& counts) noexcept {
    const uint64_t input = counts.prompt + counts.tool_prompt;
    uint64_t output = counts.candidates + counts.thoughts;
    // Some of Vertex' models count thoughts among the candidates' tokens: their total says so.
    if (counts.total > 0 && counts.total == input + counts.candidates) output = counts.candidates;
    // Tokens of the total that no count names are the model's: thoughts, before they had a field of their own.
    if (counts.total > input + output) output = counts.total - input;
    return {.input = input,
            .output = output,
            .cached_input = std::min(counts.cached, input),
            .audio_input = std::min(counts.audio_input, input),
            .reasoning = std::min(counts.thoughts, output),
            .audio_output = std::min(counts.audio_output, output),
            .total = input + output,
            .provenance = Usage::Provenance::reported};
}

void write_details(std::string_view name, uint64_t all, uint64_t audio, JsonOut& json) {
    if (audio == 0) return;
    const auto write = [&json](std::string_view modality, uint64_t count) {
        json.open_object();
        json.member_string("modality", modality);
        json.member_number("tokenCount", count);
        json.close_object();
    };
    json.key(name);
    json.open_array();
    if (all > audio) write("TEXT", all - audio);
    write("AUDIO", audio);
    json.close_array();
}

}  // namespace

bool read_usage(Cursor& cursor, Usage& usage) {
    if (cursor.peek() != '{') return cursor.skip_value();
    Counts counts;
    const bool good = each_field(cursor, [&](const FieldName& field) {
        if (field == "promptTokenCount") return take_count(cursor, counts.prompt);
        if (field == "candidatesTokenCount") return take_count(cursor, counts.candidates);
        if (field == "responseTokenCount") return take_count(cursor, counts.candidates);
        if (field == "thoughtsTokenCount") return take_count(cursor, counts.thoughts);
        if (field == "cachedContentTokenCount") return take_count(cursor, counts.cached);
        if (field == "toolUsePromptTokenCount") return take_count(cursor, counts.tool_prompt);
        if (field == "totalTokenCount") return take_count(cursor, counts.total);
        const bool of_prompt = field == "promptTokensDetails" || field == "toolUsePromptTokensDetails";
        if (of_prompt) return add_audio(cursor, counts.audio_input);
        return field == "candidatesTokensDetails" ? add_audio(cursor, counts.audio_output) : cursor.skip_value();
    });
    if (good) usage = usage_of(counts);
    return good;
}

bool find_usage(std::string_view end, Structure& structure, Usage& usage) {
    const size_t at = end.rfind(R"("usageMetadata")");  // raw: text of the model would have its quotes escaped
    if (at == end.npos || (at > 0 && end[at - 1] == '\\')) return false;
    const std::string_view tail = end.substr(at);
    Tokens tokens;
    Fault fault;
    if (!structure.index(tail, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(tail, tokens);
    Usage read;
    const bool good = cursor.members_until_end([&](Range key) {
        return name_of(cursor, key) == "usageMetadata" ? read_usage(cursor, read) : cursor.skip_value();
    });
    if (!good || !cursor.at_end() || read.provenance == Usage::Provenance::none) return false;
    usage = read;
    return true;
}

void write_usage(const Usage& usage, JsonOut& json) {
    if (usage.provenance == Usage::Provenance::none) return;
    const uint64_t shown = usage.output - std::min(usage.reasoning, usage.output);
    json.key("usageMetadata");
    json.open_object();
    json.member_number("promptTokenCount", usage.input);
    json.member_number("candidatesTokenCount", shown);
    json.member_number("totalTokenCount", std::max(usage.total, usage.input + usage.output));
    if (usage.cached_input > 0) json.member_number("cachedContentTokenCount", usage.cached_input);
    if (usage.reasoning > 0) json.member_number("thoughtsTokenCount", usage.output - shown);
    write_details("promptTokensDetails", usage.input, usage.audio_input, json);
    write_details("candidatesTokensDetails", shown, std::min(usage.audio_output, shown), json);
    json.close_object();
}

}  // namespace loom::llm::gemini
