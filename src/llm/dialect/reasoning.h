// How much a model may think: OpenAI's words, and the tokens of Anthropic's and Gemini's budgets. The one table
// between.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "chat.h"

namespace loom::llm {

struct EffortRow {
    Reasoning::Effort effort;
    std::string_view name;  // in a request, in lower case
    int64_t budget_tokens;  // that stands for it
    int64_t budget_max;     // the largest budget that is still this effort
};

/// Budgets low, medium and high are those of Google's own OpenAI endpoint; xhigh is the most that a Gemini Pro takes,
/// and max, a word of OpenAI's and Anthropic's that no budget stands for, asks for no more where tokens are told.
/// The bounds between two rows keep the meaning of the budgets that Claude Code is known to send: "think" is 4000,
/// "think hard" 10000, "ultrathink" 31999.
inline constexpr std::array<EffortRow, 7> effort_rows = {{
    {Reasoning::Effort::none, "none", 0, 0},
    {Reasoning::Effort::minimal, "minimal", 512, 767},
    {Reasoning::Effort::low, "low", 1024, 4095},
    {Reasoning::Effort::medium, "medium", 8192, 16383},
    {Reasoning::Effort::high, "high", 24576, 31999},
    {Reasoning::Effort::xhigh, "xhigh", 32768, INT64_MAX},
    {Reasoning::Effort::max, "max", 32768, INT64_MAX},
}};

/// budget_tokens  0: none. Below 0 (as much as the model likes) is medium, which OpenAI's models take unasked: with no
///                word at all some of them would not think.
[[nodiscard]] constexpr Reasoning::Effort effort_of_budget(int64_t budget_tokens) noexcept {
    if (budget_tokens < 0) return Reasoning::Effort::medium;
    for (const EffortRow& row : effort_rows)
        if (budget_tokens <= row.budget_max) return row.effort;
    return Reasoning::Effort::xhigh;
}

/// A writer fits it to its own side's range. Of `unset`: 0.
[[nodiscard]] constexpr int64_t budget_of_effort(Reasoning::Effort effort) noexcept {
    for (const EffortRow& row : effort_rows)
        if (row.effort == effort) return row.budget_tokens;
    return 0;
}

/// "none" … "max"; empty for unset.
[[nodiscard]] constexpr std::string_view effort_name(Reasoning::Effort effort) noexcept {
    for (const EffortRow& row : effort_rows)
        if (row.effort == effort) return row.name;
    return {};
}

/// unset for a word that is none of them.
[[nodiscard]] constexpr Reasoning::Effort effort_named(std::string_view name) noexcept {
    for (const EffortRow& row : effort_rows)
        if (row.name == name) return row.effort;
    return Reasoning::Effort::unset;
}

/// What the request asks for, in the one unit and in the other, whichever it was told in. Unset where it says neither.
[[nodiscard]] constexpr Reasoning::Effort effort_of(const Reasoning& reasoning) noexcept {
    if (reasoning.effort != Reasoning::Effort::unset) return reasoning.effort;
    return reasoning.budget_tokens ? effort_of_budget(*reasoning.budget_tokens) : Reasoning::Effort::unset;
}
[[nodiscard]] constexpr std::optional<int64_t> budget_of(const Reasoning& reasoning) noexcept {
    if (reasoning.budget_tokens) return reasoning.budget_tokens;
    if (reasoning.effort == Reasoning::Effort::unset) return std::nullopt;
    return budget_of_effort(reasoning.effort);
}

}  // namespace loom::llm
