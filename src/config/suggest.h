// The known key that an unknown one was probably meant to be.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "loom/config/schema.h"

namespace loom::config {

/// Names the user has defined below a prefix: "provider" → openai, demo.
using NamesByPrefix = std::map<std::string, std::vector<std::string>, std::less<>>;

/// The nearest key by edits, placeholders filled with the key's own segments or the user's names; "" when none is near.
[[nodiscard]] std::string nearest_key(const Schema& schema, const NamesByPrefix& names, std::string_view key);

/// Insertions, deletions, replacements and swaps of neighbours between two texts; more than `limit` reads limit + 1.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

}  // namespace loom::config
