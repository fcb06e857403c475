#include "openai_completions.h"

#include <span>

namespace loom::llm {

namespace completions {

namespace {

class RequestReader {
  public:
    RequestReader(Context& context, std::string_view body, Tokens tokens, ChatRequest& request)
        : context_(context), arena_(context.arena), cursor_(body, tokens), request_(request) {}

    Result<void> read() {
        bool good = cursor_.peek() == '{' || refuse("", "the body must be a JSON object");
        good = good && cursor_.each_member([this](Range key) { return member(name_of(cursor_, key)); });
        good = good && (cursor_.at_end() || refuse("", "something stands behind the document"));
        good = good && (!request_.messages.empty() || refuse("prompt", "prompt is missing"));
        if (good) {
            context_.error_param = "";
            return {};
        }
        context_.error_offset = cursor_.fault().offset;
        return fail(code_, Side::downstream, cursor_.fault().what);
    }

  private:
    struct Field {
        std::string_view name;
        bool (RequestReader::*read)();
    };
    static std::span<const Field> fields();

    bool refuse(const char* param, const char* what) {
        context_.error_param = param;
        return cursor_.fail_here(what);
    }
    bool unsupported(const char* param, const char* what) {
        code_ = Errc::unsupported;
        return refuse(param, what);
    }

    bool member(std::string_view name) {
        if (cursor_.is_null()) return cursor_.skip_value();
        for (const Field& field : fields()) {
            if (field.name != name) continue;
            context_.error_param = field.name.data();
            return (this->*field.read)();
        }
        return lose(name);
    }
    bool lose(std::string_view name) {
        Json value;
        if (!take_json(cursor_, value)) return false;
        if (value != "false" && value != "[]" && value != "{}" && value != "\"\"") context_.losses.add(name);
        return true;
    }

    bool prompt() {
        if (cursor_.peek() == '"') return take_prompt();
        if (cursor_.peek() != '[') return refuse("prompt", "prompt must be a string");
        constexpr const char* what = "this provider takes one prompt of text: send one request for each, and no tokens";
        uint32_t count = 0;
        return cursor_.each_element([&] {
            if (cursor_.peek() != '"' || count++ > 0) return unsupported("prompt", what);
            return take_prompt();
        });
    }
    bool take_prompt() {
        Part part;
        if (!take_text(cursor_, part.text)) return false;
        request_.messages.add(arena_, {.role = Role::user}).parts.add(arena_, part);
        return true;
    }

    bool word(Text& text) {
        if (cursor_.peek() != '"') return refuse(context_.error_param, "a string is expected");
        return take_text(cursor_, text);
    }
    bool number(Json& number) {
        if (!cursor_.is_number()) return refuse(context_.error_param, "a number is expected");
        return take_json(cursor_, number);
    }
    bool count(uint64_t& count, uint64_t count_max) {
        if (!cursor_.take_count(count) || count > count_max)
            return refuse(context_.error_param, "a whole number within this field's range is expected");
        return true;
    }

