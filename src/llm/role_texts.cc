#include "loom/llm/role_texts.h"

#include "skim.h"

namespace loom::llm {

namespace {

constexpr uint32_t depth_max = 8;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) noexcept {
    for (const std::string_view one : names)
        if (one == name) return true;
    return false;
}

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
        if (is_one_of(name, {"text", "content", "parts"})) return tell_texts(skim, speaker, sink, depth + 1);
        return skim.skip_value();
    });
}

/// Its role may stand behind what it says.
bool tell_turn(Skim& skim, bool user_by_default, RoleTextSink& sink) {
    if (skim.peek() == '"') return tell_texts(skim, Speaker::user, sink);  // a prompt without turns
    const uint32_t begin = skim.offset();
    std::string_view role = user_by_default ? "user" : "";
    const bool read = each_member(skim, [&](std::string_view name) {
        Range value;
        if (name != "role" || skim.peek() != '"') return skim.skip_value();
        if (!skim.take_string(value)) return false;
        role = skim.inside(value);
        return true;
    });
    const bool is_system = is_one_of(role, {"system", "developer"});
    if (!read || (!is_system && role != "user")) return read;
    skim.go_to(begin);
    return tell_texts(skim, is_system ? Speaker::system : Speaker::user, sink);
}

}  // namespace

void tell_role_texts(std::string_view document, RoleTextSink& sink) {
    Skim skim(document, {0, static_cast<uint32_t>(document.size())});
    (void)each_member(skim, [&](std::string_view name) {
        if (is_one_of(name, {"system", "instructions", "systemInstruction", "system_instruction"}))
            return tell_texts(skim, Speaker::system, sink);
        const bool is_gemini = name == "contents";
        if (!is_gemini && !is_one_of(name, {"messages", "input", "prompt"})) return skim.skip_value();
        if (skim.peek() == '"') return tell_texts(skim, Speaker::user, sink);
        if (skim.peek() == '{') return tell_turn(skim, is_gemini, sink);
        if (skim.peek() != '[') return skim.skip_value();
        return each_element(skim, [&] {
            const char c = skim.peek();
            return c == '{' || c == '"' ? tell_turn(skim, is_gemini, sink) : skim.skip_value();
        });
    });
}

}  // namespace loom::llm
