#include "openai_responses.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "loom/llm/json_text.h"

namespace loom::llm::responses {

namespace {

bool says_nothing(Json value) noexcept {
    return value == "null" || value == "false" || value == "[]" || value == "{}" || value == "\"\"";
}

bool is_plain(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// Pieces one behind the other, in the arena.
template <class... Pieces>
Text concat(Arena& arena, Pieces... pieces) {
    char* const room = arena.take((std::string_view(pieces).size() + ...));
    char* end = room;
    ((end = std::ranges::copy(std::string_view(pieces), end).out), ...);
    return {room, static_cast<size_t>(end - room)};
}

/// Walks a small document; on_root stands at its first token. False when it is not well formed.
template <class OnRoot>
bool walk(std::string_view document, Structure& structure, OnRoot&& on_root) {
    Tokens tokens;
    Fault fault;
    if (!structure.index(document, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(document, tokens);
    return on_root(cursor) && cursor.at_end();
}

}  // namespace

bool Reading::lose(std::string_view prefix, std::string_view name) {
    Range range;
    if (!cursor.skip_value(range)) return false;
    if (is_answer) return true;
    if (!says_nothing(text_of(cursor.text(), range))) context.losses.add(concat(context.arena, prefix, name));
    return true;
}

bool Reading::take(Text& text, const char* param) {
    if (cursor.is_null()) return cursor.skip_value();
    if (cursor.peek() != '"') return refuse(param, "a string is expected");
    return take_text(cursor, text);
}

bool Reading::take_number(Json& number, const char* param) {
    if (cursor.is_null()) return cursor.skip_value();
    if (!cursor.is_number()) return refuse(param, "a number is expected");
    return take_json(cursor, number);
}

Text wrapped_input(Text input, Arena& arena) {
    return concat(arena, R"({\"input\":\")", escaped(input, arena), R"(\"})");
}

Text unwrapped_input(const Part& call, Context& context) {
    const Json arguments = has(call.arguments) ? call.arguments : Json(plain(call.arguments_text, context.arena));
    Text input;
    uint32_t members = 0;
    const bool good = walk(arguments, context.nested, [&](Cursor& cursor) {
        return cursor.peek() == '{' && cursor.each_member([&](Range key) {
            members += 1;
            return name_of(cursor, key) == "input" ? take_text(cursor, input) : cursor.skip_value();
        });
    });
    if (good && members == 1 && has(input)) return input;
    return has(call.arguments_text) ? call.arguments_text : escaped(arguments, context.arena);
}

Json chat_logprobs(Json array, Arena& arena) { return concat(arena, R"({"content":)", array, R"(,"refusal":null})"); }

Json logprobs_array(Json chat, Context& context) {
    Json array;
    const bool good = walk(chat, context.nested, [&](Cursor& cursor) {
        if (cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range key) {
            const bool wanted = name_of(cursor, key) == "content" && cursor.peek() == '[';
            return wanted ? take_json(cursor, array) : cursor.skip_value();
        });
    });
    return good ? array : Json();
}

Json annotation_of(Json citation, uint64_t text_size, Context& context) {
    Citation read;
    if (!read_citation(citation, context, read)) return {};
    constexpr std::string_view known[] = {"url_citation", "file_citation", "container_file_citation", "file_path"};
    const bool is_own = std::ranges::find(known, read.type) != std::end(known);
    if (is_own && !read.is_nested && (read.type != "url_citation" || read.span)) return citation;
    const Text title = has(read.title) ? read.title : Text("");
    if (read.kind == Citation::Kind::url)
        return url_annotation(read.url, title, read.span.value_or(Span{0, text_size}), context.arena);
    if (read.kind != Citation::Kind::document || !has(read.file_id)) return {};
    return concat(context.arena, R"({"type":"file_citation","file_id":")", read.file_id, R"(","filename":")", title,
                  R"(","index":)", has(read.index) ? read.index : Json("0"), "}");
}

void write_annotations(JsonOut& json, const Part& part, Context& context) {
    json.open_array();
    if (has(part.citations)) {
        const uint64_t text_size = code_points(part.text);
        for (const Json citation : citations_in(part.citations, context)) {
            const Json annotation = annotation_of(citation, text_size, context);
            if (has(annotation)) json.json(annotation);
            if (!has(annotation)) context.losses.add("citations");
        }
    }
    json.close_array();
}

void write_usage(JsonOut& json, const Usage& usage) {
    if (usage.provenance == Usage::Provenance::none) return json.null();
    json.open_object();
    json.member_number("input_tokens", usage.input);
    json.key("input_tokens_details");
    json.open_object();
    json.member_number("cached_tokens", usage.cached_input);
    json.member_number("cache_write_tokens", usage.cache_write);
    json.close_object();
    json.member_number("output_tokens", usage.output);
    json.key("output_tokens_details");
    json.open_object();
    json.member_number("reasoning_tokens", usage.reasoning);
    json.close_object();
    json.member_number("total_tokens", usage.total != 0 ? usage.total : usage.input + usage.output);
    json.close_object();
}

ItemId::ItemId(std::string_view kind, Text response_id, uint64_t index) noexcept {
    const auto add = [this](std::string_view piece) {
        size += piece.copy(bytes + size, std::min(piece.size(), sizeof bytes - size));
    };
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, index).ptr;
    constexpr size_t tail_bytes_max = 32;  // the end of an id is what differs
    if (response_id.starts_with("resp_")) response_id.remove_prefix(5);
    if (response_id.size() > tail_bytes_max) response_id.remove_prefix(response_id.size() - tail_bytes_max);
    add(kind);
    add("_");
    // Escapes and characters of several bytes would not survive the cut; ids have none of them.
    for (const char c : response_id) add({is_plain(c) ? &c : "_", 1});
    add("_");
    add({digits, static_cast<size_t>(end - digits)});
}

