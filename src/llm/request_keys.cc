#include "request_keys.h"

#include <array>
#include <initializer_list>

#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

#define LOOM_KEY(name, type) \
    KeyFacts { #name, #name, "'" #name "' stands twice (or once in disguise)", "'" #name "' must be " type }

constexpr std::array key_facts{
    LOOM_KEY(model, "a string"),
    LOOM_KEY(stream, "true or false"),
    LOOM_KEY(stream_options, "an object"),
    LOOM_KEY(messages, "an array of objects"),
    LOOM_KEY(prompt, "a string, an array of strings or of tokens"),
    LOOM_KEY(input, "a string or an array"),
    LOOM_KEY(max_tokens, "a whole number, 0 or above"),
    LOOM_KEY(max_completion_tokens, "a whole number, 0 or above"),
    LOOM_KEY(max_output_tokens, "a whole number, 0 or above"),
    LOOM_KEY(n, "a whole number, 1 or above"),
    LOOM_KEY(user, "a string"),
    LOOM_KEY(tools, "an array"),
    LOOM_KEY(functions, "an array"),
    LOOM_KEY(tool_choice, "a string or an object"),
    LOOM_KEY(system, "a string or an array"),
    LOOM_KEY(instructions, "a string or an array"),
    LOOM_KEY(anthropic_version, "a string"),
    LOOM_KEY(previous_response_id, "a string"),
    LOOM_KEY(conversation, "a string or an object"),
    LOOM_KEY(include_usage, "true or false"),
};
#undef LOOM_KEY
static_assert(key_facts.size() == static_cast<size_t>(Key::other));

constexpr size_t name_bytes_max = 21;  // max_completion_tokens

/// The one or two keys of a size: most members of a request are told apart by their size alone.
Key exact_key(std::string_view name) noexcept {
    const auto either = [&](std::initializer_list<Key> keys) {
        for (const Key key : keys) {
            if (name == key_facts[static_cast<size_t>(key)].name) return key;
        }
        return Key::other;
    };
    switch (name.size()) {
        case 1: return either({Key::n});
        case 4: return either({Key::user});
        case 5: return either({Key::model, Key::input, Key::tools});
        case 6: return either({Key::stream, Key::prompt, Key::system});
        case 8: return either({Key::messages});
        case 9: return either({Key::functions});
        case 10: return either({Key::max_tokens});
        case 11: return either({Key::tool_choice});
        case 12: return either({Key::instructions, Key::conversation});
        case 13: return either({Key::include_usage});
        case 14: return either({Key::stream_options});
        case 17: return either({Key::max_output_tokens, Key::anthropic_version});
        case 20: return either({Key::previous_response_id});
        case 21: return either({Key::max_completion_tokens});
        default: return Key::other;
    }
}

bool is_plain(std::string_view raw) noexcept {
    for (const char c : raw) {
        if (c == '\\' || (c >= 'A' && c <= 'Z') || static_cast<uint8_t>(c) >= 0x80) return false;
    }
    return true;
}

/// As Go's encoding/json folds a key, the most lenient of the parsers we know.
size_t fold(char* text, size_t size) noexcept {
    size_t out = 0;
    for (size_t at = 0; at < size; ++at) {
        const std::string_view rest(text + at, size - at);
        if (rest.starts_with("\u017f")) {
            text[out++] = 's';
            at += 1;
        } else if (rest.starts_with("\u212a")) {
            text[out++] = 'k';
            at += 2;
        } else {
            const char c = text[at];
            text[out++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        }
    }
    return out;
}

}  // namespace

const KeyFacts& facts_of(Key key) noexcept { return key_facts[static_cast<size_t>(key)]; }

Key key_of(std::string_view raw, bool& disguised) noexcept {
    disguised = false;
    const Key key = exact_key(raw);
    if (key != Key::other || is_plain(raw)) return key;
    std::array<char, 6 * name_bytes_max> folded;  // every byte of the name may be spelled \u00XX
    if (raw.size() > folded.size()) return Key::other;
    const size_t size = unescape(raw, folded.data());
    if (size == bad_text) return Key::other;
    disguised = true;
    return exact_key({folded.data(), fold(folded.data(), size)});
}

}  // namespace loom::llm
