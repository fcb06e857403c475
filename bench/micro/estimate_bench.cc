// What an estimate of a prompt costs, beside a pass over the same bytes that only counts their words.
// Every bench checks its answer before it is timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "loom/route/estimate.h"

namespace loom::route {
namespace {

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "estimate_bench: wrong answer: %s\n", what);
    std::abort();
}

/// An order, then material of `bytes`, as it stands in a JSON document.
std::string prompt_of(size_t bytes, bool escaped) {
    constexpr const char* words[] = {"the ",      "council ", "has ",     "decided ", "that ",
                                     "function ", "trains ",  "between ", "both ",    "cities, "};
    constexpr const char* others[] = {"\\u043f\\u043e\\u0435\\u0437\\u0434 ", "\\u0433\\u043e\\u0440\\u043e\\u0434 "};
    std::mt19937 random(1);
    std::string text = "Summarize the following article in three sentences:\\n\\n";
    while (text.size() < bytes) text += escaped ? others[random() % 2] : words[random() % 10];
    return text;
}

void BM_estimate(benchmark::State& state) {
    const std::string text = prompt_of(static_cast<size_t>(state.range(0)), state.range(1) != 0);
    PromptFacts facts{.text = text, .prompt_bytes = text.size()};
    check(estimate(facts).task == Task::summary, "a summary");
    for (auto _ : state) {
        benchmark::DoNotOptimize(facts);
        auto said = estimate(facts);
        benchmark::DoNotOptimize(said);
    }
}
BENCHMARK(BM_estimate)
    ->Args({60, 0})
    ->Args({300, 0})
    ->Args({4096, 0})
    ->Args({4096, 1})
    ->Args({65536, 0})
    ->Args({1 << 20, 0});

/// The baseline: words, and nothing about them.
void BM_count_words(benchmark::State& state) {
    const std::string text = prompt_of(static_cast<size_t>(state.range(0)), false);
    for (auto _ : state) {
        size_t words = 0;
        bool inside = false;
        for (const char c : text) {
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            words += inside && !letter;
            inside = letter;
        }
        benchmark::DoNotOptimize(words);
    }
}
BENCHMARK(BM_count_words)->Arg(300)->Arg(4096);

}  // namespace
}  // namespace loom::route

BENCHMARK_MAIN();
