#include "anomaly_profile.h"

#include <algorithm>
#include <cmath>

namespace loom::tenant {
namespace {

constexpr double hour_s = 3'600, day_s = 86'400;
constexpr double high_half_s = 28 * day_s;    // a peak counts half after four weeks
constexpr double mean_s = 7 * day_s;          // what the mean is of
constexpr double new_visit_weight = 0.3;      // of an hour of the week, once there were some
constexpr double regular_high = 1;            // who comes in bursts has more, and bursts have no usual size:
constexpr double rough_span = 2;              // its bar is up to twice as high
constexpr double high_growth = 1.1;           // of a bar in an hour at most, once anything is told
constexpr double share_growth_told = 0.02;    // likewise, of errors
constexpr double share_apart = 0.1;           // an unusual share is above the usual by this at least
constexpr double errors_prior_requests = 20;  // of which none failed, before there were any
constexpr double errors_half_s = 14 * day_s;
constexpr double deviations = 3;
constexpr double hours_half_s = 28 * day_s;
constexpr float worked_then = 0.25F;  // of days_at: it did once, within two half-lives
constexpr float days_min = 5;
constexpr size_t rest_hours_min = 6;

size_t before(size_t hour, size_t count) noexcept { return (hour + count - 1) % count; }
size_t behind(size_t hour, size_t count) noexcept { return (hour + 1) % count; }

bool good(float number) noexcept { return std::isfinite(number) && number >= 0; }

}  // namespace

double left_after(double passed_s, double half_s) noexcept { return std::exp2(-passed_s / half_s); }

double UsualSpend::expected(size_t hour) const noexcept {
    const auto of = [this](size_t at) -> double { return visits[at] != 0 ? by_hour[at] : mean; };
    return (of(before(hour, week_hours)) + 2 * of(hour) + of(behind(hour, week_hours))) / 4;
}

double UsualSpend::scale(size_t hour, double floor) const noexcept {
    return std::max(1.0, expected(hour) + std::max<double>(floor, mean));
}

double UsualSpend::limit(size_t hour, double floor, double factor) const noexcept {
    const double most = high * scale(hour, floor);
    const double own_scale = scale(hour, 0);
    const double rough = 1 + std::clamp((most / own_scale - regular_high) / rough_span, 0.0, 1.0);
    return std::max({floor, factor * rough * most, factor * expected(hour)});
}

void UsualSpend::learn(double amount, uint32_t window_s) noexcept {
    windows += 1;
    const double weight = std::max(1.0 / windows, window_s / mean_s);
    mean = static_cast<float>(mean + weight * (amount - mean));
    windows = std::min(windows, 1e6F);  // above which it says no more
    hour_sum += static_cast<float>(amount);
    hour_windows += 1;
}

void UsualSpend::end_hour(size_t hour) noexcept {
    if (hour_windows == 0) return;
    const double of_hour = static_cast<double>(hour_sum) / hour_windows;
    visits[hour] = static_cast<uint8_t>(std::min(visits[hour] + 1, 200));
    const double weight = std::max(1.0 / visits[hour], new_visit_weight);
    by_hour[hour] = static_cast<float>(by_hour[hour] + weight * (of_hour - by_hour[hour]));
    hour_sum = 0;
    hour_windows = 0;
}

void UsualSpend::learn_ratio(double ratio, uint32_t window_s, bool is_known) noexcept {
    double most = ratio;
    if (is_known && high > 0) most = std::min(ratio, high * std::pow(high_growth, window_s / hour_s));
    high = static_cast<float>(std::max(high * left_after(window_s, high_half_s), most));
}

double least_share(uint32_t errors, uint32_t requests) noexcept {
    if (requests == 0) return 0;
    const double n = requests, p = errors / n, z2 = deviations * deviations;
    const double middle = p + z2 / (2 * n);
    const double doubt = deviations * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    return std::max(0.0, (middle - doubt) / (1 + z2 / n));
}

double UsualErrors::usual() const noexcept {
    return std::max<double>(high, errors / (requests + errors_prior_requests));
}

double UsualErrors::limit(double factor) const noexcept {
    const double share = usual();
    return std::max(std::min(share * factor, (1 + share) / 2), share + share_apart);
}

void UsualErrors::learn(uint32_t window_requests, uint32_t window_errors, uint32_t window_s, uint32_t floor,
                        double factor) noexcept {
    const double kept = left_after(window_s, errors_half_s);
    const bool was_told = factor > 0 && least_share(window_errors, window_requests) > limit(factor);
    const double bar = high * left_after(window_s, high_half_s);
    if (window_requests >= floor) {
        const double share = static_cast<double>(window_errors) / window_requests;
        high = static_cast<float>(std::max(bar, was_told ? std::min(share, high + share_growth_told) : share));
    } else {
        high = static_cast<float>(bar);
    }
    const double counted = was_told ? usual() * window_requests : window_errors;
    requests = static_cast<float>(requests * kept + window_requests);
    errors = static_cast<float>(errors * kept + counted);
}

bool WorkingHours::never_near(size_t hour) const noexcept {
    return days_at[before(hour, day_hours)] < worked_then && days_at[hour] < worked_then &&
           days_at[behind(hour, day_hours)] < worked_then;
}

bool WorkingHours::regular() const noexcept {
    if (days < days_min) return false;
    size_t rest = 0, longest = 0;
    for (size_t i = 0; i < 2 * day_hours; ++i) {  // a rest may go over midnight
        rest = days_at[i % day_hours] < worked_then ? rest + 1 : 0;
        longest = std::max(longest, rest);
    }
    return longest >= rest_hours_min;
}

void WorkingHours::work(int64_t unix_s) noexcept {
    const int64_t number = unix_s / 3'600;
    if (number == last_hour) return;
    const auto hour = week_hour_of(unix_s) % day_hours;
    unusual = regular() && never_near(hour) ? 1 : 0;
    last_hour = number;
    days_at[hour] += 1;
    if (unix_s / static_cast<int64_t>(day_s) == last_day) return;
    last_day = unix_s / static_cast<int64_t>(day_s);
    days += 1;
}

void WorkingHours::pass(uint32_t window_s, uint64_t learning_s) noexcept {
    const auto kept = static_cast<float>(left_after(window_s, hours_half_s));
    for (float& one : days_at) one *= kept;
    days *= kept;
    novelty *= static_cast<float>(left_after(window_s, novelty_half_lives * static_cast<double>(learning_s)));
}

bool AnomalyProfile::sound() const noexcept {
    const auto all_good = [](const auto& numbers) { return std::ranges::all_of(numbers, good); };
    for (const UsualSpend& one : spend)
        if (!good(one.mean) || !good(one.windows) || !good(one.high) || !good(one.hour_sum) || !all_good(one.by_hour))
            return false;
    for (const UsualErrors* const one : {&client_errors, &provider_errors})
        if (!good(one->requests) || !good(one->errors) || !good(one->high)) return false;
    return all_good(hours.days_at) && good(hours.days) && good(hours.novelty) && networks.sound() && models.sound();
}

}  // namespace loom::tenant
