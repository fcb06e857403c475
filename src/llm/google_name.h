// What Google calls the things that it stores, as requests name them.
#pragma once

#include <string>
#include <string_view>

#include "loom/llm/resource.h"

namespace loom::llm {

/// "cachedContents/abc" and "projects/p/locations/l/cachedContents/abc" → "abc"; what is no such name, whole.
[[nodiscard]] std::string google_id(ResourceKind kind, std::string_view name);

/// The id of the file of Gemini's that an address leads to, or its bare name, "files/abc"; "" where it leads elsewhere.
/// What may lead to one and cannot be told is an id that nobody has.
[[nodiscard]] std::string gemini_file_of(std::string_view uri);

}  // namespace loom::llm
