#include <algorithm>

#include "anthropic.h"
#include "json_out.h"
#include "loom/llm/json_text.h"

namespace loom::llm::anthropic {

namespace {

constexpr size_t raw_message_bytes_max = 512;

struct ErrorRow {
    int status;
    std::string_view type;
};

/// Source  https://platform.claude.com/docs/en/api/errors; conflict_error: the SDK's ErrorType.
constexpr ErrorRow error_rows[] = {
    {400, "invalid_request_error"}, {401, "authentication_error"}, {402, "billing_error"},
    {403, "permission_error"},      {404, "not_found_error"},      {409, "conflict_error"},
    {413, "request_too_large"},     {429, "rate_limit_error"},     {500, "api_error"},
    {504, "timeout_error"},         {529, "overloaded_error"},
};

/// Words of other protocols for the same, where no status says it.
struct Synonym {
    std::string_view word;
    std::string_view type;
};
constexpr Synonym synonyms[] = {
    {"insufficient_quota", "billing_error"},
    {"rate_limit_exceeded", "rate_limit_error"},
    {"RESOURCE_EXHAUSTED", "rate_limit_error"},
    {"throttlingException", "rate_limit_error"},
    {"UNAVAILABLE", "overloaded_error"},
    {"serviceUnavailableException", "overloaded_error"},
    {"INVALID_ARGUMENT", "invalid_request_error"},
    {"validationException", "invalid_request_error"},
    {"DEADLINE_EXCEEDED", "timeout_error"},
    {"PERMISSION_DENIED", "permission_error"},
    {"NOT_FOUND", "not_found_error"},
    {"UNAUTHENTICATED", "authentication_error"},
};

bool read_error_member(Cursor& cursor, ErrorAnswer& error) {
    if (cursor.peek() == '"') return take_text(cursor, error.message);
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "message") return take_text(cursor, error.message);
        if (name == "type") return take_text(cursor, error.type);
        if (name == "error_code") return take_text(cursor, error.code);
        if (name != "details" || cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range inner) {
            return name_of(cursor, inner) == "error_code" ? take_text(cursor, error.code) : cursor.skip_value();
        });
    });
}

}  // namespace

std::string_view error_type_of(int status, Text type) noexcept {
    for (const ErrorRow& row : error_rows)
        if (row.status == status) return row.type;
    for (const ErrorRow& row : error_rows)
        if (row.type == type) return row.type;
    for (const Synonym& synonym : synonyms)
        if (synonym.word == type) return synonym.type;
    if (status == 408) return "timeout_error";
    if (status == 503) return "overloaded_error";
    return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
}

bool read_error_document(Cursor& cursor, ErrorAnswer& error) {
    if (cursor.peek() != '{') return false;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "error") return read_error_member(cursor, error);
        return name == "message" ? take_text(cursor, error.message) : cursor.skip_value();
    });
    return good && cursor.at_end() && has(error.message);
}

void read_error(std::string_view body, Context& context, ErrorAnswer& error) {
    Tokens tokens;
    Fault fault;
    ErrorAnswer read{.status = error.status};
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        Cursor cursor(body, tokens);
        if (read_error_document(cursor, read)) {
            error = read;
            return;
        }
    }
    const std::string_view front = body.substr(0, utf8_cut(body, std::min(body.size(), raw_message_bytes_max)));
    error.message = escaped(front, context.arena);
}

void write_error_document(const ErrorAnswer& error, ByteBuffer& out) {
    const std::string_view type = error_type_of(error.status, error.type);
    JsonOut json(out);
    json.open_object();
    json.member("type", "error");
    json.key("error");
    json.open_object();
    json.member("type", type);
    json.member("message", error.message.empty() ? type : error.message);
    json.close_object();
    json.close_object();
}

void write_error(const ErrorAnswer& error, Context&, ByteBuffer& out) { write_error_document(error, out); }

}  // namespace loom::llm::anthropic
