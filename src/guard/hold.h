// What a stream has to keep before a place that something may be anchored at.
#pragma once

#include <algorithm>

#include "window.h"

namespace loom::guard {

/// The bytes that may stand in a find before its anchor: those of a mail address's local part, which has all others.
inline constexpr Pos word_bytes_max = 64;
constexpr bool is_word_byte(int c) noexcept {
    return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\'' || c >= 0x80;
}

/// No find that is anchored at `anchor` or behind it begins before this: at the word before it, and a parenthesis that
/// opens before that, or a national insurance number's letters before a blank.
[[nodiscard]] inline Pos hold_begin(Window& window, Pos anchor) noexcept {
    Pos begin = anchor;
    while (anchor - begin < word_bytes_max && is_word_byte(window.at(begin - 1))) begin -= 1;
    if (anchor - begin == word_bytes_max) return begin;
    if (window.at(begin - 1) == '(') return begin - 1;
    const bool letters =
        window.at(begin - 1) == ' ' && is_upper(window.at(begin - 2)) && is_upper(window.at(begin - 3));
    return begin == anchor && letters ? begin - 3 : begin;
}

}  // namespace loom::guard
