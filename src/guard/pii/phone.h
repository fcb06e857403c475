// What telephone numbers look like, country by country.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace loom::guard {

/// How many digits follow a country's code (ITU-T E.164 and its list of assigned codes; lengths as in Google's
/// libphonenumber metadata, shortest numbers of a country left out where no subscriber has one).
struct CallingCode {
    uint16_t code;
    uint8_t digits_min, digits_max;
};
[[nodiscard]] const CallingCode* calling_code(std::span<const uint8_t> digits) noexcept;

/// A form that numbers are written in at home: the lengths of its groups, its first digits, the signs between.
struct NationalForm {
    std::string_view countries;
    uint8_t groups[6];          // 0 behind the last
    std::string_view prefixes;  // one of these begins it, apart by blanks; "N" is 2 to 9
    std::string_view gaps;      // one of these stands between all of its groups
    bool opened;                // the first group stands in parentheses
    bool clear;                 // nothing else is written so; else a word has to stand before it
};
/// Those whose first group has so many digits.
[[nodiscard]] std::span<const NationalForm> national_forms(uint32_t first_count) noexcept;

}  // namespace loom::guard
