#include "loom/llm/last_turn.h"

#include "skim.h"

namespace loom::llm {
namespace {

/// Which words the protocol has for what.
struct Words {
    std::string_view content;    // of a turn
    std::string_view part_type;  // of a part that is a text; "": parts have no type
    bool role_is_said;           // a turn without one is not the user's
    bool has_bare_text;          // the input itself may be a string
};

bool words_of(Endpoint endpoint, Words& words) noexcept {
    switch (endpoint) {
        case Endpoint::chat_completions:
        case Endpoint::messages: words = {"content", "text", true, false}; return true;
        case Endpoint::responses: words = {"content", "input_text", true, true}; return true;
        case Endpoint::generate_content:
        case Endpoint::stream_generate_content: words = {"parts", "", false, false}; return true;
        default: return false;
    }
}

/// One string of its name, and what may stand beside it: marks for a provider's cache, which say nothing.
bool read_part(Skim& skim, const Words& words, Range& text) noexcept {
    bool is_text = words.part_type.empty();
    if (!skim.take('{')) return false;
    do {
        Range name, value;
        if (!skim.take_string(name) || !skim.take(':')) return false;
        const std::string_view said = skim.inside(name);
        if (said == "text") {
            if (!text.absent() || !skim.take_string(text)) return false;
        } else if (said == "type") {
            if (!skim.take_string(value) || skim.inside(value) != words.part_type) return false;
            is_text = true;
        } else if (said != "cache_control" || !skim.skip_value()) {
            return false;
        }
    } while (skim.take(','));
    return skim.take('}') && is_text && !text.absent();
}

bool read_content(Skim& skim, const Words& words, Range& text) noexcept {
    if (!text.absent()) return false;  // it stands twice
    if (skim.peek() == '"') return !words.part_type.empty() && skim.take_string(text);
    return skim.take('[') && read_part(skim, words, text) && skim.take(']');
}

/// A turn of the user's, of one text.
bool read_turn(Skim& skim, const Words& words, Range& text) noexcept {
    bool has_role = false;
    if (!skim.take('{')) return false;
    do {
        Range name, value;
        if (!skim.take_string(name) || !skim.take(':')) return false;
        const std::string_view said = skim.inside(name);
        if (said == "role") {
            if (has_role || !skim.take_string(value) || skim.inside(value) != "user") return false;
            has_role = true;
        } else if (said == words.content) {
            if (!read_content(skim, words, text)) return false;
        } else if (said == "type") {
            if (!skim.take_string(value) || skim.inside(value) != "message") return false;
        } else if (said != "name" || !skim.skip_value()) {
            return false;
        }
    } while (skim.take(','));
    return skim.take('}') && (has_role || !words.role_is_said) && !text.absent();
}

}  // namespace

Range lone_last_text(Endpoint endpoint, std::string_view document, Range turns) noexcept {
    Words words;
    Range text;
    if (turns.absent() || !words_of(endpoint, words)) return {};
    Skim skim(document, turns);
    if (skim.peek() == '"') return words.has_bare_text && skim.take_string(text) ? text : Range{};
    if (!skim.take('[')) return {};
    uint32_t last = 0;
    do {
        (void)skim.peek();
        last = skim.offset();
        if (!skim.skip_value()) return {};
    } while (skim.take(','));
    if (!skim.take(']')) return {};
    skim.go_to(last);
    return read_turn(skim, words, text) ? text : Range{};
}

}  // namespace loom::llm
