// Amounts of money, exactly: whole numbers of 10^-12 of a currency's unit, and their decimal text.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>

namespace loom {

/// 10^-12 of a unit of whatever currency prices are told in. A price of up to six decimals for a million tokens is a
/// whole number of them for one, so nothing is rounded, and sums are exact in any order.
using Money = int64_t;
inline constexpr int money_decimals = 12;
inline constexpr Money money_max = INT64_MAX;  // nine million units: what would be more is that

/// Of amounts that are not below 0; money_max where it would be more.
[[nodiscard]] constexpr Money sum_of(Money a, Money b) noexcept { return a > money_max - b ? money_max : a + b; }

/// A decimal such as `2.5` or `.003`, divided by ten to the power of `divisor_digits`: 6 for what is told of a million.
/// divisor_digits  0..12.
/// Errors  what is wrong with the text, for a person: no decimal, below 0, too large, or more decimals than are exact.
[[nodiscard]] std::expected<Money, const char*> parse_money(std::string_view text, int divisor_digits) noexcept;

/// The text of an amount, `0.00125`, without zeros at its end.
struct MoneyText {
    explicit MoneyText(unsigned __int128 amount) noexcept;
    [[nodiscard]] std::string_view view() const noexcept { return {text.data() + begin, text.size() - begin}; }

    std::array<char, 56> text;  // at the end of it: 39 digits, a point and what stands before it
    uint8_t begin;
};

}  // namespace loom
