#include "loom/llm/role_texts.h"

#include "loom/llm/role_names.h"
#include "skim.h"

namespace loom::llm {

namespace {

constexpr uint32_t depth_max = 8;

/// Goes over the members of an object; on_member consumes the value. False where it is none.
template <class OnMember>
bool each_member(Skim& skim, OnMember&& on_member) {
    if (!skim.take('{')) return false;
    if (skim.take('}')) return true;
    do {
        Range name;
        if (!skim.take_string(name) || !skim.take(':') || !on_member(skim.inside(name))) return false;
    } while (skim.take(','));
    return skim.take('}');
}

template <class OnElement>
bool each_element(Skim& skim, OnElement&& on_element) {
    if (!skim.take('[')) return false;
    if (skim.take(']')) return true;
    do {
        if (!on_element()) return false;
    } while (skim.take(','));
    return skim.take(']');
}

/// A string, parts, or an object that has them.
bool tell_texts(Skim& skim, Speaker speaker, RoleTextSink& sink, uint32_t depth = 0) {
    if (depth == depth_max) return skim.skip_value();
    if (skim.peek() == '"') {
        Range text;
        if (!skim.take_string(text)) return false;
        return sink.on_text(speaker, skim.inside(text));
    }
    if (skim.peek() == '[') return each_element(skim, [&] { return tell_texts(skim, speaker, sink, depth + 1); });
    if (skim.peek() != '{') return skim.skip_value();
    return each_member(skim, [&](std::string_view name) {
        if (name == "text" || name == "content" || name == "parts" || name == "message")
            return tell_texts(skim, speaker, sink, depth + 1);
        return skim.skip_value();
    });
}

/// Nothing of what a model or a tool has said, and of what nobody knows who has.
bool speaker_of(TextRole role, Speaker& speaker) noexcept {
    const bool is_system = role == TextRole::system || role == TextRole::developer;
    speaker = is_system ? Speaker::system : Speaker::user;
    return is_system || role == TextRole::user;
}

/// Its role may stand behind what it says.
/// role  of one that says none.
bool tell_turn(Skim& skim, TextRole role, RoleTextSink& sink) {
    const uint32_t begin = skim.offset();
    const bool read = each_member(skim, [&](std::string_view name) {
        Range value;
        if (name != "role" || skim.peek() != '"') return skim.skip_value();
        if (!skim.take_string(value)) return false;
        role = role_named(skim.inside(value));
        return true;
    });
    Speaker speaker;
    if (!read || !speaker_of(role, speaker)) return read;
    skim.go_to(begin);
    return tell_texts(skim, speaker, sink);
}

/// Of Gemini alone, what has no role is the user's; elsewhere it is a call, a result or a reference.
bool tell_turns(Skim& skim, bool is_gemini, RoleTextSink& sink) {
    const TextRole by_default = is_gemini ? TextRole::user : TextRole::other;
    const auto tell_one = [&] {
        if (skim.peek() == '"') return tell_texts(skim, Speaker::user, sink);
        return skim.peek() == '{' ? tell_turn(skim, by_default, sink) : skim.skip_value();
    };
    return skim.peek() == '[' ? each_element(skim, tell_one) : tell_one();
}

}  // namespace

void tell_role_texts(std::string_view document, RoleTextSink& sink) {
    Skim skim(document, {0, static_cast<uint32_t>(document.size())});
    (void)each_member(skim, [&](std::string_view name) {
        if (holds_turns(name)) return tell_turns(skim, name == "contents", sink);
        Speaker speaker;
        return speaker_of(role_of_member(name), speaker) ? tell_texts(skim, speaker, sink) : skim.skip_value();
    });
}

}  // namespace loom::llm
