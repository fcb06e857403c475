// How fast tokens are counted. LOOM_RANK_FILE names a family's whole rank file (scripts/fetch-tokenizer o200k_base);
// else it is the first 4000 ranks, which make more and shorter tokens. bench/peers/tokenizer.py runs it beside
// tiktoken; for it LOOM_WRITE_TEXTS names a directory for the texts.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "loom/llm/tokenizer.h"

using namespace loom::llm;

namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

const Tokenizer& family() {
    static const Tokenizer tokenizer = [] {
        const char* const named = std::getenv("LOOM_RANK_FILE");
        const std::string path = named != nullptr ? named : LOOM_TOKENIZER_VECTORS "/o200k_base.4000.tiktoken";
        auto parsed = Tokenizer::parse(SplitPattern::o200k_base, read_file(path));
        if (!parsed) std::abort();
        return std::move(*parsed);
    }();
    return tokenizer;
}

void count(benchmark::State& state, const std::string& name, const std::string& text) {
    if (const char* const directory = std::getenv("LOOM_WRITE_TEXTS"))
        std::ofstream(std::string(directory) + "/" + name + ".txt", std::ios::binary) << text;
    TokenCounter counter;
    uint64_t tokens = 0;
    for (auto _ : state) benchmark::DoNotOptimize(tokens = counter.count(family(), text));
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
    state.counters["bytes/token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

std::string some(std::string text, size_t bytes) {
    while (text.size() <= bytes) text += text;
    while ((static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) bytes -= 1;  // no half of a letter
    return text.substr(0, bytes);
}

void prose(benchmark::State& state) {
    count(state, "prose",
          some("It was the best of times, it was the worst of times; we'd everything before us, and in the year "
               "1775 nobody knew what the next one would bring.\n\n",
               size_t{32} << 10));
}
void code(benchmark::State& state) {
    count(state, "code",
          some("    for (size_t i = 0; i + 1 < parts.size(); ++i)\n        if (rank(parts[i]) < lowest) return i;\n",
               size_t{32} << 10));
}
void one_word(benchmark::State& state) {
    std::mt19937 random(1);
    std::string text;
    while (text.size() < size_t{32} << 10) text += static_cast<char>('a' + random() % 26);
    count(state, "one_word", text);
}
/// Of the languages of the world's most speakers, letters beyond ASCII.
void languages(benchmark::State& state) {
    count(state, "languages",
          some("Все люди рождаются свободными и равными. 人人生而自由,在尊严和权利上一律平等。 "
               "すべての人間は、生まれながらに"
               "して自由である。 جميع الناس يولدون أحرارًا متساوين. Zażółć gęślą jaźń, où l'été s'achève. ",
               size_t{32} << 10));
}
BENCHMARK(prose);
BENCHMARK(code);
BENCHMARK(languages);
BENCHMARK(one_word);

}  // namespace

BENCHMARK_MAIN();
