#include <algorithm>
#include <array>

#include "anthropic.h"

namespace loom::llm::anthropic {
namespace {

/// What stands behind `"index":`, which no text can hold unescaped; empty where there is none.
std::string_view index_of(std::string_view event) noexcept {
    constexpr std::string_view name = "\"index\":";
    size_t begin = event.rfind(name);
    if (begin == event.npos) return {};
    begin = event.find_first_not_of(' ', begin + name.size());
    const size_t end = begin == event.npos ? begin : event.find_first_not_of("0123456789", begin);
    return begin == event.npos ? std::string_view() : event.substr(begin, end - begin);
}

}  // namespace

bool is_in_step(std::string_view event, std::string_view data, std::string_view made) noexcept {
    if (event == "content_block_start") {
        static constexpr std::array<std::string_view, 3> known = {R"("type":"text")", R"("type":"thinking")",
                                                                  R"("type":"redacted_thinking")"};
        return std::ranges::any_of(known, [&](std::string_view kind) { return data.find(kind) != data.npos; });
    }
    return event != "content_block_delta" || made.empty() || index_of(data) == index_of(made);
}

std::optional<EventPlace> place_of(std::string_view data, Context& context) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(data, Structure::Utf8::passed, tokens, fault)) return std::nullopt;
    Cursor cursor(data, tokens);
    EventPlace place;
    const bool good = cursor.peek() == '{' && cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "type") return take_text(cursor, place.type);
        if (name == "index") return cursor.take_count(place.index) || cursor.skip_value();
        if (name != "content_block" || cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range inner) {
            return name_of(cursor, inner) == "type" ? take_text(cursor, place.block_type) : cursor.skip_value();
        });
    });
    return good ? std::optional(place) : std::nullopt;
}

}  // namespace loom::llm::anthropic
