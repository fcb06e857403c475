#include "loom/base/timestamp.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace loom {
namespace {

constexpr size_t date_bytes = 10;
constexpr size_t seconds_end = 19;

/// So many digits and nothing else.
std::optional<uint32_t> field(std::string_view text, size_t at, size_t size) noexcept {
    uint32_t value = 0;
    const char* const begin = text.data() + at;
    const auto [end, fault] = std::from_chars(begin, begin + size, value);
    if (fault != std::errc() || end != begin + size) return std::nullopt;
    return value;
}

/// What stands behind the seconds.
std::optional<int64_t> offset_s(std::string_view zone) noexcept {
    if (zone.starts_with('.')) zone.remove_prefix(std::min(zone.find_first_not_of("0123456789", 1), zone.size()));
    if (zone == "Z" || zone == "z") return 0;
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
    const auto hours = field(zone, 1, 2), minutes = field(zone, 4, 2);
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    return (int64_t{*hours} * 3600 + *minutes * 60) * (zone[0] == '+' ? 1 : -1);
}

}  // namespace

std::optional<int64_t> parse_date(std::string_view text) noexcept {
    if (text.size() != date_bytes || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = field(text, 0, 4), month = field(text, 5, 2), day = field(text, 8, 2);
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok()) return std::nullopt;
    return int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * 86'400;
}

std::optional<int64_t> parse_rfc3339(std::string_view text) noexcept {
    if (text.size() <= seconds_end || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) return std::nullopt;
    if (text[13] != ':' || text[16] != ':') return std::nullopt;
    const auto midnight_s = parse_date(text.substr(0, date_bytes));
    const auto hour = field(text, 11, 2), minute = field(text, 14, 2), second = field(text, 17, 2);
    const auto ahead_s = offset_s(text.substr(seconds_end));
    if (!midnight_s || !hour || !minute || !second || !ahead_s) return std::nullopt;
    if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;  // 60: a leap second
    return *midnight_s + *hour * 3600 + *minute * 60 + *second - *ahead_s;
}

std::string rfc3339_text(int64_t unix_s) {
    const std::chrono::sys_seconds moment{std::chrono::seconds(unix_s)};
    const auto midnight = std::chrono::floor<std::chrono::days>(moment);
    const std::chrono::year_month_day date(midnight);
    const std::chrono::hh_mm_ss time(moment - midnight);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int{date.year()}, unsigned{date.month()},
                       unsigned{date.day()}, time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace loom
