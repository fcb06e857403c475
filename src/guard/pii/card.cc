// Payment cards: the issuers' ranges and lengths (en.wikipedia.org/wiki/Payment_card_number, after ISO/IEC 7812) and
// Luhn's check digit.
#include "detectors.h"

namespace loom::guard {

namespace {

struct Issuer {
    uint32_t first, last;  // the first digits, both ends included
    uint8_t prefix_digits;
    uint8_t length_min, length_max;
};
constexpr Issuer issuers[] = {
    {4, 4, 1, 16, 16},       {4, 4, 1, 19, 19},                                 // Visa; of 13 digits are none in use
    {51, 55, 2, 16, 16},     {2221, 2720, 4, 16, 16},                           // Mastercard
    {34, 34, 2, 15, 15},     {37, 37, 2, 15, 15},                               // American Express
    {6011, 6011, 4, 16, 19}, {644, 649, 3, 16, 19},   {65, 65, 2, 16, 19},      // Discover, RuPay
    {300, 305, 3, 14, 14},   {3095, 3095, 4, 14, 14}, {36, 36, 2, 14, 14},      // Diners Club
    {38, 39, 2, 14, 14},     {3528, 3589, 4, 16, 19},                           // JCB
    {62, 62, 2, 16, 19},     {81, 82, 2, 16, 16},     {60, 60, 2, 16, 16},      // UnionPay, RuPay
    {2200, 2204, 4, 16, 19}, {5018, 5018, 4, 16, 16}, {5020, 5020, 4, 16, 16},  // Mir, Maestro
    {5038, 5038, 4, 16, 16}, {5893, 5893, 4, 16, 16}, {6304, 6304, 4, 16, 16},
    {6759, 6759, 4, 16, 16}, {6761, 6763, 4, 16, 16},
};

constexpr std::string_view words[] = {"card",  "visa",    "mastercard",    "amex",  "credit", "debit",  "karte",
                                      "carte", "tarjeta", "cart\xc3\xa3o", "carta", "kaart",  "diners", "discover"};

bool issued(Digits digits) noexcept {
    for (const Issuer& issuer : issuers) {
        if (digits.size() < issuer.length_min || digits.size() > issuer.length_max) continue;
        uint32_t prefix = 0;
        for (uint32_t i = 0; i < issuer.prefix_digits; ++i) prefix = prefix * 10 + digits[i];
        if (prefix >= issuer.first && prefix <= issuer.last) return true;
    }
    return false;
}

/// How many groups are written as a card's are; 0 for none. Behind four of four may follow more: the code on its back,
/// or the rest of one of nineteen.
uint32_t groups_of_card(const Number& number) noexcept {
    for (char gap : {' ', '-'}) {
        if (number.grouped({4, 6, 5}, gap) || number.grouped({4, 6, 4}, gap)) return 3;
        uint32_t fours = 0;
        while (fours < 4 && fours < number.group_count && number.group[fours].count == 4 &&
               (fours == 0 || (number.group[fours].gap == gap && number.group[fours].second_gap == 0)))
            fours += 1;
        if (fours == 4) return number.grouped({4, 4, 4, 4, 3}, gap) && luhn(number.digits(19)) ? 5 : 4;
    }
    return 0;
}

}  // namespace

Match find_credit_card(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 14) return {};
    const uint32_t first = number.group[0].count;
    uint32_t groups = 1;
    if (first == 4) {
        groups = groups_of_card(number);
    } else if (first < 14 || first > 19) {
        return {};
    }
    if (groups == 0) return {};
    const Digits digits = number.digits(number.digits_in(groups));
    if (!issued(digits) || !luhn(digits)) return {};
    const Pos end = number.end_of(groups - 1);
    if (!free_before(probe.text, number.begin) || !free_after(probe.text, end)) return {};
    // Of 14 and 19 digits are many other numbers too.
    const bool common = digits.size() == 15 || digits.size() == 16 || groups > 1;
    const bool in_table = groups > 1 && follows_digits(probe.text, number.begin);
    if ((!common || in_table) && !probe.has_context(number.begin, words)) return {};
    return {number.begin, end};
}

}  // namespace loom::guard
