// Telephone numbers: international ones (ITU-T E.164: '+', a country's code, at most 15 digits), and those that are
// written as at home (phone_table.cc). What may be another number too is only taken beside a word that tells.
#include "phone.h"

#include <optional>

#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view words[] = {
    "phone",
    "telephone",
    "tel",
    "mobile",
    "cell",
    "call",
    "fax",
    "whatsapp",
    "sms",
    "dial",
    "text me",
    "reach me",
    "ring me",
    "hotline",
    "contact",
    "number is",  // English
    "telefon",
    "handy",
    "mobil",
    "rufnummer",
    "anrufen",
    "erreichbar",
    "festnetz",  // German, Nordic, Polish, Turkish
    "t\xc3\xa9l\xc3\xa9phone",
    "t\xc3\xa9l",
    "portable",
    "appelez",
    "joindre",  // French
    "tel\xc3\xa9"
    "fono",
    "telefono",
    "m\xc3\xb3vil",
    "celular",
    "ll\xc3\xa1m",
    "llama",  // Spanish
    "cellulare",
    "chiama",
    "telefone",
    "telem\xc3\xb3vel",
    "ligue",
    "liga",  // Italian, Portuguese
    "telefoon",
    "mobiel",
    "bel ",
    "gsm",
    "kom\xc3\xb3rk",
    "zadzwo",
    "numer",  // Dutch, Polish
    "\xd1\x82\xd0\xb5\xd0\xbb",
    "\xd0\xa2\xd0\xb5\xd0\xbb",
    "\xd0\xbc\xd0\xbe\xd0\xb1\xd0\xb8\xd0\xbb",  // Russian
    "\xe7\x94\xb5\xe8\xaf\x9d",
    "\xe6\x89\x8b\xe6\x9c\xba",
    "\xe9\x9b\xbb\xe8\xa9\xb1",  // Chinese, Japanese
    "\xe6\x90\xba\xe5\xb8\xaf",
    "\xec\xa0\x84\xed\x99\x94",              // Japanese, Korean
    "\xe0\xa4\xab\xe0\xa5\x8b\xe0\xa4\xa8",  // Hindi
};

/// "+44 (0)20 7946 0958": the 0 of those who call from inside is not counted.
bool is_inner_zero(const Number& number, uint32_t group) noexcept {
    return group == 1 && number.group[1].count == 1 && number.digit[number.group[1].first] == 0 &&
           (number.group[1].gap == '(' || number.group[1].second_gap == '(');
}

/// The longest prefix of the groups that is a number of its country.
Match find_international(Probe& probe) noexcept {
    const Number& number = probe.number();
    const CallingCode* const country = calling_code(number.digits(number.digit_count));
    if (country == nullptr) return {};
    const uint32_t code_digits = country->code < 10 ? 1 : country->code < 100 ? 2 : 3;
    if (country->code == 1 && (number.digit_count < 11 || number.digit[1] < 2)) return {};  // no area begins so
    for (uint32_t groups = number.group_count; groups > 0; --groups) {
        uint32_t digits = number.digits_in(groups) - code_digits;
        if (number.digits_in(groups) < code_digits) return {};
        if (groups > 1 && is_inner_zero(number, 1)) digits -= 1;
        if (digits < country->digits_min || digits > country->digits_max) continue;
        const Pos end = number.end_of(groups - 1);
        if (free_after(probe.text, end)) return {number.first(), end};
    }
    return {};
}

bool begins_with_one(const Number& number, std::string_view prefixes) noexcept {
    while (!prefixes.empty()) {
        const size_t length = std::min(prefixes.find(' '), prefixes.size());
        bool same = length <= number.digit_count;
        for (size_t i = 0; i < length && same; ++i) {
            same = prefixes[i] == 'N' ? number.digit[i] >= 2 : number.digit[i] == prefixes[i] - '0';
        }
        if (same) return true;
        prefixes.remove_prefix(std::min(length + 1, prefixes.size()));
    }
    return false;
}

/// Between the groups stands one sign, the same everywhere; behind a first group in parentheses may be a blank.
bool gaps_fit(const Number& number, uint32_t groups, const NationalForm& form) noexcept {
    char sign = 0;
    for (uint32_t i = 1; i < groups; ++i) {
        const Number::Group& group = number.group[i];
        if (form.opened && i == 1) {
            if (group.gap != ')' || (group.second_gap != 0 && group.second_gap != ' ' && group.second_gap != '-'))
                return false;
            continue;
        }
        const bool area = form.groups[0] == 1 && ((i == 1 && group.second_gap == '(') || (i == 2 && group.gap == ')'));
        if (area) continue;  // "8 (495) 123-45-67"
        if (group.second_gap != 0 || form.gaps.find(group.gap) == form.gaps.npos) return false;
        // Brazil and Russia write a blank behind the area and '-' in the rest.
        if (sign != 0 && group.gap != sign && !(sign == ' ' && group.gap == '-' && i >= 2)) return false;
        sign = group.gap;
    }
    // No more of the same follows: that were a longer number.
    return groups == number.group_count || sign == 0 || number.group[groups].gap != sign;
}

/// "01 02 03 04 05": bytes, as programs print them.
bool looks_dumped(const Number& number, uint32_t groups) noexcept {
    for (uint32_t i = 0; i < groups; ++i)
        if (number.group[i].count != 2 || number.digit[number.group[i].first] != 0) return false;
    return true;
}

bool fits(const Number& number, const NationalForm& form, uint32_t& groups) noexcept {
    if (form.opened != number.opened) return false;
    for (groups = 0; groups < 6 && form.groups[groups] != 0; ++groups) {
        if (groups >= number.group_count || number.group[groups].count != form.groups[groups]) return false;
    }
    return begins_with_one(number, form.prefixes) && gaps_fit(number, groups, form);
}

/// Area codes of North America begin with 2 to 9 and do not end as 911 does. Exchanges have the same rule, but the
/// numbers that examples are made of break it ("555-123-4567"), and who masks expects to see them masked.
bool good_for_america(const Number& number, const NationalForm& form) noexcept {
    if (!form.countries.starts_with("US")) return true;
    const uint32_t area = number.digit[0] == 1 && (form.groups[0] == 1 || form.groups[0] == 11) ? 1 : 0;
    if (number.digit[area] < 2 || all_same(number.digits(10))) return false;
    return !(number.digit[area + 1] == 1 && number.digit[area + 2] == 1);
}

Match find_national(Probe& probe) noexcept {
    const Number& number = probe.number();
    Match best;
    std::optional<bool> is_told;  // by a word before it
    for (const NationalForm& form : national_forms(number.group[0].count)) {
        uint32_t groups = 0;
        if (!fits(number, form, groups)) continue;
        if (!good_for_america(number, form)) continue;
        const Match match{number.first(), number.end_of(groups - 1)};
        if (match.end <= best.end || !free_before(probe.text, match.begin) || !free_after(probe.text, match.end))
            continue;
        const bool clear = form.clear && !looks_dumped(number, groups) &&
                           !(groups > 1 && !form.opened && follows_digits(probe.text, number.begin));
        if (!clear && !is_told) is_told = probe.has_context(match.begin, words);
        if (clear || *is_told) best = match;
    }
    return best;
}

}  // namespace

Match find_phone(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 8) return {};
    if (number.plus) {
        const int before = probe.text.at(number.first() - 1);
        return is_name(before) || before == '+' ? Match{} : find_international(probe);
    }
    return find_national(probe);
}

}  // namespace loom::guard
