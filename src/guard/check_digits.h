// Check digits, over digits as numbers from 0 to 9. Each says where it is from.
#pragma once

#include <cstdint>
#include <span>

namespace loom::guard {

using Digits = std::span<const uint8_t>;

/// ISO/IEC 7812-1, annex B: every second digit from the right is doubled.
[[nodiscard]] constexpr bool luhn(Digits digits) noexcept {
    uint32_t sum = 0;
    bool twice = false;
    for (size_t i = digits.size(); i-- > 0; twice = !twice) {
        const uint32_t value = digits[i] * (twice ? 2u : 1u);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10 == 0;
}

/// The sum of weight × digit.
[[nodiscard]] constexpr uint32_t weighted(Digits digits, std::span<const uint8_t> weights) noexcept {
    uint32_t sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) sum += uint32_t{digits[i]} * weights[i];
    return sum;
}

/// ISO/IEC 7064, MOD 11,10, the last digit being the check digit.
[[nodiscard]] constexpr bool mod_11_10(Digits digits) noexcept {
    uint32_t check = 5;
    for (uint8_t digit : digits) check = ((check == 0 ? 10 : check) * 2 % 11 + digit) % 10;
    return check == 1;
}

/// J. Verhoeff, Error detecting decimal codes (1969): products in the dihedral group of ten elements.
[[nodiscard]] constexpr bool verhoeff(Digits digits) noexcept {
    constexpr uint8_t permutation[10] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
    const auto product = [](uint32_t a, uint32_t b) {
        if (a < 5) return b < 5 ? (a + b) % 5 : (a + b - 5) % 5 + 5;
        return b < 5 ? (a - 5 + 5 - b) % 5 + 5 : (a - b + 5) % 5;
    };
    uint32_t check = 0;
    for (size_t i = 0; i < digits.size(); ++i) {
        uint8_t digit = digits[digits.size() - 1 - i];
        for (size_t times = i % 8; times > 0; --times) digit = permutation[digit];
        check = product(check, digit);
    }
    return check == 0;
}

[[nodiscard]] constexpr bool all_same(Digits digits) noexcept {
    for (uint8_t digit : digits)
        if (digit != digits[0]) return false;
    return true;
}

}  // namespace loom::guard
