#include "loom/llm/role_names.h"

#include <algorithm>
#include <iterator>

namespace loom::llm {

namespace {

struct Row {
    std::string_view name;
    TextRole role;
};

constexpr Row member_rows[] = {{"system", TextRole::system},
                               {"systemInstruction", TextRole::system},
                               {"system_instruction", TextRole::system},
                               {"instructions", TextRole::system},
                               {"preamble", TextRole::system},
                               {"prompt", TextRole::user},
                               {"input", TextRole::user},
                               {"contents", TextRole::user},
                               {"message", TextRole::user},
                               {"inputs", TextRole::user},
                               {"texts", TextRole::user}};

constexpr Row role_rows[] = {{"user", TextRole::user},           {"system", TextRole::system},
                             {"developer", TextRole::developer}, {"assistant", TextRole::assistant},
                             {"model", TextRole::assistant},     {"chatbot", TextRole::assistant},
                             {"tool", TextRole::tool},           {"function", TextRole::tool}};

constexpr std::string_view turn_members[] = {"messages", "contents", "input", "chat_history"};

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

TextRole role_named(std::string_view name) noexcept {
    for (const Row& row : role_rows)
        if (std::ranges::equal(row.name, name, {}, {}, lower)) return row.role;
    return TextRole::other;
}

TextRole role_of_member(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(member_rows, name, &Row::name);
    return found != std::end(member_rows) ? found->role : TextRole::other;
}

bool holds_turns(std::string_view member) noexcept {
    return std::ranges::find(turn_members, member) != std::end(turn_members);
}

}  // namespace loom::llm
