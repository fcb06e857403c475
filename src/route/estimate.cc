#include "loom/route/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "prompt_scan.h"

namespace loom::route {
namespace {

constexpr std::array<std::string_view, task_count> names = {"chat",     "code",       "summary", "translation",
                                                            "creative", "extraction", "maths",   "image"};

/// Below it nothing has claimed the prompt: a question, or talk.
constexpr float claim_min = 2.4f;
constexpr uint32_t short_words = 16;  // a prompt that is hardly more than its sum

float capped(uint32_t count, float weight, float most) noexcept {
    return std::min(static_cast<float>(count) * weight, most);
}

/// What the form of a prompt says beside its words.
struct Scores {
    std::array<float, task_count> of{};
    float& operator[](Task task) noexcept { return of[static_cast<size_t>(task)]; }
};

Scores score(const PromptForm& form, const PromptFacts& facts) noexcept {
    Scores scores;
    std::copy_n(form.themes.begin(), task_count, scores.of.begin());
    const float language = form.of(Theme::language), picture = form.of(Theme::picture);
    // Code: fences, marks and names that prose does not have.
    scores[Task::code] += capped(form.fences, 2.5f, 5) + capped(form.code_marks, 0.8f, 4) + capped(form.names, 0.7f, 2);
    // How is it said in …; the words alone may mean the language as a subject.
    if (form.wanted_language > 0) scores[Task::translation] += 2.5f;
    if (language > 0 && form.of(Theme::said) > 0) scores[Task::translation] += 3;
    // Sums, unless they stand in code.
    if (scores[Task::code] < 4) scores[Task::maths] += capped(form.sums, 1.2f, 4);
    if (form.sums > 0 && form.words <= short_words) scores[Task::maths] += 1.5f;
    // To make, and a picture.
    if (picture > 0) scores[Task::image] += form.of(Theme::make) > 0 ? picture * 3 : picture * 1.7f;
    if (facts.has_images) scores[Task::image] += claim_min + 0.1f;  // they are to be looked at, unless more is said
    return scores;
}

Task claimed(Scores scores) noexcept {
    scores[Task::chat] = claim_min;
    return static_cast<Task>(std::ranges::max_element(scores.of) - scores.of.begin());
}

/// 0 at nothing, 1 at `much` and above.
float share(float amount, float much) noexcept { return std::clamp(amount / much, 0.0f, 1.0f); }

/// How much each side of a prompt adds. Reasoning, constraints and domain knowledge are dimensions of NVIDIA's
/// prompt-task-and-complexity-classifier; length, conversation and the dampener are of Bifrost's and LiteLLM's
/// complexity routers; tools, schema and the output asked for are what a small model gets wrong most visibly.
struct ComplexityWeights {
    float reasoning = 0.34f, constraint = 0.22f, domain = 0.24f;
    float length = 0.16f, clauses = 0.10f;
    float history = 0.06f, turns = 0.06f, output = 0.08f, tools = 0.06f, schema = 0.04f, media = 0.04f;
    float simple = 0.15f;
};
constexpr ComplexityWeights weights;

float complexity(const PromptForm& form, const PromptFacts& facts) noexcept {
    const auto log = [](uint64_t amount) {
        return std::log2(static_cast<float>(std::min<uint64_t>(amount, 1u << 30)) + 1);
    };
    float sum = 0;
    sum += weights.reasoning * share(form.of(Theme::reasoning), 4);
    sum += weights.constraint * share(form.of(Theme::constraint) + 0.5f * form.of(Theme::clause), 6);
    sum += weights.domain * share(form.of(Theme::domain), 3);
    sum += weights.length * share(static_cast<float>(form.words), 60);
    sum += weights.clauses * share(static_cast<float>(form.clauses + 2 * form.list_items), 6);
    sum += weights.history * share(log(facts.prompt_bytes / 1024), 8);  // 256 KiB
    sum += weights.turns * share(static_cast<float>(std::max(facts.message_count, 1u) - 1), 16);
    sum += weights.output * share(log(facts.output_tokens / 512), 5);  // 16k tokens
    if (facts.has_tools) sum += weights.tools;
    if (facts.has_schema) sum += weights.schema;
    if (facts.has_images || facts.has_audio) sum += weights.media;
    sum -= weights.simple * share(form.of(Theme::simple), 1);
    return std::clamp(sum, 0.0f, 1.0f);
}

}  // namespace

std::string_view task_name(Task task) noexcept { return names[static_cast<size_t>(task)]; }

std::optional<Task> find_task(std::string_view name) noexcept {
    const auto found = std::ranges::find(names, name);
    return found == names.end() ? std::nullopt : std::optional(static_cast<Task>(found - names.begin()));
}

Estimate estimate(const PromptFacts& facts) noexcept {
    const PromptForm form = scan_prompt(facts.text);
    return {.task = claimed(score(form, facts)), .complexity = complexity(form, facts)};
}

}  // namespace loom::route
