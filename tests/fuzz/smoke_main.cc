// A fuzz target without a fuzzer: every input of its corpus, and changes of them drawn from a fixed seed. So the suite
// runs each target, whatever the compiler; scripts/fuzz looks for new inputs.
//   smoke CORPUS_DIR RUNS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../sim/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using loom::sim::Random;

void run(const std::string& input) {
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

/// Flips, cuts, doubles, inserts, or crosses with another.
std::string change(std::string input, const std::string& other, Random& random) {
    for (uint64_t times = random.between(1, 4); times > 0; --times) {
        const size_t at = random.below(input.size() + 1);
        switch (random.below(5)) {
            case 0:
                if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << random.below(8)));
                break;
            case 1: input.erase(at, random.between(1, 16)); break;
            case 2: input.insert(at, input.substr(at, random.between(1, 64))); break;
            case 3: input.insert(at, 1, static_cast<char>(random.below(256))); break;
            default: input = input.substr(0, at) + other.substr(random.below(other.size() + 1));
        }
    }
    return input;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 64;
    std::vector<std::string> corpus;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
        std::ifstream file(entry.path(), std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (corpus.empty()) {
        std::fprintf(stderr, "no corpus in %s\n", arguments[1]);
        return 1;
    }
    std::sort(corpus.begin(), corpus.end());  // a directory has no order
    for (const std::string& input : corpus) run(input);
    Random random(1);
    const auto runs = std::strtoull(arguments[2], nullptr, 10);
    for (uint64_t i = 0; i < runs; ++i)
        run(change(corpus[random.below(corpus.size())], corpus[random.below(corpus.size())], random));
    std::printf("%zu inputs and %llu changes of them\n", corpus.size(), runs);
    return 0;
}
