// How far apart two names are: what "did you mean" goes by.
#pragma once

#include <cstddef>
#include <string_view>

namespace loom {

/// Insertions, deletions, replacements and swaps of neighbours, upper and lower case alike, that lead from `a` to `b`;
/// `limit + 1` as soon as it must be more. Names beyond 128 bytes are as far as can be.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b, size_t limit) noexcept;

}  // namespace loom
