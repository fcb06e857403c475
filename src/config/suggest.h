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

}  // namespace loom::config
