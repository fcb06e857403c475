#include "openai_responses.h"

#include "loom/llm/error.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

/// {"error":{"message":…,"type":…,"param":…,"code":…}}, or those fields themselves.
struct ErrorReader {
    Cursor& cursor;
    ErrorAnswer& error;

    bool read() {
        return cursor.peek() == '{' && cursor.each_member([this](Range key) {
            const std::string_view name = name_of(cursor, key);
            if (name != "error") return member(name);
            if (cursor.peek() == '"') return take_text(cursor, error.message);
            if (cursor.peek() != '{') return cursor.skip_value();
            return cursor.each_member([this](Range nested) { return member(name_of(cursor, nested)); });
        });
    }
    bool member(std::string_view name) {
        if (name == "message") return take_text(cursor, error.message);
        if (name == "type") return take_text(cursor, error.type);
        if (name == "param") return take_text(cursor, error.param);
        if (name != "code" || !cursor.is_number())
            return name == "code" ? take_text(cursor, error.code) : cursor.skip_value();
        return take_json(cursor, error.code);
    }
};

class OpenaiResponses final : public Dialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const override {
        return responses::read_request(body, context, request);
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override {
        return responses::write_request(request, context, out);
    }
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return responses::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const override {
        responses::write_answer(answer, context, out);
    }

    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        constexpr size_t message_bytes_max = 512;
        Tokens tokens;
        Fault fault;
        ErrorAnswer read{.status = error.status};
        if (context.structure.index(body, Structure::Utf8::passed, tokens, fault)) {
            Cursor cursor(body, tokens);
            if (ErrorReader{cursor, read}.read() && has(read.message)) {
                error = read;
                return;
            }
        }
        error.message = escaped(body.substr(0, utf8_cut(body, message_bytes_max)), context.arena);
    }
    void write_error(const ErrorAnswer& error, Context&, ByteBuffer& out) const override {
        const auto word = [](JsonOut& json, std::string_view name, Text text) {
            if (has(text)) return json.member(name, text);
            json.member_null(name);
        };
        JsonOut json(out);
        json.open_object();
        json.key("error");
        json.open_object();
        json.member("message", has(error.message) ? error.message : Text(""));
        json.member("type", has(error.type) ? error.type : error_type_of(error.status));
        word(json, "param", error.param);
        word(json, "code", error.code);
        json.close_object();
        json.close_object();
    }

    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return responses::make_decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return responses::make_encoder(); }
};

}  // namespace

const Dialect& openai_responses_dialect() {
    static const OpenaiResponses dialect;
    return dialect;
}

}  // namespace loom::llm
