#include "loom/route/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace loom::route {
namespace {

constexpr uint64_t longest_wait_ms = uint64_t{365} * 24 * 3600 * 1000;

std::optional<uint64_t> whole_number(std::string_view text) noexcept {
    uint64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end != text.data() + text.size()) return std::nullopt;
    if (fault == std::errc::result_out_of_range) return longest_wait_ms;
    return fault == std::errc() ? std::optional(value) : std::nullopt;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that a sender may use today.
std::optional<int64_t> http_date_s(std::string_view text) noexcept {
    static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    constexpr size_t date_bytes = 29;
    if (text.size() != date_bytes || !text.ends_with(" GMT")) return std::nullopt;
    const auto month = std::find(months.begin(), months.end(), text.substr(8, 3));
    const auto day = whole_number(text.substr(5, 2)), year = whole_number(text.substr(12, 4));
    const auto hour = whole_number(text.substr(17, 2)), minute = whole_number(text.substr(20, 2));
    const auto second = whole_number(text.substr(23, 2));
    if (month == months.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(month - months.begin()) + 1),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return int64_t{days} * 86'400 + static_cast<int64_t>(*hour * 3600 + *minute * 60 + *second);
}

}  // namespace

uint64_t Backoff::pause_ms(uint32_t retry, uint64_t random) const noexcept {
    const uint64_t doubled = retry >= 32 ? longest_ms : first_ms << retry;
    const uint64_t whole_ms = std::min(doubled, longest_ms);
    const uint64_t half_ms = whole_ms / 2;
    return whole_ms - (half_ms == 0 ? 0 : random % (half_ms + 1));
}

void RetryBudget::on_request(uint32_t share) noexcept {
    balance_ = std::min<uint64_t>(balance_ + share, uint64_t{terms_.kept_max} * whole);
}

bool RetryBudget::take(uint64_t now_ms) noexcept {
    if (balance_ >= whole) {
        balance_ -= whole;
        return true;
    }
    if (terms_.free_every_ms == 0 || now_ms < free_at_ms_) return false;
    free_at_ms_ = now_ms + terms_.free_every_ms;
    return true;
}

std::optional<uint64_t> parse_retry_after(std::string_view value, int64_t now_s) noexcept {
    if (const auto seconds = whole_number(value)) return std::min(*seconds, longest_wait_ms / 1000) * 1000;
    const auto at_s = http_date_s(value);
    if (!at_s) return std::nullopt;
    return std::min(static_cast<uint64_t>(std::max<int64_t>(0, *at_s - now_s)), longest_wait_ms / 1000) * 1000;
}

std::optional<uint64_t> parse_retry_after_ms(std::string_view value) noexcept {
    const auto number = whole_number(value.substr(0, value.find('.')));
    return number ? std::optional(std::min(*number, longest_wait_ms)) : std::nullopt;
}

}  // namespace loom::route
