// One place of a text that may belong to something, and what detectors ask about it.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "number.h"
#include "window.h"

namespace loom::guard {

/// Empty where nothing was found.
struct Match {
    Pos begin = 0;
    Pos end = 0;
    explicit operator bool() const noexcept { return end > begin; }
};

using Words = std::span<const std::string_view>;

class Probe {
  public:
    Probe(Window& window, Pos at) noexcept : text(window), anchor(at) {}

    Window& text;
    const Pos anchor;  // the byte that the pre-filter has seen

    /// Of an anchor that is a number's first digit.
    [[nodiscard]] const Number& number() noexcept {
        if (!number_read_) read_number(text, anchor, number_);
        number_read_ = true;
        return number_;
    }
    /// Does one of the words stand in the last `context_bytes` before `begin`, as a word or the beginning of one?
    /// words  in lower case; ASCII is compared without regard to case.
    [[nodiscard]] bool has_context(Pos begin, Words words) noexcept;
    static constexpr Pos context_bytes = 48;

  private:
    void read_context(Pos begin) noexcept;

    bool number_read_ = false;
    Number number_;
    Pos context_of_ = -1;
    uint32_t context_size_ = 0;
    std::array<char, context_bytes> context_;
};

}  // namespace loom::guard
