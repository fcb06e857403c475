// The persons' numbers of France and Italy, which are long, and Brazil's, which have two check digits.
#include <array>

#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view cpf_words[] = {"cpf"};
constexpr std::string_view cnpj_words[] = {"cnpj"};

constexpr uint32_t nir_signs = 15;
constexpr uint32_t fiscal_signs = 16;

/// Brazil's: what is left of a weighted sum modulo 11, 10 and 11 counting as 0.
uint32_t check_of(Digits digits, std::span<const uint8_t> weights) noexcept {
    const uint32_t remainder = weighted(digits, weights) % 11;
    return remainder < 2 ? 0 : 11 - remainder;
}

/// The value of a sign of a fiscal code at a place that counts odd, from 1 (Decreto ministeriale 23 dicembre 1976).
constexpr uint8_t odd_values[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                  20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};

/// A digit, or the letter that stands for one where two persons would have the same code.
int omocodia(int c) noexcept {
    constexpr std::string_view letters = "LMNPQRSTUV";
    if (is_digit(c)) return c - '0';
    const size_t at = c < 0 ? letters.npos : letters.find(static_cast<char>(c));
    return at == letters.npos ? -1 : static_cast<int>(at);
}

bool good_fiscal_code(const std::array<int, fiscal_signs>& sign) noexcept {
    for (uint32_t i : {0, 1, 2, 3, 4, 5, 8, 11, 15})
        if (!is_upper(sign[i])) return false;
    for (uint32_t i : {6, 7, 9, 10, 12, 13, 14})
        if (omocodia(sign[i]) < 0) return false;
    constexpr std::string_view months = "ABCDEHLMPRST";
    if (months.find(static_cast<char>(sign[8])) == months.npos) return false;
    const int day = (omocodia(sign[9]) * 10 + omocodia(sign[10])) % 40;  // 40 more for women
    if (day < 1 || day > 31) return false;
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 1 < fiscal_signs; ++i) {
        const uint32_t value = static_cast<uint32_t>(is_digit(sign[i]) ? sign[i] - '0' : sign[i] - 'A');
        sum += i % 2 == 0 ? odd_values[value] : value;
    }
    return sign[15] == static_cast<int>('A' + sum % 26);
}

}  // namespace

/// NIR (INSEE): sex, year, month, place, order and a key, 97 less the number modulo 97; Corsica's places are 2A and 2B.
Match find_fr_nir(Probe& probe) noexcept {
    Window& text = probe.text;
    const int sex = text.at(probe.anchor);
    if (sex != '1' && sex != '2') return {};
    // It goes on to its end in digits, or to the letter of a place in Corsica, its seventh sign.
    const uint32_t digits = probe.number().digit_count;
    if (digits < nir_signs && digits != 6) return {};
    uint64_t number = 0;
    uint32_t key = 0;
    uint32_t month = 0;
    Pos at = probe.anchor;
    for (uint32_t i = 0; i < nir_signs; ++i, ++at) {
        if (text.at(at) == ' ' && i > 0) at += 1;
        const int c = text.at(at);
        const bool corsica = i == 6 && (c == 'A' || c == 'B') && number % 10 == 2;
        if (!is_digit(c) && !corsica) return {};
        const auto digit = static_cast<uint64_t>(corsica ? 0 : c - '0');
        if (corsica) number = number / 10 * 10 + 1;  // 2A counts as 19, 2B as 18
        if (i < 13) number = number * 10 + (corsica ? (c == 'A' ? 9 : 8) : digit);
        if (i == 3 || i == 4) month = month * 10 + static_cast<uint32_t>(digit);
        if (i >= 13) key = key * 10 + static_cast<uint32_t>(digit);
    }
    if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50) || key != 97 - number % 97) return {};
    return free_before(text, probe.anchor) && free_after(text, at) ? Match{probe.anchor, at} : Match{};
}

/// Codice fiscale (Decreto ministeriale 23 dicembre 1976): letters of the names, date and place of birth, a check
/// letter.
Match find_it_codice_fiscale(Probe& probe) noexcept {
    Window& text = probe.text;
    Pos begin = probe.anchor;
    while (is_alpha(text.at(begin - 1)) && probe.anchor - begin < Pos{fiscal_signs}) begin -= 1;
    if (probe.anchor - begin < 6 || probe.anchor - begin >= Pos{fiscal_signs}) return {};
    std::array<int, fiscal_signs> sign;
    for (uint32_t i = 0; i < fiscal_signs; ++i) {
        sign[i] = upper(text.at(begin + i));
        if (!is_alnum(sign[i])) return {};
    }
    const Pos end = begin + Pos{fiscal_signs};
    return good_fiscal_code(sign) && free_before(text, begin) && free_after(text, end) ? Match{begin, end} : Match{};
}

/// Cadastro de Pessoas Físicas (Receita Federal): "123.456.789-09".
Match find_br_cpf(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 11) return {};
    const bool written = number.group_count >= 4 && number.group[3].gap == '-' && number.group[3].count == 2 &&
                         number.grouped({3, 3, 3}, '.');
    if (!written && !number.plain(11)) return {};
    const Digits digits = number.digits(11);
    constexpr uint8_t weights[] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};
    if (all_same(digits) || digits[9] != check_of(digits, std::span(weights).subspan(1)) ||
        digits[10] != check_of(digits, weights))
        return {};
    const Match match{number.begin, number.end_of(written ? 3 : 0)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return {};
    return written || probe.has_context(match.begin, cpf_words) ? match : Match{};
}

/// Cadastro Nacional da Pessoa Jurídica (Receita Federal): "12.345.678/0001-95".
Match find_br_cnpj(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 14) return {};
    const bool written = number.group_count >= 5 && number.grouped({2, 3, 3}, '.') && number.group[3].gap == '/' &&
                         number.group[3].count == 4 && number.group[4].gap == '-' && number.group[4].count == 2;
    if (!written && !number.plain(14)) return {};
    const Digits digits = number.digits(14);
    constexpr uint8_t weights[] = {6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2};
    if (all_same(digits) || digits[12] != check_of(digits, std::span(weights).subspan(1)) ||
        digits[13] != check_of(digits, weights))
        return {};
    const Match match{number.begin, number.end_of(written ? 4 : 0)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return {};
    return written || probe.has_context(match.begin, cnpj_words) ? match : Match{};
}

}  // namespace loom::guard
