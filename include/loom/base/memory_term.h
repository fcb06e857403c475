// A part of the memory that a configuration may take at worst. Each folder tells the terms of what it owns, next to the
// constants that bound it; `app` sums them up for `loom --check`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loom {

struct MemoryTerm {
    std::string what;  // in words, for the operator
    uint64_t bytes = 0;
    std::string key;  // of the conf, to turn it; "" where a constant of the code is the bound
};
using MemoryTerms = std::vector<MemoryTerm>;

[[nodiscard]] inline uint64_t sum_of(const MemoryTerms& terms) noexcept {
    uint64_t bytes = 0;
    for (const auto& term : terms) bytes += term.bytes;
    return bytes;
}

}  // namespace loom
