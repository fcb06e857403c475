// How often the estimates are right, on prompts with labels (tests/route/prompts), and what must hold of every prompt.
#include "loom/route/estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "../sim/random.h"

namespace loom::route {
namespace {

struct Prompt {
    Task task = Task::chat;
    bool hard = false;
    std::string text;  // as the inside of a JSON string
};

std::vector<Prompt> load(const std::string& file) {
    const char* const folder = std::getenv("PROMPTS");
    std::ifstream lines(std::string(folder == nullptr ? "." : folder) + "/" + file);
    if (!lines) ADD_FAILURE() << "no " << file << ": PROMPTS names its folder, as meson test does";
    std::vector<Prompt> prompts;
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string task, level, text;
        std::getline(fields, task, '\t');
        std::getline(fields, level, '\t');
        std::getline(fields, text);
        EXPECT_TRUE(find_task(task)) << line;
        EXPECT_TRUE(level == "easy" || level == "hard") << line;
        std::string inside;
        for (const char c : text) inside += c == '"' ? std::string("\\\"") : std::string(1, c);
        prompts.push_back({find_task(task).value_or(Task::chat), level == "hard", inside});
    }
    return prompts;
}

Estimate of(const Prompt& prompt) {
    return estimate({.text = prompt.text, .prompt_bytes = prompt.text.size() + 100, .message_count = 1});
}

struct Accuracy {
    double task = 0;
    double level = 0;
    double hard_found = 0;  // of the hard ones
};

/// Prints what was taken for what.
Accuracy measure(const std::string& file) {
    const std::vector<Prompt> prompts = load(file);
    std::array<std::array<int, task_count>, task_count> taken{};
    int task_right = 0, level_right = 0, hard = 0, hard_found = 0;
    for (const Prompt& prompt : prompts) {
        const Estimate said = of(prompt);
        const bool said_hard = said.complexity >= complexity_threshold;
        taken[static_cast<size_t>(prompt.task)][static_cast<size_t>(said.task)] += 1;
        task_right += said.task == prompt.task;
        level_right += said_hard == prompt.hard;
        hard += prompt.hard;
        hard_found += prompt.hard && said_hard;
        if (std::getenv("SHOW_WRONG") == nullptr) continue;
        if (said.task != prompt.task || said_hard != prompt.hard)
            std::printf("%-11s %-11s %s %.2f  %.90s\n", task_name(prompt.task).data(), task_name(said.task).data(),
                        prompt.hard ? "hard" : "easy", said.complexity, prompt.text.c_str());
    }
    const auto count = static_cast<double>(prompts.size());
    const Accuracy accuracy{task_right / count, level_right / count, hard_found / std::max(1.0, 1.0 * hard)};
    std::printf("%s: %zu prompts, task %.1f%%, level %.1f%%, %d of %d hard ones found\n", file.c_str(), prompts.size(),
                100 * accuracy.task, 100 * accuracy.level, hard_found, hard);
    return accuracy;
}

TEST(Estimate, OnThePromptsThatItWasTunedOn) {
    ASSERT_GE(load("tuned.tsv").size(), 400u);
    const Accuracy accuracy = measure("tuned.tsv");
    EXPECT_GE(accuracy.task, 0.94);
    EXPECT_GE(accuracy.level, 0.98);
    EXPECT_GE(accuracy.hard_found, 0.9);
}

TEST(Estimate, OnPromptsThatItHasNotSeen) {
    ASSERT_GE(load("held_out.tsv").size(), 90u);
    const Accuracy accuracy = measure("held_out.tsv");
    EXPECT_GE(accuracy.task, 0.80);
    EXPECT_GE(accuracy.level, 0.95);
    EXPECT_GE(accuracy.hard_found, 0.8);
}

TEST(Estimate, ReadsEscapesAsWhatTheyStandFor) {
    for (const std::string file : {"tuned.tsv", "held_out.tsv"}) {
        for (const Prompt& prompt : load(file)) {
            std::string escaped;  // as Python's json.dumps writes it
            for (size_t i = 0; i < prompt.text.size();) {
                const auto byte = static_cast<uint8_t>(prompt.text[i]);
                if (byte < 0x80) {
                    escaped += prompt.text[i++];
                    continue;
                }
                const size_t length = byte < 0xe0 ? 2 : 3;  // the prompts need no more
                uint32_t c = byte & (0xff >> (length + 1));
                for (size_t k = 1; k < length; ++k) c = c << 6 | (static_cast<uint8_t>(prompt.text[i + k]) & 0x3f);
                i += length;
                char unit[8];
                std::snprintf(unit, sizeof unit, "\\u%04x", c);
                escaped += unit;
            }
            if (escaped.size() > 768) continue;  // more of it is not read whole
            Prompt other = prompt;
            other.text = escaped;
            EXPECT_EQ(of(other).task, of(prompt).task) << escaped;
            EXPECT_EQ(of(other).complexity, of(prompt).complexity) << escaped;
        }
    }
}

TEST(Estimate, WhatIsAskedForIsReadAtBothEnds) {
    std::string filler;
    while (filler.size() < 200'000) filler += "the quick brown fox jumps over the lazy dog and sleeps. ";
    EXPECT_EQ(of({.text = "Translate the following into French: " + filler}).task, Task::translation);
    EXPECT_EQ(of({.text = filler + "\\n\\nSummarize the text above."}).task, Task::summary);
    EXPECT_EQ(of({.text = filler}).task, Task::chat);
}

TEST(Estimate, ImagesAreLookedAtUnlessMoreIsSaid) {
    EXPECT_EQ(estimate({.text = "what is this?", .has_images = true}).task, Task::image);
    EXPECT_EQ(estimate({.text = "Translate the sign into English", .has_images = true}).task, Task::translation);
    EXPECT_EQ(estimate({.text = "what is this?"}).task, Task::chat);
    EXPECT_EQ(estimate({}).task, Task::chat) << "nothing at all";
}

TEST(Estimate, MoreToDoIsNeverEasier) {
    for (const std::string file : {"tuned.tsv", "held_out.tsv"}) {
        for (const Prompt& prompt : load(file)) {
            PromptFacts facts{.text = prompt.text, .prompt_bytes = 500};
            float least = estimate(facts).complexity;
            const auto grows = [&] {
                const float now = estimate(facts).complexity;
                EXPECT_GE(now, least) << prompt.text;
                least = now;
            };
            facts.prompt_bytes = 50'000;
            grows();
            facts.message_count = 12;
            grows();
            facts.output_tokens = 8000;
            grows();
            facts.has_tools = true;
            grows();
            facts.has_schema = true;
            grows();
            facts.has_images = true;
            grows();
            EXPECT_LE(least, 1.0f);
        }
    }
}

TEST(Estimate, NamesItsTasks) {
    for (uint32_t i = 0; i < task_count; ++i)
        EXPECT_EQ(find_task(task_name(static_cast<Task>(i))), static_cast<Task>(i));
    EXPECT_FALSE(find_task("poetry"));
}

}  // namespace
}  // namespace loom::route
