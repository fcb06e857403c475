// The United States: social security numbers (SSA, "Social Security Number Randomization": areas 000, 666 and 900 to
// 999, group 00 and serial 0000 are never issued), ITINs (IRS Publication 1915: 9xx, the fourth and fifth digit 50-65,
// 70-88, 90-92, 94-99), routing numbers (ABA: 3-7-1 check and Federal Reserve prefixes), passports (no check digit).
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view ssn_words[] = {"ssn", "social security", "soc sec", "social-security", "social_security"};
constexpr std::string_view itin_words[] = {"itin", "taxpayer", "tin", "tax id"};
constexpr std::string_view routing_words[] = {"routing", "aba", "rtn", "transit", "bank"};
constexpr std::string_view passport_words[] = {"passport"};

/// Nine digits: "123-45-6789", or with blanks or without anything beside a word that tells.
bool nine_digits(Probe& probe, Words words, Match& match) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 9 || number.plus) return false;
    uint32_t groups = 3;
    bool clear = false;
    if (number.grouped({3, 2, 4}, '-')) {
        clear = true;
    } else if (number.plain(9)) {
        groups = 1;
    } else if (!number.grouped({3, 2, 4}, ' ')) {
        return false;
    }
    match = {number.begin, number.end_of(groups - 1)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return false;
    return clear || probe.has_context(match.begin, words);
}

uint32_t value(const Number& number, uint32_t first, uint32_t count) noexcept {
    uint32_t sum = 0;
    for (uint32_t i = first; i < first + count; ++i) sum = sum * 10 + number.digit[i];
    return sum;
}

}  // namespace

Match find_ssn(Probe& probe) noexcept {
    Match match;
    if (!nine_digits(probe, ssn_words, match)) return {};
    const Number& number = probe.number();
    const uint32_t area = value(number, 0, 3), group = value(number, 3, 2), serial = value(number, 5, 4);
    if (area == 0 || area == 666 || area >= 900 || group == 0 || serial == 0) return {};
    // Printed on cards that were sold in wallets, and in a leaflet.
    if ((area == 78 && group == 5 && serial == 1120) || (area == 219 && group == 9 && serial == 9999)) return {};
    return match;
}

Match find_itin(Probe& probe) noexcept {
    Match match;
    if (!nine_digits(probe, itin_words, match)) return {};
    const Number& number = probe.number();
    const uint32_t group = value(number, 3, 2);
    const bool issued = (group >= 50 && group <= 65) || (group >= 70 && group <= 88) || (group >= 90 && group <= 92) ||
                        (group >= 94 && group <= 99);
    return number.digit[0] == 9 && issued ? match : Match{};
}

Match find_bank_routing(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (!number.plain(9)) return {};
    const uint32_t prefix = value(number, 0, 2);
    const bool reserve =
        prefix <= 12 || (prefix >= 21 && prefix <= 32) || (prefix >= 61 && prefix <= 72) || prefix == 80;
    constexpr uint8_t weights[] = {3, 7, 1, 3, 7, 1, 3, 7, 1};
    if (!reserve || all_same(number.digits(9)) || weighted(number.digits(9), weights) % 10 != 0) return {};
    const Match match{number.begin, number.end_of(0)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return {};
    return probe.has_context(match.begin, routing_words) ? match : Match{};
}

Match find_us_passport(Probe& probe) noexcept {
    const Number& number = probe.number();
    const bool letter = number.plain(8) && is_upper(probe.text.at(number.begin - 1));
    if (!letter && !number.plain(9)) return {};
    const Match match{number.begin - (letter ? 1 : 0), number.end_of(0)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return {};
    return probe.has_context(match.begin, passport_words) ? match : Match{};
}

}  // namespace loom::guard
