#include "loom/store/usage_period.h"

#include <fmt/format.h>

#include <chrono>

#include "loom/base/timestamp.h"

namespace loom::store {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month;

UsageDay number_of(sys_days date) { return date.time_since_epoch().count(); }

UsagePeriod month_at(year_month when) {
    return {.text = fmt::format("{:04}-{:02}", static_cast<int>(when.year()), static_cast<unsigned>(when.month())),
            .from = number_of(sys_days(when / day(1))),
            .to = number_of(sys_days(when / std::chrono::last))};
}

}  // namespace

uint64_t UsagePeriod::begin_us() const noexcept { return static_cast<uint64_t>(from) * us_per_usage_day; }
uint64_t UsagePeriod::end_us() const noexcept { return static_cast<uint64_t>(to + 1) * us_per_usage_day; }

std::optional<UsagePeriod> parse_usage_period(std::string_view text) {
    const bool is_month = text.size() == 7;
    const auto begin_s = parse_date(is_month ? fmt::format("{}-01", text) : std::string(text));
    if (!begin_s || *begin_s < 0) return std::nullopt;
    const UsageDay number = *begin_s / 86'400;
    if (is_month) return usage_month_of(number);
    return UsagePeriod{.text = std::string(text), .from = number, .to = number};
}

UsagePeriod usage_month_of(UsageDay number) {
    const std::chrono::year_month_day date{sys_days{days{number}}};
    return month_at(date.year() / date.month());
}

}  // namespace loom::store
