// Makes an end of repetitions that have none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loom::guard {

/// The same expression with `{0,max}` for `*`, `{1,max}` for `+`, `{n,n+max}` for `{n,}`; what is escaped, in a class
/// or a comment stays. An expression that is none stays one that is none.
[[nodiscard]] std::string bound_repetitions(std::string_view pattern, uint32_t max);

}  // namespace loom::guard
