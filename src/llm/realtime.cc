#include "loom/llm/realtime.h"

#include <algorithm>
#include <array>

#include "loom/llm/models.h"
#include "structure.h"
#include "usage_object.h"

namespace loom::llm {
namespace {

constexpr std::string_view response_done = "response.done";
constexpr std::string_view transcribed = "conversation.item.input_audio_transcription.completed";

bool reports_usage(std::string_view type) noexcept { return type == response_done || type == transcribed; }

void skip_space(std::string_view& text) noexcept {
    const size_t at = text.find_first_not_of(" \t\r\n");
    text.remove_prefix(std::min(at, text.size()));
}

bool skip(std::string_view& text, char c) noexcept {
    skip_space(text);
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

/// A string without escapes.
bool take_plain(std::string_view& text, std::string_view& inside) noexcept {
    if (!skip(text, '"')) return false;
    const size_t end = text.find_first_of("\"\\");
    if (end == text.npos || text[end] == '\\') return false;
    inside = text.substr(0, end);
    text.remove_prefix(end + 1);
    return true;
}

/// The usage at the cursor, of an event or of its response.
bool read_usage_member(Cursor& cursor, Range key, Usage& usage, bool& found) {
    if (inside(cursor.text(), key) != "usage" || cursor.peek() != '{') return cursor.skip_value();
    return read_usage_object(cursor, usage, found);
}

}  // namespace

RealtimeQuery read_realtime_query(std::string_view query) {
    RealtimeQuery out;
    bool model_seen = false;
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
        const std::string_view name = parameter.substr(0, parameter.find('='));
        const std::string_view value = parameter.substr(std::min(name.size() + 1, parameter.size()));
        if (name == "model" || name == "deployment") {  // as Azure's clients call it
            std::string decoded;
            if (!decode_path_id(value, decoded)) out.malformed = "the model's name in the query is not well encoded";
            // Two readers could take two of them.
            if (std::exchange(model_seen, true) && decoded != out.model) out.malformed = "the query names two models";
            out.model = std::move(decoded);
        }
        if (name == "intent") {
            if (value != "transcription") out.malformed = "the query's 'intent' is not 'transcription'";
            out.transcribes = true;
        }
        out.attaches |= name == "call_id";
    }
    return out;
}

RealtimeInterest realtime_interest(std::string_view front) noexcept {
    if (!skip(front, '{')) return RealtimeInterest::unknown;
    do {
        std::string_view key, value;
        if (!take_plain(front, key) || !skip(front, ':') || !take_plain(front, value)) break;
        if (key == "type") return reports_usage(value) ? RealtimeInterest::usage : RealtimeInterest::none;
    } while (skip(front, ','));
    return RealtimeInterest::unknown;
}

RealtimeReader::RealtimeReader() : structure_(std::make_unique<Structure>()) {}
RealtimeReader::~RealtimeReader() = default;

bool RealtimeReader::read(std::string_view event, Usage& sum) {
    Tokens tokens;
    Fault fault;
    if (!structure_->index(event, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(event, tokens);
    std::string_view type;
    Usage usage;
    bool found = false;
    const bool good = cursor.peek() == '{' && cursor.each_member([&](Range key) {
        const std::string_view name = inside(event, key);
        if (name == "type" && cursor.peek() == '"') {
            type = inside(event, cursor.take_string());
            return true;
        }
        if (name != "response" || cursor.peek() != '{') return read_usage_member(cursor, key, usage, found);
        return cursor.each_member([&](Range inner) { return read_usage_member(cursor, inner, usage, found); });
    });
    const bool reports = good && cursor.at_end() && found && reports_usage(type);
    if (reports) add_usage(sum, usage);
    structure_->trim();
    return reports;
}

void add_usage(Usage& sum, const Usage& more) noexcept {
    for (const auto count :
         {&Usage::input, &Usage::output, &Usage::cached_input, &Usage::cache_write, &Usage::cache_write_1h,
          &Usage::audio_input, &Usage::reasoning, &Usage::audio_output, &Usage::total})
        sum.*count += more.*count;
    if (more.provenance != Usage::Provenance::none) sum.provenance = more.provenance;
}

}  // namespace loom::llm
