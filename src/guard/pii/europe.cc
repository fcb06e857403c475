// The persons' numbers of the Netherlands, Poland and Portugal, of Germany and Spain. Those whose one check digit lets
// one number in ten or eleven through are only taken beside a word that tells, or in groups that nothing else is
// written in.
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view de_words[] = {"steuer", "idnr",      "id-nr", "tax id", "tax-id", "identifikationsnummer",
                                         "tin",    "german tax"};
constexpr std::string_view nl_words[] = {"bsn", "burgerservice", "sofinummer", "sofi", "citizen service"};
constexpr std::string_view pl_words[] = {"pesel"};
constexpr std::string_view pt_words[] = {"nif", "contribuinte", "fiscal"};

/// Plain, or in the groups of `spaced`.
Match standing(Probe& probe, bool spaced, uint32_t spaced_groups) noexcept {
    const Number& number = probe.number();
    const Match match{number.begin, number.end_of(spaced ? spaced_groups - 1 : 0)};
    return !number.plus && free_before(probe.text, match.begin) && free_after(probe.text, match.end) ? match : Match{};
}

bool good_date(Digits digits) noexcept {
    const uint32_t month = (digits[2] * 10u + digits[3]) % 20, day = digits[4] * 10u + digits[5];
    constexpr uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

}  // namespace

/// Steuerliche Identifikationsnummer (Bundeszentralamt für Steuern; ISO/IEC 7064, MOD 11,10): of the first ten digits
/// exactly one stands there twice or three times.
Match find_de_tax_id(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 11 || number.digit[0] == 0) return {};
    const bool spaced = number.grouped({2, 3, 3, 3}, ' ');
    if (!spaced && !number.plain(11)) return {};
    uint8_t counts[10] = {};
    for (uint8_t digit : number.digits(10)) counts[digit] += 1;
    uint32_t repeated = 0, most = 0;
    for (uint8_t count : counts) {
        repeated += count > 1;
        most = count > most ? count : most;
    }
    if (repeated != 1 || most > 3 || !mod_11_10(number.digits(11))) return {};
    const Match match = standing(probe, spaced, 4);
    return match && (spaced || probe.has_context(match.begin, de_words)) ? match : Match{};
}

/// Burgerservicenummer (Wet algemene bepalingen burgerservicenummer): weights 9 to 2 and -1, modulo 11.
Match find_nl_bsn(Probe& probe) noexcept {
    const Number& number = probe.number();
    const bool dotted = number.grouped({4, 2, 3}, '.');
    const bool spaced = dotted || number.grouped({3, 3, 3}, ' ');
    if (number.digit_count < 9 || (!spaced && !number.plain(9))) return {};
    constexpr uint8_t weights[] = {9, 8, 7, 6, 5, 4, 3, 2, 10};  // 10 is -1 modulo 11
    if (all_same(number.digits(9)) || weighted(number.digits(9), weights) % 11 != 0) return {};
    const Match match = standing(probe, spaced, 3);
    return match && probe.has_context(match.begin, nl_words) ? match : Match{};
}

/// PESEL (Ustawa o ewidencji ludności): the date of birth, the century in the month, weights 1 3 7 9.
Match find_pl_pesel(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (!number.plain(11)) return {};
    constexpr uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1};
    if (!good_date(number.digits(11)) || weighted(number.digits(11), weights) % 10 != 0) return {};
    const Match match = standing(probe, false, 1);
    return match && probe.has_context(match.begin, pl_words) ? match : Match{};
}

/// Número de identificação fiscal (Decreto-Lei 14/2013): weights 9 to 2, modulo 11.
Match find_pt_nif(Probe& probe) noexcept {
    const Number& number = probe.number();
    const bool spaced = number.grouped({3, 3, 3}, ' ');
    if (number.digit_count < 9 || (!spaced && !number.plain(9))) return {};
    constexpr uint8_t weights[] = {9, 8, 7, 6, 5, 4, 3, 2};
    const uint32_t remainder = weighted(number.digits(9), weights) % 11;
    const uint32_t check = remainder < 2 ? 0 : 11 - remainder;
    if (number.digit[0] == 0 || number.digit[0] == 7 || number.digit[8] != check) return {};
    const Match match = standing(probe, spaced, 3);
    return match && probe.has_context(match.begin, pt_words) ? match : Match{};
}

/// DNI and NIE (Ministerio del Interior, "Cálculo del dígito de control del NIF/NIE"): the number modulo 23 is a
/// letter. "12345678Z", "12.345.678-Z", "X1234567L".
Match find_es_dni(Probe& probe) noexcept {
    Window& text = probe.text;
    const Number& number = probe.number();
    const int before = text.at(number.begin - 1);
    const bool foreign = before >= 'X' && before <= 'Z' && number.plain(7);
    const bool dotted = number.group_count == 3 && number.grouped({2, 3, 3}, '.');
    if (!foreign && !dotted && !(number.plain(8) && number.group_count == 1)) return {};
    uint32_t sum = foreign ? static_cast<uint32_t>(before - 'X') : 0;
    for (uint8_t digit : number.digits(foreign ? 7 : 8)) sum = (sum * 10 + digit) % 23;
    Pos end = number.end_of(dotted ? 2 : 0);
    if (text.at(end) == '-') end += 1;
    constexpr std::string_view letters = "TRWAGMYFPDXBNJZSQVHLCKE";
    const Pos begin = number.begin - (foreign ? 1 : 0);
    if (text.at(end) != letters[sum] || !free_before(text, begin) || !free_after(text, end + 1)) return {};
    return {begin, end + 1};
}

}  // namespace loom::guard
