#include "prompt_sets.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace loom::cache::test {

namespace {

std::string unescaped(std::string text) {
    for (size_t at = 0; (at = text.find("\\n", at)) != text.npos; ++at) text.replace(at, 2, "\n");
    return text;
}

}  // namespace

std::vector<PromptPair> read_pairs(const std::string& name) {
    const char* const folder = std::getenv("CACHE_PROMPTS");
    if (folder == nullptr) throw std::runtime_error("CACHE_PROMPTS is not set");
    std::ifstream in(std::string(folder) + "/" + name);
    if (!in) throw std::runtime_error("cannot read " + name);
    std::vector<PromptPair> pairs;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        const size_t first = line.find('\t'), second = line.find('\t', first + 1);
        if (second == line.npos) throw std::runtime_error(name + ": not three columns: " + line);
        pairs.push_back({line.substr(0, first), unescaped(line.substr(first + 1, second - first - 1)),
                         unescaped(line.substr(second + 1))});
    }
    return pairs;
}

}  // namespace loom::cache::test
