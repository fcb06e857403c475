// What one escape of a JSON string stands for.
#pragma once

#include <cstddef>
#include <string_view>

namespace loom::llm {

/// raw      begins with the escape's backslash.
/// out      four bytes at least: UTF-8; `written` says how many of them. A lone surrogate becomes U+FFFD.
/// Returns  how many bytes of raw the escape is, a pair of surrogates being one; 0 for a broken one.
[[nodiscard]] size_t unescape_one(std::string_view raw, char* out, size_t& written) noexcept;

}  // namespace loom::llm
