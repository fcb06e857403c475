// Where a text of UTF-8 may be cut.
#pragma once

#include <cstddef>
#include <string_view>

namespace loom {

/// So many bytes at most, and no part of a character at their end.
[[nodiscard]] constexpr size_t utf8_cut(std::string_view text, size_t bytes_max) noexcept {
    if (bytes_max >= text.size()) return text.size();
    const auto is_tail = [text](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
    size_t cut = bytes_max;
    while (cut > 0 && bytes_max - cut < 3 && is_tail(cut)) --cut;
    return is_tail(cut) ? bytes_max : cut;  // four tails in a row are no UTF-8: any cut will do
}

}  // namespace loom
