#include "loom/store/usage_period.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace loom::store {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month;

UsageDay number_of(sys_days date) { return date.time_since_epoch().count(); }

UsagePeriod month_at(year_month when) {
    return {.text = fmt::format("{:04}-{:02}", static_cast<int>(when.year()), static_cast<unsigned>(when.month())),
            .from = number_of(sys_days(when / day(1))),
            .to = number_of(sys_days(when / std::chrono::last))};
}

/// Exactly so many digits.
std::optional<int> digits(std::string_view text) {
    int value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = fault == std::errc() && end == text.data() + text.size() && text.front() != '-';
    return good ? std::optional(value) : std::nullopt;
}

}  // namespace

uint64_t UsagePeriod::begin_us() const noexcept { return static_cast<uint64_t>(from) * us_per_usage_day; }
uint64_t UsagePeriod::end_us() const noexcept { return static_cast<uint64_t>(to + 1) * us_per_usage_day; }

std::optional<UsagePeriod> parse_usage_period(std::string_view text) {
    const bool is_month = text.size() == 7, is_day = text.size() == 10;
    if ((!is_month && !is_day) || text[4] != '-' || (is_day && text[7] != '-')) return std::nullopt;
    const auto y = digits(text.substr(0, 4)), m = digits(text.substr(5, 2));
    if (!y || !m || *y < 1970) return std::nullopt;
    const year_month when = year(*y) / month(static_cast<unsigned>(*m));
    if (!when.ok()) return std::nullopt;
    if (is_month) return month_at(when);
    const auto d = digits(text.substr(8, 2));
    if (!d || !(when / day(static_cast<unsigned>(*d))).ok()) return std::nullopt;
    const UsageDay number = number_of(sys_days(when / day(static_cast<unsigned>(*d))));
    return UsagePeriod{.text = std::string(text), .from = number, .to = number};
}

UsagePeriod usage_month_of(UsageDay number) {
    const std::chrono::year_month_day date{sys_days{days{number}}};
    return month_at(date.year() / date.month());
}

}  // namespace loom::store
