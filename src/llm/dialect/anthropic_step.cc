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

}  // namespace loom::llm::anthropic
