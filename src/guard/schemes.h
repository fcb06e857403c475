// Schemes of addresses that are code.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace loom::guard {

inline constexpr std::string_view code_schemes[] = {"javascript", "vbscript"};

/// scheme  small letters.
[[nodiscard]] constexpr bool is_code_scheme(std::string_view scheme) noexcept {
    return std::ranges::find(code_schemes, scheme) != std::end(code_schemes);
}

}  // namespace loom::guard
