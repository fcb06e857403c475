// What a lookup by meaning costs before the index is asked, and after: the vector of a prompt, and the veto against the
// prompt that was found.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "loom/cache/embedder.h"
#include "loom/cache/veto.h"

namespace loom::cache {
namespace {

/// Sentences as people write them, up to so many bytes.
std::string prompt_of(size_t bytes) {
    constexpr std::string_view text =
        "Hi! Could you please tell me how I can move 3 large tables from our old PostgreSQL 12 server in Frankfurt to "
        "a "
        "managed database, without losing rows that customers write meanwhile? We don't have more than 5 GB. ";
    std::string prompt;
    while (prompt.size() < bytes) prompt += text.substr(0, std::min(text.size(), bytes - prompt.size()));
    return prompt;
}

void embeds(benchmark::State& state) {
    const std::string prompt = prompt_of(static_cast<size_t>(state.range(0)));
    const std::unique_ptr<Embedder> embedder = make_lexical_embedder();
    std::array<float, lexical_dimensions> vector;
    embedder->embed(prompt, vector);
    double squares = 0;
    for (float part : vector) squares += double{part} * part;
    if (squares < 0.99 || squares > 1.01) std::abort();
    for (auto _ : state) {
        embedder->embed(prompt, vector);
        benchmark::DoNotOptimize(vector.data());
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * prompt.size()));
}
BENCHMARK(embeds)->Arg(200)->Arg(2048);

/// All of them is compared, which is when a veto takes longest: they differ in what adds nothing.
void passes_veto(benchmark::State& state) {
    const std::string asked = prompt_of(static_cast<size_t>(state.range(0)));
    std::string kept = asked;
    kept.erase(kept.find("please "), 7);
    if (veto(asked, kept) != VetoReason::none) std::abort();
    for (auto _ : state) benchmark::DoNotOptimize(veto(asked, kept));
}
BENCHMARK(passes_veto)->Arg(200)->Arg(2048);

void is_vetoed(benchmark::State& state) {
    const std::string asked = prompt_of(static_cast<size_t>(state.range(0)));
    std::string kept = asked;
    kept.replace(kept.find("old"), 3, "new");
    if (veto(asked, kept) != VetoReason::antonym) std::abort();
    for (auto _ : state) benchmark::DoNotOptimize(veto(asked, kept));
}
BENCHMARK(is_vetoed)->Arg(200)->Arg(2048);

}  // namespace
}  // namespace loom::cache

BENCHMARK_MAIN();
