// A number as people write it: digits in groups, with one or two signs between them. It is read once for all detectors
// of numbers.
#pragma once

#include <array>
#include <initializer_list>

#include "check_digits.h"
#include "window.h"

namespace loom::guard {

struct Number {
    static constexpr uint32_t digits_max = 32;
    static constexpr uint32_t groups_max = 7;  // one more than any number has
    /// From its first byte to the last that is looked at.
    static constexpr Pos bytes_max = 72;

    struct Group {
        uint8_t first = 0;  // the index of its first digit
        uint8_t count = 0;
        uint8_t end = 0;      // bytes from the beginning of the number
        char gap = 0;         // the sign before it: ' ', '-', '.', '/' or ')'; '(' where one opens
        char second_gap = 0;  // the one behind that: ") ", " ("
    };

    Pos begin = 0;        // its first digit
    bool plus = false;    // "+49"
    bool opened = false;  // "(555)"
    uint8_t digit_count = 0;
    uint8_t group_count = 0;
    std::array<uint8_t, digits_max> digit;
    std::array<Group, groups_max> group;

    [[nodiscard]] Digits digits(uint32_t count) const noexcept { return {digit.data(), count}; }
    [[nodiscard]] Pos end_of(uint32_t group_index) const noexcept { return begin + group[group_index].end; }
    /// Of its first group; 0 where it is longer than anything that has a meaning.
    [[nodiscard]] uint32_t first_count() const noexcept { return group_count == 0 ? 0u : group[0].count; }
    /// With the signs before it.
    [[nodiscard]] Pos first() const noexcept { return begin - (plus ? 1 : 0) - (opened ? 1 : 0); }
    /// How many digits its first `count` groups have.
    [[nodiscard]] uint32_t digits_in(uint32_t count) const noexcept {
        return count == 0 ? 0u : group[count - 1].first + uint32_t{group[count - 1].count};
    }
    /// The first groups have these lengths, with `gap` alone between them, and no more of the kind follows.
    [[nodiscard]] bool grouped(std::initializer_list<uint8_t> lengths, char gap) const noexcept;
    /// One group of so many digits, and no more.
    [[nodiscard]] bool plain(uint32_t count) const noexcept { return group[0].count == count; }
};

/// Whether digits stand before it, apart by blanks alone: then it may be a part of a table.
[[nodiscard]] bool follows_digits(Window& text, Pos begin) noexcept;

/// begin  a digit behind a byte that is none.
void read_number(Window& text, Pos begin, Number& number) noexcept;

/// Does what begins here stand for itself, and is not the rest of a longer name or number?
[[nodiscard]] bool free_before(Window& text, Pos begin) noexcept;
[[nodiscard]] bool free_after(Window& text, Pos end) noexcept;

}  // namespace loom::guard
