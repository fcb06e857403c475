// One escape of a JSON string: where it ends, and what it stands for.
#pragma once

#include <cstddef>
#include <string_view>

namespace loom::llm {

/// raw      begins with the escape's backslash.
/// Returns  how many bytes of it the escape is; a pair of surrogates is one. It may be more than there are.
[[nodiscard]] inline size_t escape_bytes(std::string_view raw) noexcept {
    if (raw.size() < 2 || raw[1] != 'u') return 2;
    const bool is_high =
        raw.size() > 3 && (raw[2] | 0x20) == 'd' && std::string_view("89abAB").find(raw[3]) != raw.npos;
    return is_high && raw.size() >= 12 && raw[6] == '\\' && raw[7] == 'u' ? 12 : 6;
}

/// raw      begins with the escape's backslash.
/// out      four bytes at least.
/// Returns  the same, and sets `written`; 0 for a broken one. A lone surrogate becomes U+FFFD.
[[nodiscard]] size_t unescape_one(std::string_view raw, char* out, size_t& written) noexcept;

}  // namespace loom::llm
