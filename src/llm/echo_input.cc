// A second, unhurried walk over the body: the echo model wants the text itself.
#include "echo_state.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class InputWalk {
  public:
    InputWalk(Endpoint endpoint, std::string_view body, Tokens tokens, EchoInput& input)
        : endpoint_(endpoint), cursor_(body, tokens), input_(input) {}

    bool run() {
        return cursor_.each_member([&](Range key) {
            const std::string_view name = inside(cursor_.text(), key);
            if (name == "messages" || name == "prompt" || name == "input" || name == "system") return read_texts();
            if (endpoint_ != Endpoint::embeddings || cursor_.is_null()) return cursor_.skip_value();
            if (name == "dimensions") return read_dimensions();
            if (name == "encoding_format") return read_format();
            return cursor_.skip_value();
        });
    }

  private:
    /// Any nesting of arrays, messages, parts and strings.
    bool read_texts() {
        if (cursor_.peek() == '"') return take_text();
        if (cursor_.peek() == '{') {
            return cursor_.each_member([&](Range key) {
                const std::string_view name = inside(cursor_.text(), key);
                return name == "content" || name == "text" ? read_texts() : cursor_.skip_value();
            });
        }
        if (cursor_.peek() != '[') return cursor_.skip_value();
        const uint32_t begin = cursor_.offset();
        uint64_t numbers = 0;
        const bool good = cursor_.each_element([&] {
            numbers += cursor_.is_number();
            return read_texts();
        });
        if (!good || numbers == 0) return good;
        input_.words += numbers;
        input_.texts.emplace_back(cursor_.text().substr(begin, cursor_.last_end() - begin));
        return true;
    }

    bool take_text() {
        std::string& text = input_.texts.emplace_back();
        const std::string_view raw = inside(cursor_.text(), cursor_.take_string());
        if (!unescape(raw, text)) text = raw;
        input_.words += count_words(text);
        return true;
    }

    bool read_dimensions() {
        const bool good = cursor_.take_count(input_.dimensions) && input_.dimensions >= 1 &&
                          input_.dimensions <= EchoAnswer::dimensions_max;
        if (!good) input_.bad_param = "dimensions";
        return good;
    }

    bool read_format() {
        const std::string_view format = cursor_.peek() == '"' ? inside(cursor_.text(), cursor_.take_string()) : "";
        input_.base64 = format == "base64";
        if (format == "float" || format == "base64") return true;
        input_.bad_param = "encoding_format";
        return false;
    }

    Endpoint endpoint_;
    Cursor cursor_;
    EchoInput& input_;
};

}  // namespace

EchoInput read_echo_input(Endpoint endpoint, std::string_view body) {
    EchoInput input;
    Structure structure;
    Tokens tokens;
    Fault fault;
    if (structure.index(body, Structure::Utf8::passed, tokens, fault)) {
        // What else may fail was refused by the RequestReader.
        (void)InputWalk(endpoint, body, tokens, input).run();
    }
    return input;
}

std::vector<std::string_view> split_words(std::string_view text) {
    std::vector<std::string_view> words;
    size_t at = 0;
    while (at < text.size()) {
        const size_t begin = at;
        while (at < text.size() && is_space(text[at])) ++at;
        while (at < text.size() && !is_space(text[at])) ++at;
        words.push_back(text.substr(begin, at - begin));
    }
    return words;
}

uint64_t count_words(std::string_view text) noexcept {
    uint64_t words = 0;
    bool inside_word = false;
    for (const char c : text) {
        words += !is_space(c) && !inside_word;
        inside_word = !is_space(c);
    }
    return words;
}

}  // namespace loom::llm
