#include "loom/llm/echo.h"

#include "echo_state.h"
#include "loom/base/assert.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

constexpr uint64_t inputs_max = 2048;               // of a batch, as OpenAI has it
constexpr size_t argument_bytes = 12;               // of one streamed piece of a call's arguments

std::string sentence(const Request& request) {
    std::string said;
    if (!unescape(request.last_user_text, said)) said = request.last_user_text;
    const bool cut = said.size() > EchoAnswer::repeated_bytes_max;
    if (cut) said.resize(utf8_cut(said, EchoAnswer::repeated_bytes_max));
    std::string text = "Hello! I am ";
    text.append(request.model).append(", the demo model inside Loom. ");
    if (said.empty()) return text + "Say something and I will repeat it.";
    return text + "You said: " + said + (cut ? "…" : "");
}

/// Where the pieces of a call's arguments end, none of them inside a UTF-8 sequence.
std::vector<std::string_view> split_arguments(std::string_view text) {
    std::vector<std::string_view> pieces;
    while (!text.empty()) {
        const size_t cut = utf8_cut(text, argument_bytes);
        pieces.push_back(text.substr(0, cut));
        text.remove_prefix(cut);
    }
    return pieces;
}

}  // namespace

struct EchoAnswer::State {
    Endpoint endpoint = Endpoint::unknown;
    std::string model, id;
    int64_t created = 0;
    uint32_t choices = 1;
    bool include_usage = false;
    std::string text;
    std::vector<std::string_view> pieces;  // of text
    std::vector<EchoCall> calls;
    bool cut = false;  // by max_tokens
    EchoInput input;
    Usage usage;
    const char* error_param = "";

    // The place in the stream: the next event is `step` of `choice`; behind the last choice come usage and [DONE].
    uint32_t choice = 0;
    size_t step = 0;
    bool usage_said = false, done = false;
    std::vector<std::pair<size_t, std::string_view>> argument_pieces;  // index of the call, its piece ("" begins it)

    bool is_chat() const { return endpoint == Endpoint::chat_completions; }
    std::string_view finish_reason() const { return !calls.empty() ? "tool_calls" : cut ? "length" : "stop"; }

    void compose(const Request& request);
    void write_call(size_t index, bool with_index, std::string_view arguments, std::string& out) const;
    void write_head(std::string_view object, std::string& out) const;
    void write_usage(std::string& out) const;
    void write_delta(std::string& out);
    void write_finish(std::string& out) const;
    void write_choice(uint32_t index, std::string& out) const;
    void write_embeddings(std::string& out) const;
    size_t delta_count() const;
};

EchoAnswer::EchoAnswer() = default;
EchoAnswer::~EchoAnswer() = default;
EchoAnswer::EchoAnswer(EchoAnswer&&) noexcept = default;
EchoAnswer& EchoAnswer::operator=(EchoAnswer&&) noexcept = default;

const Usage& EchoAnswer::usage() const noexcept { return state_->usage; }
const char* EchoAnswer::error_param() const noexcept { return state_->error_param; }

Result<void> EchoAnswer::start(Endpoint endpoint, const Request& request, std::string_view body, std::string_view id,
                               int64_t created) {
    state_ = std::make_unique<State>();
    State& s = *state_;
    const auto refuse = [&](const char* param, const char* what) {
        s.error_param = param;
        return fail(Errc::bad_message, Side::downstream, what);
    };
    const bool speaks = endpoint == Endpoint::chat_completions || endpoint == Endpoint::completions;
    if (!speaks && endpoint != Endpoint::embeddings) {
        return fail(Errc::unsupported, Side::downstream,
                    "the demo model answers chat, completions and embeddings only");
    }
    s.endpoint = endpoint;
    s.model = request.model;
    s.id = id;
    s.created = created;
    s.input = read_echo_input(endpoint, body);
    if (s.input.bad_param != nullptr) return refuse(s.input.bad_param, "a parameter is out of range");
    if (request.n > choices_max) return refuse("n", "'n' is above what the demo model answers");
    s.choices = request.n;
    s.include_usage = request.include_usage;
    if (s.is_chat() && !read_echo_calls(request, body, s.calls)) {
        return refuse("tool_choice", "'tool_choice' names a function that is not among the tools");
    }
    const uint64_t dimensions = s.input.dimensions != 0 ? s.input.dimensions : dimensions_default;
    s.input.dimensions = dimensions;
    if (endpoint == Endpoint::embeddings) {
        const uint64_t inputs = s.input.texts.size();
        const bool fits = inputs >= 1 && inputs <= inputs_max && inputs * dimensions <= EchoAnswer::batch_dimensions_max;
        if (!fits) return refuse("input", "'input' must hold 1 to 2048 texts, of 2^20 dimensions together at most");
    }
    s.compose(request);
    return {};
}

void EchoAnswer::State::compose(const Request& request) {
    usage = {.input = input.words, .provenance = Usage::Provenance::counted};
    uint64_t words = 0;
    if (!calls.empty()) {
        for (size_t i = 0; i < calls.size(); ++i) {
            words += count_words(calls[i].arguments);
            argument_pieces.emplace_back(i, "");
            for (const auto piece : split_arguments(calls[i].arguments)) argument_pieces.emplace_back(i, piece);
        }
    } else if (endpoint != Endpoint::embeddings) {
        text = sentence(request);
        pieces = split_words(text);
        cut = request.max_tokens != 0 && pieces.size() > request.max_tokens;
        if (cut) pieces.resize(request.max_tokens);
        words = pieces.size();
    }
    usage.output = words * choices;
    usage.total = usage.input + usage.output;
}

