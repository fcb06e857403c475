#include <algorithm>
#include <array>

#include "phone.h"

namespace loom::guard {

namespace {

constexpr CallingCode codes[] = {
    {1, 10, 10},   {7, 10, 10},  {20, 8, 10},  {27, 9, 9},   {30, 10, 10}, {31, 9, 9},   {32, 8, 9},   {33, 9, 9},
    {34, 9, 9},    {36, 8, 9},   {39, 8, 11},  {40, 9, 9},   {41, 9, 9},   {43, 7, 13},  {44, 9, 10},  {45, 8, 8},
    {46, 7, 9},    {47, 8, 8},   {48, 9, 9},   {49, 7, 12},  {51, 8, 9},   {52, 10, 10}, {53, 8, 8},   {54, 10, 11},
    {55, 10, 11},  {56, 9, 9},   {57, 10, 10}, {58, 10, 10}, {60, 8, 10},  {61, 9, 9},   {62, 8, 12},  {63, 8, 10},
    {64, 8, 10},   {65, 8, 8},   {66, 8, 9},   {81, 9, 10},  {82, 8, 10},  {84, 9, 10},  {86, 10, 11}, {90, 10, 10},
    {91, 10, 10},  {92, 9, 10},  {93, 9, 9},   {94, 9, 9},   {95, 7, 10},  {98, 10, 10}, {211, 9, 9},  {212, 9, 9},
    {213, 8, 9},   {216, 8, 8},  {218, 9, 9},  {220, 7, 9},  {221, 9, 9},  {222, 8, 8},  {223, 8, 8},  {224, 8, 9},
    {225, 10, 10}, {226, 8, 8},  {227, 8, 8},  {228, 8, 8},  {229, 8, 10}, {230, 7, 8},  {231, 7, 9},  {232, 8, 8},
    {233, 9, 9},   {234, 8, 10}, {235, 8, 8},  {236, 8, 8},  {237, 8, 9},  {238, 7, 7},  {239, 7, 7},  {240, 9, 9},
    {241, 7, 8},   {242, 9, 9},  {243, 7, 9},  {244, 9, 9},  {245, 7, 9},  {246, 7, 7},  {248, 7, 7},  {249, 9, 9},
    {250, 9, 9},   {251, 9, 9},  {252, 7, 9},  {253, 8, 8},  {254, 9, 9},  {255, 9, 9},  {256, 9, 9},  {257, 8, 8},
    {258, 8, 9},   {260, 9, 9},  {261, 9, 9},  {262, 9, 9},  {263, 8, 10}, {264, 8, 9},  {265, 7, 9},  {266, 8, 8},
    {267, 7, 8},   {268, 8, 8},  {269, 7, 7},  {291, 7, 7},  {297, 7, 7},  {350, 8, 8},  {351, 9, 9},  {352, 8, 11},
    {353, 8, 9},   {354, 7, 9},  {355, 8, 9},  {356, 8, 8},  {357, 8, 8},  {358, 7, 11}, {359, 8, 9},  {370, 8, 8},
    {371, 8, 8},   {372, 7, 8},  {373, 8, 8},  {374, 8, 8},  {375, 9, 9},  {376, 6, 9},  {377, 8, 9},  {378, 8, 10},
    {380, 9, 9},   {381, 8, 9},  {382, 8, 9},  {383, 8, 9},  {385, 8, 9},  {386, 8, 8},  {387, 8, 9},  {389, 8, 8},
    {420, 9, 9},   {421, 9, 9},  {423, 7, 9},  {501, 7, 7},  {502, 8, 8},  {503, 8, 8},  {504, 8, 8},  {505, 8, 8},
    {506, 8, 8},   {507, 7, 8},  {509, 8, 8},  {590, 9, 9},  {591, 8, 8},  {592, 7, 7},  {593, 8, 9},  {594, 9, 9},
    {595, 9, 9},   {596, 9, 9},  {597, 6, 7},  {598, 8, 8},  {599, 7, 8},  {670, 7, 8},  {673, 7, 7},  {674, 7, 7},
    {675, 7, 8},   {676, 7, 7},  {677, 7, 7},  {678, 7, 7},  {679, 7, 7},  {680, 7, 7},  {685, 7, 10}, {686, 8, 8},
    {689, 8, 8},   {691, 7, 7},  {692, 7, 7},  {800, 8, 8},  {850, 8, 10}, {852, 8, 8},  {853, 8, 8},  {855, 8, 9},
    {856, 8, 10},  {880, 8, 10}, {886, 8, 9},  {960, 7, 7},  {961, 7, 8},  {962, 8, 9},  {963, 8, 9},  {964, 8, 10},
    {965, 8, 8},   {966, 9, 9},  {967, 7, 9},  {968, 8, 8},  {970, 8, 9},  {971, 8, 9},  {972, 8, 9},  {973, 8, 8},
    {974, 8, 8},   {975, 7, 8},  {976, 8, 8},  {977, 8, 10}, {992, 9, 9},  {993, 8, 8},  {994, 9, 9},  {995, 9, 9},
    {996, 9, 9},   {998, 9, 9},
};

constexpr std::string_view all_gaps = " -.";

// What the countries' own numbering plans and their people write (libphonenumber's formats, and Wikipedia's "National
// conventions for writing telephone numbers").
constexpr NationalForm rows[] = {
    {"US CA", {3, 3, 4}, "N", "-.", false, true},
    {"US CA", {3, 3, 4}, "N", "-. ", true, true},
    {"US CA", {3, 3, 4}, "N", " ", false, false},
    {"US CA", {1, 3, 3, 4}, "1N", "-.", false, true},
    {"US CA", {10}, "N", "", false, false},
    {"US CA", {11}, "1N", "", false, false},
    {"GB", {5, 6}, "07 01 02", " ", false, true},
    {"GB", {5, 3, 3}, "07 01 02", " -", false, true},
    {"GB JP", {3, 4, 4}, "020 023 024 028 029 03 050 070 080 090", all_gaps, false, true},
    {"GB", {3, 4, 4}, "020 023 024 028 029", " ", true, true},
    {"GB", {4, 3, 4}, "011 0121 0131 0141 0151 0161 0171 0181 0191 03 08", " -", false, true},
    {"GB", {11}, "01 02 03 07 08", "", false, false},
    {"FR", {2, 2, 2, 2, 2}, "01 02 03 04 05 06 07 08 09", all_gaps, false, true},
    {"FR NL BE AU JP", {10}, "0", "", false, false},
    {"BE", {4, 2, 2, 2}, "04", all_gaps, false, true},
    {"NL", {2, 8}, "06", "- ", false, true},
    {"NL", {3, 7}, "0", "-", false, true},
    {"NL", {3, 3, 4}, "0", " -", false, false},
    {"CH", {3, 3, 2, 2}, "02 03 04 05 06 07 08", " .", false, true},
    {"SE", {3, 3, 2, 2}, "07", " -", false, true},
    {"DE AT", {4, 7}, "01", " -/", false, false},
    {"DE AT", {4, 8}, "01", " -/", false, false},
    {"DE AT", {4, 6}, "0", " -/", false, false},
    {"DE AT", {5, 6}, "0", " -/", false, false},
    {"DE AT", {5, 7}, "0", " -/", false, false},
    {"DE AT", {3, 8}, "0", " -/", false, false},
    {"DE AT", {3, 7}, "0", " -/", false, false},
    {"DE AT", {3, 6}, "0", " -/", false, false},
    {"DE AT", {4, 3, 4}, "0", " -/", false, false},
    {"DE AT", {4, 4, 4}, "0", " -/", false, false},
    {"DE AT", {11}, "0", "", false, false},
    {"DE AT", {12}, "0", "", false, false},
    {"ES PT PL", {3, 3, 3}, "2 4 5 6 7 8 9", all_gaps, false, false},
    {"ES", {3, 2, 2, 2}, "6 7 8 9", all_gaps, false, true},
    {"ES PT PL", {9}, "2 4 5 6 7 8 9", "", false, false},
    {"IT", {3, 3, 4}, "3", all_gaps, false, false},
    {"IT", {3, 7}, "3", all_gaps, false, false},
    {"IT", {2, 8}, "02 06", " -/", false, false},
    {"IT IN MX", {10}, "3 6 7 8 9 5", "", false, false},
    {"BR", {2, 5, 4}, "1 2 3 4 5 6 7 8 9", "- ", true, true},
    {"BR", {2, 4, 4}, "1 2 3 4 5 6 7 8 9", "- ", true, true},
    {"BR", {2, 5, 4}, "1 2 3 4 5 6 7 8 9", "- ", false, false},
    {"IN", {5, 5}, "6 7 8 9", " -", false, false},
    {"AU", {4, 3, 3}, "04 13 18", " -", false, true},
    {"AU", {2, 4, 4}, "02 03 07 08", " -", true, true},
    {"AU", {2, 4, 4}, "02 03 07 08", " ", false, false},
    {"JP KR", {2, 4, 4}, "02 03 06", "-", false, true},
    {"JP KR", {3, 4, 4}, "01", "-. ", false, true},
    {"JP", {3, 3, 4}, "0", "-", false, false},
    {"CN", {3, 4, 4}, "13 14 15 16 17 18 19", " -", false, true},
    {"CN", {11}, "13 14 15 16 17 18 19", "", false, false},
    {"CN", {3, 8}, "010 02", "-", false, false},
    {"CN", {4, 8}, "03 04 05 07", "-", false, false},
    {"MX", {2, 4, 4}, "33 55 56 81", " -", false, false},
    {"MX", {3, 3, 4}, "N", " ", false, false},
    {"TR", {4, 3, 2, 2}, "05 02 03", " -", false, true},
    {"RU", {1, 3, 3, 2, 2}, "8", " -", false, true},
    {"RU", {11}, "8", "", false, false},
    {"ZA", {3, 3, 4}, "06 07 08 01", " -", false, false},
    {"DK NO", {2, 2, 2, 2}, "2 3 4 5 6 7 8 9", " ", false, false},
    {"DK NO", {3, 2, 3}, "4 9", " ", false, false},
    {"DK NO", {8}, "2 3 4 5 6 7 8 9", "", false, false},
};

constexpr auto forms = [] {
    auto sorted = std::to_array(rows);
    std::ranges::sort(sorted, {}, [](const NationalForm& form) { return form.groups[0]; });
    return sorted;
}();
constexpr uint32_t first_count_max = 13;
constexpr auto first_of = [] {
    std::array<uint8_t, first_count_max + 1> first{};
    for (uint32_t count = 0; count <= first_count_max; ++count)
        first[count] = static_cast<uint8_t>(
            std::ranges::count_if(forms, [&](const NationalForm& form) { return form.groups[0] < count; }));
    return first;
}();
static_assert(first_of[first_count_max] == forms.size());

}  // namespace

const CallingCode* calling_code(std::span<const uint8_t> digits) noexcept {
    uint32_t code = 0;
    for (size_t length = 1; length <= 3 && length <= digits.size(); ++length) {
        code = code * 10 + digits[length - 1];
        const auto* row = std::ranges::find(codes, code, &CallingCode::code);
        if (row != std::end(codes)) return row;  // no code is the beginning of another
    }
    return nullptr;
}

std::span<const NationalForm> national_forms(uint32_t first_count) noexcept {
    if (first_count >= first_count_max) return {};
    return std::span(forms).subspan(first_of[first_count], first_of[first_count + 1] - first_of[first_count]);
}

}  // namespace loom::guard
