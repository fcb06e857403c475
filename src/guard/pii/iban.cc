// ISO 13616: two letters of the country, two check digits (ISO/IEC 7064, MOD 97-10), and the country's own number. The
// lengths are those of SWIFT's IBAN Registry.
#include <algorithm>

#include "detectors.h"

namespace loom::guard {

namespace {

struct Country {
    char name[3];
    uint8_t length;
};
constexpr Country countries[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28},
    {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22},
    {"MK", 19}, {"MN", 20}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23},
    {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28},
    {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}, {"YE", 30},
};
constexpr uint8_t length_max = 34;

/// In capitals, and so are the letters behind them: "no12" begins a sentence.
uint8_t length_of(int first, int second) noexcept {
    const auto row = std::ranges::find_if(
        countries, [&](const Country& country) { return country.name[0] == first && country.name[1] == second; });
    return row == std::end(countries) ? 0 : row->length;
}

/// The remainder of what is written behind a place, letters counting from 10.
uint32_t add(uint32_t remainder, int c) noexcept {
    return is_digit(c) ? (remainder * 10 + static_cast<uint32_t>(c - '0')) % 97
                       : (remainder * 100 + static_cast<uint32_t>(c - 'A' + 10)) % 97;
}

}  // namespace

Match find_iban(Probe& probe) noexcept {
    Window& text = probe.text;
    const Pos begin = probe.anchor - 2;
    if (!is_upper(text.at(begin + 1)) || !is_upper(text.at(begin))) return {};
    const uint8_t length = length_of(text.at(begin), text.at(begin + 1));
    if (length == 0 || !is_digit(text.at(begin + 3)) || !free_before(text, begin)) return {};
    char sign[length_max];
    Pos end = begin;
    const int gap = text.at(begin + 4) == ' ' || text.at(begin + 4) == '-' ? text.at(begin + 4) : 0;
    for (uint8_t i = 0; i < length; ++i) {
        if (gap != 0 && i > 0 && i % 4 == 0) {
            if (text.at(end) != gap) return {};
            end += 1;
        }
        const int c = text.at(end);
        if (!is_digit(c) && !is_upper(c)) return {};
        sign[i] = static_cast<char>(c);
        end += 1;
    }
    uint32_t remainder = 0;
    for (uint8_t i = 4; i < length + 4; ++i) remainder = add(remainder, sign[i % length]);
    if (remainder != 1 || !free_after(text, end)) return {};
    return {begin, end};
}

}  // namespace loom::guard
