// The name somebody meant.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace loom::llm {

/// Edits (insert, delete, replace, swap of neighbours; ASCII case ignored) between two names, or limit + 1 when more
/// than limit are needed. Names over 64 bytes compare by their first 64.
[[nodiscard]] uint32_t edit_distance(std::string_view a, std::string_view b, uint32_t limit) noexcept;

/// The known name nearest to `wanted`, for "did you mean"; empty when none is near (a third of its length, at least 2
/// edits, and a name that begins with the whole of wanted counts as near). Ties: the first.
[[nodiscard]] std::string_view nearest_name(std::string_view wanted, std::span<const std::string_view> known) noexcept;

}  // namespace loom::llm
