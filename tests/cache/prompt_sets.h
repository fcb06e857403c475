// The sets of pairs of prompts in tests/cache/data.
#pragma once

#include <string>
#include <vector>

namespace loom::cache::test {

struct PromptPair {
    std::string kind;
    std::string one;
    std::string other;
};

/// name  of a file in the folder that CACHE_PROMPTS names. "\n" in a line is a line's end.
[[nodiscard]] std::vector<PromptPair> read_pairs(const std::string& name);

}  // namespace loom::cache::test
