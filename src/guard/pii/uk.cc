// The United Kingdom: national insurance numbers (HMRC, NIM39110: the letters that are given out, no check digit) and
// NHS numbers (NHS Data Dictionary: weights 10 to 2, modulo 11).
#include "detectors.h"

namespace loom::guard {

namespace {

constexpr std::string_view nhs_words[] = {"nhs", "patient"};

bool good_prefix(int first, int second) noexcept {
    const auto among = [](int c, std::string_view letters) {
        return letters.find(static_cast<char>(c)) != letters.npos;
    };
    if (!is_upper(first) || !is_upper(second) || among(first, "DFIQUV") || among(second, "DFIOQUV")) return false;
    for (std::string_view never : {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
        if (first == never[0] && second == never[1]) return false;
    return true;
}

}  // namespace

Match find_uk_nino(Probe& probe) noexcept {
    Window& text = probe.text;
    const Number& number = probe.number();
    // "AB123456C", "AB 12 34 56 C"
    const bool spaced = number.group_count == 3 && number.grouped({2, 2, 2}, ' ');
    if (!spaced && !(number.plain(6) && number.group_count == 1)) return {};
    const Pos letters = number.begin - (text.at(number.begin - 1) == ' ' ? 3 : 2);
    if (!good_prefix(text.at(letters), text.at(letters + 1)) || !free_before(text, letters)) return {};
    Pos end = number.end_of(number.group_count - 1);
    if (text.at(end) == ' ') end += 1;
    const int suffix = text.at(end);
    if (suffix < 'A' || suffix > 'D' || !free_after(text, end + 1)) return {};
    return {letters, end + 1};
}

Match find_uk_nhs(Probe& probe) noexcept {
    const Number& number = probe.number();
    if (number.digit_count < 10) return {};
    const bool spaced = number.grouped({3, 3, 4}, ' ') || number.grouped({3, 3, 4}, '-');
    if (!spaced && !number.plain(10)) return {};
    constexpr uint8_t weights[] = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    const Digits digits = number.digits(10);
    if (all_same(digits) || weighted(digits, weights) % 11 != 0) return {};
    const Match match{number.begin, number.end_of(spaced ? 2 : 0)};
    if (!free_before(probe.text, match.begin) || !free_after(probe.text, match.end)) return {};
    return probe.has_context(match.begin, nhs_words) ? match : Match{};
}

}  // namespace loom::guard