    bool model() { return word(request_.model); }
    bool user() { return word(request_.user); }
    bool temperature() { return number(request_.temperature); }
    bool top_p() { return number(request_.top_p); }
    bool seed() { return number(request_.seed); }
    bool presence_penalty() { return number(request_.presence_penalty); }
    bool frequency_penalty() { return number(request_.frequency_penalty); }
    bool logit_bias() { return take_json(cursor_, request_.logit_bias); }
    /// Unsaid, it is not the 16 tokens of legacy models: those that chat spend more on a greeting.
    bool max_tokens() { return count(request_.max_tokens, UINT64_MAX); }
    bool n() {
        constexpr uint64_t n_max = 128;
        uint64_t value = 1;
        if (!count(value, n_max)) return false;
        request_.n = value == 0 ? 1 : static_cast<uint32_t>(value);
        return true;
    }
    bool stop() {
        if (cursor_.peek() == '"') return take_stop();
        if (cursor_.peek() != '[') return refuse("stop", "stop must be a string or a list of strings");
        return cursor_.each_element([this] {
            return cursor_.peek() == '"' ? take_stop() : refuse("stop", "stop must be a string or a list of strings");
        });
    }
    bool take_stop() {
        Text text;
        if (!take_text(cursor_, text)) return false;
        request_.stop.add(arena_, text);
        return true;
    }
    bool stream() {
        std::optional<bool> flag;
        if (!take_flag(cursor_, flag)) return false;
        request_.stream = flag.value_or(false);
        return true;
    }
    bool stream_options() {
        if (cursor_.peek() != '{') return refuse("stream_options", "stream_options must be an object");
        return cursor_.each_member([this](Range key) {
            std::optional<bool> flag;
            if (name_of(cursor_, key) != "include_usage") return lose("stream_options");
            if (!take_flag(cursor_, flag)) return false;
            request_.include_usage = flag.value_or(false);
            return true;
        });
    }
    /// With it the answer goes on to a text that chat cannot be told of.
    bool suffix() {
        Text text;
        if (!word(text)) return false;
        return text.empty() || unsupported("suffix", "this provider cannot fill in before a suffix: leave it out");
    }
    bool best_of() {
        uint64_t value = 1;
        if (!count(value, UINT64_MAX)) return false;
        if (value > request_.n) context_.losses.add("best_of");
        return true;
    }
    bool echo() { return lose("echo"); }
    bool logprobs() { return lose("logprobs"); }  // their shape is another than chat's

    Context& context_;
    Arena& arena_;
    Cursor cursor_;
    ChatRequest& request_;
    Errc code_ = Errc::bad_message;
};

std::span<const RequestReader::Field> RequestReader::fields() {
    static constexpr Field table[] = {
        {"model", &RequestReader::model},
        {"prompt", &RequestReader::prompt},
        {"max_tokens", &RequestReader::max_tokens},
        {"temperature", &RequestReader::temperature},
        {"top_p", &RequestReader::top_p},
        {"n", &RequestReader::n},
        {"stream", &RequestReader::stream},
        {"stream_options", &RequestReader::stream_options},
        {"logprobs", &RequestReader::logprobs},
        {"echo", &RequestReader::echo},
        {"stop", &RequestReader::stop},
        {"presence_penalty", &RequestReader::presence_penalty},
        {"frequency_penalty", &RequestReader::frequency_penalty},
        {"best_of", &RequestReader::best_of},
        {"logit_bias", &RequestReader::logit_bias},
        {"user", &RequestReader::user},
        {"seed", &RequestReader::seed},
        {"suffix", &RequestReader::suffix},
    };
    return table;
}

}  // namespace

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::checked, tokens, fault)) {
        context.error_offset = fault.offset;
        return fail(Errc::bad_message, Side::downstream, fault.what);
    }
    return RequestReader(context, body, tokens, request).read();
}

}  // namespace completions

namespace {

/// Of a provider that nobody configures: it understands nothing.
class NoDecoder final : public StreamDecoder {
  public:
    bool read(std::string_view, std::string_view, Context&, DeltaSink&) override { return false; }
    bool read_end(Context&, DeltaSink&) override { return false; }
};

class OpenaiCompletions final : public Dialect {
  public:
    Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) const override {
        return completions::read_request(body, context, request);
    }
    Result<void> write_request(const ChatRequest&, Context&, ByteBuffer&) const override {
        return fail(Errc::unsupported, Side::downstream, "no provider is spoken to in legacy completions");
    }
    Result<void> read_answer(std::string_view, Context&, ChatAnswer&) const override {
        return fail(Errc::unsupported, Side::upstream, "no provider is spoken to in legacy completions");
    }
    void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) const override {
        completions::write_answer(answer, context, out);
    }
    // Errors are those of OpenAI's other protocols.
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        openai_responses_dialect().read_error(body, context, error);
    }
    void write_error(const ErrorAnswer& error, Context& context, ByteBuffer& out) const override {
        openai_responses_dialect().write_error(error, context, out);
    }
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return std::make_unique<NoDecoder>(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return completions::make_encoder(); }
};

}  // namespace

const Dialect& openai_completions_dialect() {
    static const OpenaiCompletions dialect;
    return dialect;
}

}  // namespace loom::llm
