#include <algorithm>
#include <charconv>

#include "gemini.h"
#include "reasoning.h"

namespace loom::llm::gemini {

namespace {

using Effort = Reasoning::Effort;
using Kind = ThinkingFamily::Kind;

/// From https://ai.google.dev/gemini-api/docs/thinking: Gemini 2.5 takes a budget of tokens, what came after it a
/// level. What nobody knows yet is taken for the newest.
constexpr std::array<ThinkingFamily, 10> families = {{
    {"gemini-1.", Kind::no_thinking, 0, 0, true, false, false},
    {"gemini-2.0", Kind::no_thinking, 0, 0, true, false, false},
    {"gemma", Kind::no_thinking, 0, 0, true, false, false},
    {"gemini-2.5-flash-image", Kind::no_thinking, 0, 0, true, false, false},
    {"gemini-2.5-flash-lite", Kind::budget, 512, 24576, true, false, false},
    {"gemini-2.5-flash", Kind::budget, 1, 24576, true, false, false},
    {"gemini-2.5", Kind::budget, 128, 32768, false, false, false},
    {"gemini-3-pro", Kind::level, 0, 0, false, false, false},
    {"-pro", Kind::level, 0, 0, false, false, true},
    {"", Kind::level, 0, 0, false, true, true},
}};

std::string_view level_of(Effort effort, const ThinkingFamily& family) noexcept {
    switch (effort) {
        case Effort::none:
        case Effort::minimal: return family.minimal ? "MINIMAL" : "LOW";
        case Effort::low: return "LOW";
        case Effort::medium: return family.medium ? "MEDIUM" : "HIGH";
        default: return "HIGH";
    }
}

/// Within the family's range; a budget that the client gave in tokens and that is not kept is a loss.
int64_t budget_within(const Reasoning& reasoning, const ThinkingFamily& family, Context& context) {
    const int64_t asked = *budget_of(reasoning);
    if (asked < 0) return -1;
    if (asked == 0 && family.may_be_off) return 0;
    const int64_t budget = std::clamp(asked, family.budget_min, family.budget_max);
    const bool in_words = !reasoning.budget_tokens;
    if (budget != asked && (!in_words || asked == 0))
        context.losses.add(in_words ? "reasoning_effort" : "budget_tokens");
    return budget;
}

void write_level(const Reasoning& reasoning, const ThinkingFamily& family, Context& context, JsonOut& json) {
    if (reasoning.effort == Effort::unset && *reasoning.budget_tokens < 0) return;  // as much as it likes: its default
    const Effort effort = effort_of(reasoning);
    const std::string_view level = level_of(effort, family);
    // "none" goes on thinking, if little; what is above "high" is as high as it goes
    const bool kept = effort != Effort::none && effort <= Effort::high && (effort != Effort::medium || family.medium);
    if (!kept) context.losses.add("reasoning_effort");
    json.member_string("thinkingLevel", level);
}

void write_budget(int64_t budget, JsonOut& json) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, budget).ptr;
    json.member_json("thinkingBudget", {digits, static_cast<size_t>(end - digits)});
}

}  // namespace

const ThinkingFamily& thinking_family(std::string_view model) noexcept {
    return *std::ranges::find_if(families, [model](const ThinkingFamily& row) { return model.contains(row.part); });
}

void write_thinking(const ChatRequest& request, Context& context, JsonOut& json) {
    const Reasoning& reasoning = request.reasoning;
    const ThinkingFamily& family = thinking_family(context.terms.model);
    const std::optional<int64_t> asked = budget_of(reasoning);
    if (!asked && !reasoning.include_thoughts) return;
    if (family.kind == Kind::no_thinking) {
        if (asked && *asked != 0) context.losses.add("reasoning_effort");
        return;
    }
    json.key("thinkingConfig");
    json.open_object();
    if (asked && family.kind == Kind::budget) write_budget(budget_within(reasoning, family, context), json);
    if (asked && family.kind == Kind::level) write_level(reasoning, family, context, json);
    // Whoever asks for thinking is shown it, as by other providers that have it.
    const bool shown = reasoning.include_thoughts.value_or(asked && *asked != 0);
    if (shown) json.member_boolean("includeThoughts", true);
    json.close_object();
}

}  // namespace loom::llm::gemini
