#include "loom/base/money.h"

#include "loom/base/assert.h"

namespace loom {
namespace {

constexpr const char* no_decimal = "expected a decimal such as 2.5";
constexpr const char* too_large = "is too large";

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

std::expected<Money, const char*> parse_money(std::string_view text, int divisor_digits) noexcept {
    LOOM_ASSERT(divisor_digits >= 0 && divisor_digits <= money_decimals);
    if (text.starts_with('-')) return std::unexpected("must not be below 0");
    int decimals_left = money_decimals - divisor_digits;
    unsigned __int128 amount = 0;
    bool any = false, behind_point = false;
    for (const char c : text) {
        if (c == '.' && !behind_point) {
            behind_point = true;
            continue;
        }
        if (!is_digit(c)) return std::unexpected(no_decimal);
        any = true;
        if (behind_point && decimals_left == 0 && c == '0') continue;
        if (behind_point && decimals_left-- == 0) return std::unexpected("has more decimals than are counted");
        amount = amount * 10 + static_cast<unsigned>(c - '0');
        if (amount > static_cast<unsigned __int128>(money_max)) return std::unexpected(too_large);
    }
    if (!any) return std::unexpected(no_decimal);
    for (; decimals_left > 0; --decimals_left) amount *= 10;
    if (amount > static_cast<unsigned __int128>(money_max)) return std::unexpected(too_large);
    return static_cast<Money>(amount);
}

MoneyText::MoneyText(unsigned __int128 amount) noexcept {
    size_t at = text.size();
    size_t zeros = 0;  // at the end, not written
    for (int i = 0; i < money_decimals; ++i) {
        const auto digit = static_cast<char>('0' + static_cast<int>(amount % 10));
        amount /= 10;
        if (digit == '0' && zeros == static_cast<size_t>(i)) {
            zeros += 1;
            continue;
        }
        text[--at] = digit;
    }
    if (at < text.size()) text[--at] = '.';
    do {
        text[--at] = static_cast<char>('0' + static_cast<int>(amount % 10));
        amount /= 10;
    } while (amount != 0);
    begin = static_cast<uint8_t>(at);
}

}  // namespace loom
