// How a request's reasoning is told to a Claude model, and what else has to give way to it.
#pragma once

#include "anthropic_turns.h"

namespace loom::llm::anthropic {

struct ThinkingPlan {
    enum class Mode : uint8_t { unsaid, disabled, between_tools, budget, adaptive };
    Mode mode = Mode::unsaid;
    uint64_t budget_tokens = 0;
    uint64_t max_tokens = 0;   // of the whole answer, thinking included
    std::string_view effort;   // for output_config; empty: unsaid
    std::string_view display;  // of the thinking; empty: unsaid

    [[nodiscard]] bool thinks() const noexcept { return mode == Mode::budget || mode == Mode::adaptive; }
};

/// A client's max_tokens is a bound on what it pays for, as OpenAI's and Gemini's are, thinking included: it is never
/// raised, a budget is cut to three quarters of it, so that an answer fits behind the thinking (OpenRouter and others
/// keep room likewise; agentgateway#2856 and higress#4244 tell what a budget over max_tokens gives). Where the client
/// said no bound, the default is for the answer, and the budget comes on top.
/// Thinking by budget gives way to a forced tool and to calls whose thinking is lost: Anthropic answers 400 to both,
/// and how much to think is the lesser wish.
[[nodiscard]] ThinkingPlan plan_thinking(const ChatRequest& request, const Turns& turns, const Model& model,
                                         Context& context);

}  // namespace loom::llm::anthropic
