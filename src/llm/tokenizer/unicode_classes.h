// What the split patterns tell apart.
#pragma once

#include <cstdint>

namespace loom::llm {

/// Of a code point. `other` is all that the patterns have no name for: punctuation, symbols, controls.
enum class CharClass : uint8_t { other, newline, space, upper, lower, letter, mark, number };

/// By code point, 0x110000 of them. Made when it is first asked for.
/// Source  unicode_classes.inc: upper is Lu and Lt, lower Ll, letter Lm and Lo, mark M, number N; newline is CR and LF,
///         space the rest of White_Space.
[[nodiscard]] const CharClass* char_classes() noexcept;
inline constexpr uint32_t code_point_count = 0x110000;

}  // namespace loom::llm