ItemId::ItemId(Text own) noexcept : size(own.copy(bytes, sizeof bytes)) {}

std::optional<EventPlace> place_of(std::string_view data, Context& context) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return std::nullopt;
    Cursor cursor(data, tokens);
    EventPlace place;
    const auto read_item = [&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, place.item_type);
        return name == "id" && !has(place.item_id) ? take_text(cursor, place.item_id) : cursor.skip_value();
    };
    const bool good = cursor.peek() == '{' && cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "sequence_number") return cursor.take_count(place.sequence_number) || cursor.skip_value();
        if (name == "output_index") return cursor.take_count(place.output_index) || cursor.skip_value();
        if (name == "content_index" || name == "summary_index")
            return cursor.take_count(place.part_index) || cursor.skip_value();
        if (name == "type") return take_text(cursor, place.type);
        if (name == "item_id") return take_text(cursor, place.item_id);
        if (name == "item" && cursor.peek() == '{') return cursor.each_member(read_item);
        return cursor.skip_value();
    });
    return good ? std::optional(place) : std::nullopt;
}

Text response_id(Text id, Context& context) {
    constexpr size_t id_bytes_max = 128;
    if (!has(id) || id.empty() || id.size() > id_bytes_max) id = escaped(context.terms.fallback_id, context.arena);
    return id.starts_with("resp_") ? id : concat(context.arena, "resp_", id);
}

Outcome outcome_of(FinishReason reason, bool has_refusal) noexcept {
    switch (reason) {
        case FinishReason::length: return {"incomplete", "max_output_tokens"};
        case FinishReason::content_filter: return {"incomplete", "content_filter"};
        // A refusal that is told as one is a whole answer; one without a word is the filter's.
        case FinishReason::refusal:
            return has_refusal ? Outcome{"completed", {}} : Outcome{"incomplete", "content_filter"};
        case FinishReason::error: return {"failed", {}};
        default: return {"completed", {}};
    }
}

namespace {

/// What a response says of its request, in the order of the API's reference, and its word where the request had none.
struct Repeated {
    std::string_view name;
    Json otherwise;
};
constexpr Repeated repeated_fields[] = {
    {"background", "false"},
    {"instructions", "null"},
    {"max_output_tokens", "null"},
    {"max_tool_calls", "null"},
    {"metadata", "{}"},
    {"parallel_tool_calls", "true"},
    {"previous_response_id", "null"},
    {"prompt_cache_key", "null"},
    {"reasoning", R"({"effort":null,"summary":null})"},
    {"safety_identifier", "null"},
    {"store", "false"},
    {"temperature", "null"},
    {"text", R"({"format":{"type":"text"}})"},
    {"tool_choice", "\"auto\""},
    {"tools", "[]"},
    {"top_logprobs", "0"},
    {"top_p", "null"},
    {"truncation", "\"disabled\""},
    {"user", "null"},
};

std::string_view error_code(const ErrorAnswer& error) noexcept {
    if (has(error.code) && !error.code.empty()) return error.code;
    const bool is_limit = error.status == 429 || error.type == "rate_limit_error";
    return is_limit ? "rate_limit_exceeded" : "server_error";
}

void write_failure(JsonOut& json, const ErrorAnswer* error) {
    if (error == nullptr) return json.null();
    json.open_object();
    json.member("code", error_code(*error));
    json.member("message", has(error->message) ? error->message : Text(""));
    json.close_object();
}

void write_incomplete(JsonOut& json, std::string_view reason) {
    if (reason.empty()) return json.null();
    json.open_object();
    json.member("reason", reason);
    json.close_object();
}

}  // namespace

void open_envelope(JsonOut& json, const Envelope& envelope, Context& context) {
    json.open_object();
    json.member("id", envelope.id);
    json.member("object", "response");
    json.member_number("created_at", envelope.created);
    json.member("status", envelope.status);
    json.key("error");
    write_failure(json, envelope.error);
    json.key("incomplete_details");
    write_incomplete(json, envelope.incomplete_reason);
    json.member_string("model", context.terms.client_model);
    json.key("output");
}

void close_envelope(JsonOut& json, const Envelope& envelope, Context& context) {
    for (const Repeated& field : repeated_fields) {
        const Json repeated = context.memo != nullptr ? context.memo->repeated(field.name) : Json();
        json.member_json(field.name, has(repeated) ? repeated : field.otherwise);
    }
    json.member("service_tier", envelope.service_tier);
    json.key("usage");
    if (envelope.usage == nullptr) {
        json.null();
    } else {
        write_usage(json, *envelope.usage);
    }
    json.close_object();
}

}  // namespace loom::llm::responses
