#include <algorithm>

#include "gemini.h"
#include "loom/llm/error.h"
#include "loom/llm/json_text.h"

namespace loom::llm::gemini {

namespace {

struct StatusRow {
    int status;
    std::string_view word;
};
/// google.rpc.Code, as https://cloud.google.com/apis/design/errors#handling_errors maps it; the first of a status or of
/// a word is the one that stands for it.
constexpr std::array<StatusRow, 17> status_rows = {{{400, "INVALID_ARGUMENT"},
                                                    {400, "FAILED_PRECONDITION"},
                                                    {400, "OUT_OF_RANGE"},
                                                    {401, "UNAUTHENTICATED"},
                                                    {403, "PERMISSION_DENIED"},
                                                    {404, "NOT_FOUND"},
                                                    {409, "ABORTED"},
                                                    {409, "ALREADY_EXISTS"},
                                                    {429, "RESOURCE_EXHAUSTED"},
                                                    {499, "CANCELLED"},
                                                    {500, "INTERNAL"},
                                                    {500, "UNKNOWN"},
                                                    {501, "UNIMPLEMENTED"},
                                                    {503, "UNAVAILABLE"},
                                                    {529, "UNAVAILABLE"},
                                                    {504, "DEADLINE_EXCEEDED"},
                                                    {408, "DEADLINE_EXCEEDED"}}};

std::string_view word_of(int status) noexcept {
    const auto* const row = std::ranges::find(status_rows, status, &StatusRow::status);
    if (row != status_rows.end()) return row->word;
    return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
}

/// An error inside a stream has no status: its type, in whoever's words, tells.
int status_of(Text type) noexcept {
    constexpr std::array<StatusRow, 11> words = {{{400, error_type::invalid_request},
                                                  {401, error_type::authentication},
                                                  {403, error_type::permission},
                                                  {404, error_type::not_found},
                                                  {429, error_type::rate_limit},
                                                  {500, error_type::server},
                                                  {500, error_type::api},
                                                  {402, "billing_error"},
                                                  {429, "insufficient_quota"},
                                                  {503, "overloaded_error"},
                                                  {504, "timeout_error"}}};
    const auto* const known = std::ranges::find(words, type, &StatusRow::word);
    if (known != words.end()) return known->status;
    const auto* const own = std::ranges::find(status_rows, type, &StatusRow::word);
    return own != status_rows.end() ? own->status : 500;
}

/// details[].reason says more than the status does: a bad key is INVALID_ARGUMENT with API_KEY_INVALID.
bool read_details(Cursor& cursor, ErrorAnswer& error) {
    return each_item(cursor, [&] {
        return each_field(cursor, [&](const FieldName& field) {
            return field == "reason" && !has(error.code) ? take_text(cursor, error.code) : cursor.skip_value();
        });
    });
}

bool read_error_document(Cursor& cursor, ErrorAnswer& error, bool& found) {
    const auto object = [&] {
        return each_field(cursor, [&](const FieldName& field) {
            if (field != "error" || cursor.peek() != '{') return cursor.skip_value();
            found = true;
            return read_error_object(cursor, error);
        });
    };
    return each_item(cursor, object);  // streams without alt=sse have it in an array
}

}  // namespace

bool read_error_object(Cursor& cursor, ErrorAnswer& error) {
    std::optional<int64_t> code;
    const bool good = each_field(cursor, [&](const FieldName& field) {
        if (field == "code") return take_integer(cursor, code);
        if (field == "message") return take_text(cursor, error.message);
        if (field == "status") return take_text(cursor, error.type);
        return field == "details" ? read_details(cursor, error) : cursor.skip_value();
    });
    if (error.status == 0 && code && *code >= 400 && *code < 600) error.status = static_cast<int>(*code);
    return good;
}

void read_error(std::string_view body, Context& context, ErrorAnswer& error) {
    constexpr size_t message_bytes_max = 512;
    ErrorAnswer read = error;
    Tokens tokens;
    Fault fault;
    bool found = false;
    if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        Cursor cursor(body, tokens);
        if (read_error_document(cursor, read, found) && cursor.at_end() && found) error = read;
    }
    if (!has(error.message)) error.message = escaped(body.substr(0, utf8_cut(body, message_bytes_max)), context.arena);
    if (!has(error.type) && error.status != 0) error.type = word_of(error.status);
}

void write_error(const ErrorAnswer& error, Context&, ByteBuffer& out) {
    const int status = error.status != 0 ? error.status : status_of(error.type);
    JsonOut json(out);
    json.open_object();
    json.key("error");
    json.open_object();
    json.member_number("code", static_cast<uint64_t>(status));
    json.key("message");
    json.text(has(error.message) ? error.message : "");
    json.member_string("status", word_of(status));
    if (has(error.param) && !error.param.empty()) {
        json.key("details");
        json.open_array();
        json.open_object();
        json.member_string("@type", "type.googleapis.com/google.rpc.BadRequest");
        json.key("fieldViolations");
        json.open_array();
        json.open_object();
        json.member("field", error.param);
        json.close_object();
        json.close_array();
        json.close_object();
        json.close_array();
    }
    json.close_object();
    json.close_object();
}

}  // namespace loom::llm::gemini
