// What a Claude model takes of the parameters that not all of them take. The others' answer to such a one is 400.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm::anthropic {

struct Model {
    enum class Thinking : uint8_t {
        none,
        budget,    // {"type":"enabled","budget_tokens":N}
        either,    // and {"type":"adaptive"} with output_config.effort, which is the better one
        adaptive,  // that alone
    };
    enum class Sampling : uint8_t {
        none,  // neither temperature nor top_p nor top_k
        one,   // temperature or top_p, not both
        all,
    };
    Thinking thinking = Thinking::budget;
    Sampling sampling = Sampling::all;
    bool thinks_always = false;  // refuses {"type":"disabled"}
    bool between_tools = false;  // knows {"type":"between_tools"}, its least thinking
    bool forced_tools = true;    // takes tool_choice `any` and `tool`
    bool formats = true;         // output_config.format, and tools[].strict
    bool xhigh = false;          // knows the effort of that name
    bool system_turns = false;   // takes `system` among the messages
};

/// name  as at any provider: "claude-opus-4-5", "anthropic/claude-opus-4.5", "us.anthropic.claude-opus-4-5-v1:0", …
/// A Claude of a name not known here is taken for a new one. What is no Claude at all (servers of other models speak
/// this protocol too) takes what was common before models began to differ.
[[nodiscard]] const Model& model_named(std::string_view name) noexcept;

}  // namespace loom::llm::anthropic
