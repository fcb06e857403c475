// What a prompt asks for and how hard it is, estimated in the process: for the strategies `task` and `complexity`, and
// for rules. It is a guess by words and form, in no model's place: tests/route/prompts says how often it is right.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace loom::route {

enum class Task : uint8_t {
    chat,  // conversation and questions: what nothing else claims
    code,
    summary,
    translation,
    creative,
    extraction,  // out of a given text: entities, classes, fields
    maths,
    image,  // a picture is to be made, or given ones looked at
};
inline constexpr uint32_t task_count = static_cast<uint32_t>(Task::image) + 1;
[[nodiscard]] std::string_view task_name(Task task) noexcept;
[[nodiscard]] std::optional<Task> find_task(std::string_view name) noexcept;

/// What was read of a request.
struct PromptFacts {
    std::string_view text;      // of the last user's message, as it stands in the JSON document: escapes and all
    uint64_t prompt_bytes = 0;  // of the whole prompt: history, instructions and tools too
    uint32_t message_count = 1;
    uint64_t output_tokens = 0;  // asked for at most; 0: not said
    bool has_tools = false;
    bool has_images = false;
    bool has_audio = false;
    bool has_schema = false;  // the answer has to follow one
};

struct Estimate {
    Task task = Task::chat;
    float complexity = 0;  // 0..1; from complexity_threshold on it is one for a large model
};
inline constexpr float complexity_threshold = 0.4f;  // what routing.complexity.threshold is by default

/// Linear in what is looked at: the words at the prompt's beginning and end, since that is where it is said what to do,
/// and the fences of code in its first 16 KiB. No allocation; a few microseconds, whatever the prompt's length.
[[nodiscard]] Estimate estimate(const PromptFacts& facts) noexcept;

}  // namespace loom::route
