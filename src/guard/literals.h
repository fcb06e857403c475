// What secrets begin with. The pre-filter looks for the first three bytes of each, a detector for the rest.
#pragma once

#include <array>
#include <cstdint>
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

}  // namespace loom::guard
