// What secrets begin with. The pre-filter looks for the first three bytes of each, a detector for the rest.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "window.h"

namespace loom::guard {

/// The first three bytes of all literals, where no letter or digit stands before them.
inline constexpr std::string_view fingerprints[] = {
    "sk-", "sk_", "rk_", "AKI", "ASI", "ABI", "ACC", "A3T", "ghp", "gho", "ghu", "ghs", "ghr", "git", "glp",
    "AIz", "GOC", "ya2", "xox", "xap", "SG.", "npm", "pyp", "hf_", "dop", "shp", "gsk", "xai", "ppl", "r8_",
    "nva", "dap", "AGE", "whs", "hvs", "lin", "ntn", "gls", "tvl", "eyJ", "BEG", "bc1", "BC1",
};
inline constexpr size_t fingerprint_bytes = 3;

/// The pre-filter's bucket of each: those that share halves of bytes, and no common word between them. Drawn by chance
/// and kept where fewer places of ordinary prose were taken for one (0.4 in 1000 bytes; 9 by the first letter alone).
inline constexpr uint8_t fingerprint_buckets[] = {
    3, 3, 7, 0, 0, 1, 1, 0, 5, 2, 5, 3, 4, 4, 4, 1, 6, 0, 0, 7, 6, 6,
    1, 3, 5, 3, 4, 0, 7, 3, 4, 5, 1, 3, 6, 2, 6, 4, 7, 2, 1, 3, 3,
};
static_assert(std::size(fingerprint_buckets) == std::size(fingerprints));

}  // namespace loom::guard
