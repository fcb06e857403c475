#include "anthropic_thinking.h"

#include <algorithm>

#include "reasoning.h"

namespace loom::llm::anthropic {

namespace {

using Effort = Reasoning::Effort;
using Mode = ThinkingPlan::Mode;

constexpr uint64_t budget_min = 1024;

bool forces_tool(const ChatRequest& request) noexcept {
    const ToolChoice::Kind kind = request.tool_choice.kind;
    return !request.tools.empty() && (kind == ToolChoice::Kind::any || kind == ToolChoice::Kind::named);
}

/// No thinking is asked for.
void plan_none(const Model& model, ThinkingPlan& plan, Context& context) {
    if (model.thinking == Model::Thinking::none) return;
    if (!model.thinks_always) {
        plan.mode = Mode::disabled;
        return;
    }
    context.losses.add("reasoning_effort");  // the least there is
    if (model.between_tools) plan.mode = Mode::between_tools;
    plan.effort = "low";
}

void plan_adaptive(const Reasoning& reasoning, const Model& model, ThinkingPlan& plan, Context& context) {
    plan.mode = Mode::adaptive;
    if (reasoning.effort == Effort::unset && reasoning.budget_tokens.value_or(-1) < 0) return;  // as it likes
    if (reasoning.effort == Effort::unset) context.losses.add("reasoning.budget_tokens");
    const Effort effort = effort_of(reasoning);
    if (effort == Effort::minimal || effort == Effort::low) {
        plan.effort = "low";
    } else if (effort == Effort::xhigh && !model.xhigh) {
        context.losses.add("reasoning_effort");
        plan.effort = "high";
    } else {
        plan.effort = effort_name(effort);
    }
}

void plan_budget(const ChatRequest& request, const Turns& turns, ThinkingPlan& plan, Context& context) {
    const Reasoning& reasoning = request.reasoning;
    const bool is_told = reasoning.budget_tokens.value_or(-1) > 0;
    const int64_t wanted = is_told ? *reasoning.budget_tokens : budget_of_effort(effort_of(reasoning));
    uint64_t budget = std::max(static_cast<uint64_t>(wanted), budget_min);
    if (request.max_tokens == 0) {
        if (__builtin_add_overflow(plan.max_tokens, budget, &plan.max_tokens)) plan.max_tokens = UINT64_MAX;
    }
    const uint64_t room = std::max(plan.max_tokens - plan.max_tokens / 4, budget_min);
    if (room >= plan.max_tokens || forces_tool(request) || lacks_thinking(turns)) {
        plan.max_tokens = request.max_tokens == 0 ? context.terms.max_tokens_default : request.max_tokens;
        return context.losses.add("reasoning_effort");
    }
    if (request.max_tokens != 0) {
        if (is_told && budget > room) context.losses.add("reasoning.budget_tokens");
        budget = std::min(budget, room);
    }
    plan.mode = Mode::budget;
    plan.budget_tokens = budget;
}

}  // namespace

ThinkingPlan plan_thinking(const ChatRequest& request, const Turns& turns, const Model& model, Context& context) {
    const Reasoning& reasoning = request.reasoning;
    ThinkingPlan plan{.max_tokens = request.max_tokens == 0 ? context.terms.max_tokens_default : request.max_tokens};
    const Effort effort = effort_of(reasoning);
    if (effort == Effort::unset) return plan;
    if (effort == Effort::none) {
        plan_none(model, plan, context);
        return plan;
    }
    const bool is_budget = reasoning.effort == Effort::unset && reasoning.budget_tokens.value_or(-1) > 0;
    switch (model.thinking) {
        case Model::Thinking::none: context.losses.add("reasoning_effort"); return plan;
        case Model::Thinking::adaptive: plan_adaptive(reasoning, model, plan, context); break;
        case Model::Thinking::budget: plan_budget(request, turns, plan, context); break;
        case Model::Thinking::either:
            is_budget ? plan_budget(request, turns, plan, context) : plan_adaptive(reasoning, model, plan, context);
            break;
    }
    // Whether it is shown: the newest models hide it unless told, older ones (and other servers) show it.
    if (!plan.thinks() || !reasoning.include_thoughts) return plan;
    if (!*reasoning.include_thoughts) plan.display = "omitted";
    if (*reasoning.include_thoughts && plan.mode == Mode::adaptive) plan.display = "summarized";
    return plan;
}

}  // namespace loom::llm::anthropic
