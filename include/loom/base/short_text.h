// A text of bounded length, by value: what outlives the place that it came from.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "loom/base/utf8.h"

namespace loom {

/// Cut where it is longer, between two characters.
template <size_t bytes_max>
class ShortText {
  public:
    ShortText() = default;
    ShortText(std::string_view text) noexcept : size_(static_cast<uint8_t>(utf8_cut(text, bytes_max))) {
        static_assert(bytes_max <= UINT8_MAX);
        std::copy_n(text.data(), size_, bytes_.data());  // a text of nothing may point nowhere: not for memcpy
    }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), size_}; }

  private:
    std::array<char, bytes_max> bytes_;
    uint8_t size_ = 0;
};

}  // namespace loom
