#include "anthropic_model.h"

#include <algorithm>

namespace loom::llm::anthropic {

namespace {

using Thinking = Model::Thinking;
using Sampling = Model::Sampling;

struct Row {
    std::string_view part;  // of a model's name
    Model model;
};

constexpr Model always_thinking{
    .thinking = Thinking::adaptive, .sampling = Sampling::none, .thinks_always = true, .xhigh = true};
constexpr Model adaptive{.thinking = Thinking::adaptive, .sampling = Sampling::none, .xhigh = true};
constexpr Model either{.thinking = Thinking::either, .sampling = Sampling::one};
constexpr Model budget{.thinking = Thinking::budget, .sampling = Sampling::one};
constexpr Model budget_before_formats{.thinking = Thinking::budget, .formats = false};
constexpr Model without_thinking{.thinking = Thinking::none, .formats = false};

constexpr Model with_system_turns(Model model) {
    model.system_turns = true;
    return model;
}
constexpr Model without_forced_tools(Model model) {
    model.forced_tools = false;
    return model;
}
constexpr Model with_between_tools(Model model) {
    model.between_tools = true;
    return model;
}

/// The first that fits counts: what is longer stands before what it begins with.
/// Source  anthropics/skills, claude-api/references/thinking-effort.md and mid-conversation-system-messages.md;
///         @ai-sdk/anthropic 3.0.138, getModelCapabilities; platform.claude.com, structured outputs.
constexpr Row rows[] = {
    {"sonnet-5-5", with_between_tools(without_forced_tools(always_thinking))},
    {"opus-5-5", with_system_turns(without_forced_tools(always_thinking))},
    {"haiku-5-5", adaptive},
    {"opus-5", with_system_turns(adaptive)},
    {"sonnet-5", adaptive},
    {"fable-5-1", with_system_turns(without_forced_tools(always_thinking))},
    {"fable-5", with_system_turns(always_thinking)},
    {"mythos-5", with_system_turns(always_thinking)},
    {"mythos", always_thinking},
    {"opus-4-8", with_system_turns(adaptive)},
    {"opus-4-7", adaptive},
    {"opus-4-6", either},
    {"sonnet-4-6", either},
    {"opus-4-5", budget},
    {"sonnet-4-5", budget},
    {"haiku-4-5", budget},
    {"opus-4-1", budget},
    {"opus-4", budget_before_formats},
    {"sonnet-4", budget_before_formats},
    {"3-7-sonnet", budget_before_formats},
    {"claude-3", without_thinking},
    {"claude-2", without_thinking},
    {"claude-v2", without_thinking},
    {"claude-instant", without_thinking},
    {"claude", adaptive},
};
constexpr Model no_claude{};

/// OpenRouter and its like write "4.5" for "4-5".
bool same_letter(char of_name, char of_part) noexcept { return (of_name == '.' ? '-' : of_name) == of_part; }

}  // namespace

const Model& model_named(std::string_view name) noexcept {
    if (name.find("claude") == name.npos) return no_claude;
    for (const Row& row : rows)
        if (!std::ranges::search(name, row.part, same_letter).empty()) return row.model;
    return no_claude;
}

}  // namespace loom::llm::anthropic