void EchoAnswer::State::write_head(std::string_view object, std::string& out) const {
    out.append(R"({"id":")").append(is_chat() ? "chatcmpl-" : "cmpl-");
    escape(id, out);
    out.append(R"(","object":")").append(object).append(R"(","created":)").append(std::to_string(created));
    out += R"(,"model":)";
    quote(model, out);
    out += R"(,"system_fingerprint":"fp_loom_echo","choices":[)";
}

void EchoAnswer::State::write_usage(std::string& out) const {
    out += R"({"prompt_tokens":)";
    append_number(out, usage.input);
    if (endpoint != Endpoint::embeddings) {
        out += R"(,"completion_tokens":)";
        append_number(out, usage.output);
    }
    out += R"(,"total_tokens":)";
    append_number(out, usage.total);
    out += '}';
}

/// arguments  what to put in, for a stream the next piece; the piece that begins a call ("") names it as well.
void EchoAnswer::State::write_call(size_t index, bool with_index, std::string_view arguments, std::string& out) const {
    out += '{';
    if (with_index) {
        out += R"("index":)";
        append_number(out, index);
        out += ',';
    }
    if (!with_index || arguments.empty()) {
        out += R"("id":"call_)";
        escape(id, out);
        out += '_';
        append_number(out, index);
        out += R"(","type":"function","function":{"name":)";
        quote(calls[index].name, out);
        out += ',';
    } else {
        out += R"("function":{)";
    }
    out += R"("arguments":)";
    quote(arguments, out);
    out += "}}";
}

/// Deltas of one choice: chat begins with the role, then words or pieces of arguments.
size_t EchoAnswer::State::delta_count() const {
    return is_chat() + (calls.empty() ? pieces.size() : argument_pieces.size());
}

void EchoAnswer::State::write_delta(std::string& out) {
    out += R"({"index":)";
    append_number(out, choice);
    const size_t piece = step - is_chat();
    if (!is_chat()) {
        out += R"(,"text":)";
        quote(pieces[piece], out);
    } else if (step == 0) {
        out.append(R"(,"delta":{"role":"assistant","content":)").append(calls.empty() ? R"("")" : "null");
        out += R"(,"refusal":null})";
    } else if (calls.empty()) {
        out += R"(,"delta":{"content":)";
        quote(pieces[piece], out);
        out += '}';
    } else {
        out += R"(,"delta":{"tool_calls":[)";
        write_call(argument_pieces[piece].first, true, argument_pieces[piece].second, out);
        out += "]}";
    }
    out += R"(,"logprobs":null,"finish_reason":null}])";
}

void EchoAnswer::State::write_finish(std::string& out) const {
    out += R"({"index":)";
    append_number(out, choice);
    out.append(is_chat() ? R"(,"delta":{})" : R"(,"text":"")");
    out.append(R"(,"logprobs":null,"finish_reason":")").append(finish_reason()).append(R"("}])");
}

bool EchoAnswer::next_event(std::string& out) {
    LOOM_ASSERT(state_ && state_->endpoint != Endpoint::embeddings);
    State& s = *state_;
    if (s.done) return false;
    out += "data: ";
    if (s.choice == s.choices && (!s.include_usage || s.usage_said)) {
        s.done = true;
        out += "[DONE]\n\n";
        return true;
    }
    s.write_head(s.is_chat() ? "chat.completion.chunk" : "text_completion", out);
    if (s.choice == s.choices) {
        s.usage_said = true;
        out += R"(],"usage":)";
        s.write_usage(out);
    } else {
        if (s.step < s.delta_count()) {
            s.write_delta(out);
            s.step += 1;
        } else {
            s.write_finish(out);
            s.choice += 1;
            s.step = 0;
        }
        if (s.include_usage) out += R"(,"usage":null)";
    }
    out += "}\n\n";
    return true;
}

void EchoAnswer::State::write_choice(uint32_t index, std::string& out) const {
    std::string said;
    for (const std::string_view piece : pieces) said += piece;
    out += R"({"index":)";
    append_number(out, index);
    if (!is_chat()) {
        out += R"(,"text":)";
        quote(said, out);
    } else {
        out += R"(,"message":{"role":"assistant","content":)";
        calls.empty() ? quote(said, out) : void(out += "null");
        out += R"(,"refusal":null)";
        for (size_t i = 0; i < calls.size(); ++i) {
            out += i == 0 ? R"(,"tool_calls":[)" : ",";
            write_call(i, false, calls[i].arguments, out);
        }
        out += calls.empty() ? "}" : "]}";
    }
    out.append(R"(,"logprobs":null,"finish_reason":")").append(finish_reason()).append(R"("})");
}

void EchoAnswer::State::write_embeddings(std::string& out) const {
    out += R"({"object":"list","data":[)";
    for (size_t i = 0; i < input.texts.size(); ++i) {
        if (i > 0) out += ',';
        out += R"({"object":"embedding","index":)";
        append_number(out, i);
        out += R"(,"embedding":)";
        write_echo_embedding(input.texts[i], input.dimensions, input.base64, out);
        out += '}';
    }
    out += R"(],"model":)";
    quote(model, out);
    out += R"(,"usage":)";
    write_usage(out);
    out += '}';
}

void EchoAnswer::whole(std::string& out) {
    LOOM_ASSERT(state_);
    const State& s = *state_;
    if (s.endpoint == Endpoint::embeddings) return s.write_embeddings(out);
    s.write_head(s.is_chat() ? "chat.completion" : "text_completion", out);
    for (uint32_t i = 0; i < s.choices; ++i) {
        if (i > 0) out += ',';
        s.write_choice(i, out);
    }
    out += R"(],"usage":)";
    s.write_usage(out);
    out += '}';
}

}  // namespace loom::llm
