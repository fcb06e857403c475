// India's Aadhaar (UIDAI: twelve digits, the first from 2 to 9, Verhoeff's check digit) and Australia's tax file
// numbers (ATO: weights 1 4 3 7 5 8 6 9 10, modulo 11) and Medicare numbers (Services Australia: weights 1 3 7 9,
// modulo 10).
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view aadhaar_words[] = {"aadhaar", "aadhar", "uidai", "uid",
                                              "\xe0\xa4\x86\xe0\xa4\xa7\xe0\xa4\xbe\xe0\xa4\xb0"};
constexpr std::string_view tfn_words[] = {"tfn", "tax file"};
constexpr std::string_view medicare_words[] = {"medicare"};

Match standing(Probe& probe, uint32_t last_group) noexcept {
    const Number& number = probe.number();
    const Match match{number.begin, number.end_of(last_group)};
    return !number.plus && free_before(probe.text, match.begin) && free_after(probe.text, match.end) ? match : Match{};
}

}  // namespace

Match find_in_aadhaar(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 12 || number.digit[0] < 2) return {};
    const bool spaced = number.grouped({4, 4, 4}, ' ') || number.grouped({4, 4, 4}, '-');
    // The end of a card's number is written the same.
    if (spaced && probe.text.at(number.begin - 1) == number.group[1].gap && is_digit(probe.text.at(number.begin - 2)))
        return {};
    if (!spaced && !number.plain(12)) return {};
    const Digits digits = number.digits(12);
    bool palindrome = true;
    for (uint32_t i = 0; i < 6; ++i) palindrome &= digits[i] == digits[11 - i];
    if (palindrome || !verhoeff(digits)) return {};
    const Match match = standing(probe, spaced ? 2 : 0);
    const bool clear = spaced && !follows_digits(probe.text, match.begin);
    return match && (clear || probe.has_context(match.begin, aadhaar_words)) ? match : Match{};
}

Match find_au_tfn(Probe& probe) noexcept {
    const Number& number = probe.number();
    const bool spaced = number.grouped({3, 3, 3}, ' ');
    if (number.digit_count < 9 || (!spaced && !number.plain(9))) return {};
    constexpr uint8_t weights[] = {1, 4, 3, 7, 5, 8, 6, 9, 10};
    if (all_same(number.digits(9)) || weighted(number.digits(9), weights) % 11 != 0) return {};
    const Match match = standing(probe, spaced ? 2 : 0);
    return match && probe.has_context(match.begin, tfn_words) ? match : Match{};
}

/// The tenth digit counts the cards that were issued; one more names a person of the family.
Match find_au_medicare(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 10 || number.digit[0] < 2 || number.digit[0] > 6) return {};
    const bool spaced = number.grouped({4, 5, 1}, ' ');
    if (!spaced && !number.plain(10) && !number.plain(11)) return {};
    constexpr uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9};
    if (weighted(number.digits(8), weights) % 10 != number.digit[8]) return {};
    const Match match = standing(probe, spaced ? 2 : 0);
    return match && (spaced || probe.has_context(match.begin, medicare_words)) ? match : Match{};
}

}  // namespace loom::guard
