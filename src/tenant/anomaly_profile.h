// What is known of one consumer's usual: plain numbers of fixed size, which can be copied, kept and read again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/tenant/alert.h"

namespace loom::tenant {

inline constexpr size_t week_hours = 168, day_hours = 24;

/// The number of an hour in its week, of UTC; the weeks begin on a Thursday, as 1970 did.
[[nodiscard]] constexpr size_t week_hour_of(int64_t unix_s) noexcept {
    const int64_t hour = unix_s / 3'600 % static_cast<int64_t>(week_hours);
    return static_cast<size_t>(hour < 0 ? hour + static_cast<int64_t>(week_hours) : hour);
}

/// What is left of a number after `passed_s`, half of it after `half_s`.
[[nodiscard]] double left_after(double passed_s, double half_s) noexcept;

/// Of tokens or money, in windows.
struct UsualSpend {
    float mean = 0;                           // of a window
    float windows = 0;                        // that it is of
    float high = 0;                           // the highest ratio of late
    std::array<float, week_hours> by_hour{};  // of a window in this hour of the week
    std::array<uint8_t, week_hours> visits{};
    float hour_sum = 0;  // of the hour at hand
    uint32_t hour_windows = 0;

    /// Of a window in this hour: between its neighbours, since who comes a little late does what is usual.
    [[nodiscard]] double expected(size_t hour) const noexcept;
    /// What an amount is divided by, so that ratios of all hours are alike.
    [[nodiscard]] double scale(size_t hour, double floor) const noexcept;
    /// What is beyond it is told.
    [[nodiscard]] double limit(size_t hour, double floor, double factor) const noexcept;
    /// A window has passed.
    void learn(double amount, uint32_t window_s) noexcept;
    /// is_known  it is told what exceeds it, and so it grows slowly.
    void learn_ratio(double ratio, uint32_t window_s, bool is_known) noexcept;
    void end_hour(size_t hour) noexcept;
};

/// Of requests that fail.
struct UsualErrors {
    float requests = 0, errors = 0;  // of late
    float high = 0;                  // the highest share of a window

    [[nodiscard]] double usual() const noexcept;
    /// The share that is told, if it is beyond chance.
    [[nodiscard]] double limit(double factor) const noexcept;
    void learn(uint32_t window_requests, uint32_t window_errors, uint32_t window_s, uint32_t floor,
               double factor) noexcept;
};
/// The least share that is behind so many errors of so many requests, with three deviations of doubt (Wilson).
[[nodiscard]] double least_share(uint32_t errors, uint32_t requests) noexcept;

/// Networks, or models, that it has used: hashes, with the hours of their first and last use.
template <size_t count_max>
struct Familiar {
    std::array<uint64_t, count_max> keys{};
    std::array<uint32_t, count_max> first_h{}, last_h{};
    uint32_t count = 0;
    uint32_t crowded_until_h = 0;  // there were more than have room: nothing is new until then
    float novelty = 0;             // how many were new of late

    /// Null where it is new.
    [[nodiscard]] const uint32_t* first_use(uint64_t key) const noexcept {
        for (uint32_t i = 0; i < count; ++i)
            if (keys[i] == key) return &first_h[i];
        return nullptr;
    }
    /// False where it was not there: it takes the place of the one used longest ago where there is none.
    bool use(uint64_t key, uint32_t now_h, uint32_t forget_h) noexcept {
        uint32_t oldest = 0;
        for (uint32_t i = 0; i < count; ++i) {
            if (keys[i] == key) {
                last_h[i] = now_h;
                return true;
            }
            if (last_h[i] < last_h[oldest]) oldest = i;
        }
        uint32_t place = count;
        if (count == count_max) {
            place = oldest;
            if (now_h - last_h[oldest] < forget_h) crowded_until_h = now_h + forget_h;
        } else {
            count += 1;
        }
        keys[place] = key;
        first_h[place] = last_h[place] = now_h;
        return false;
    }
    [[nodiscard]] bool sound() const noexcept { return count <= count_max && novelty >= 0; }
};
/// Who had so many new ones of late has them often.
inline constexpr float novelty_max = 1.5F;
/// Of learning times: what was new counts half after so many.
inline constexpr double novelty_half_lives = 2;

/// The hours of the day, of UTC, at which it works.
struct WorkingHours {
    std::array<float, day_hours> days_at{};  // days of late on which it did anything then
    float days = 0;                          // on which it did anything at all
    float novelty = 0;
    int64_t last_day = INT64_MIN, last_hour = INT64_MIN;
    uint8_t unusual = 0;  // whether the hour at hand is

    /// There is a request in it: the first of an hour says whether the hour is unusual.
    void work(int64_t unix_s) noexcept;
    void pass(uint32_t window_s, uint64_t learning_s) noexcept;
    [[nodiscard]] bool never_near(size_t hour) const noexcept;
    /// It rests for some hours in a row, and works on days enough to say so.
    [[nodiscard]] bool regular() const noexcept;
};

struct AnomalyProfile {
    static constexpr uint32_t version = 1;
    static constexpr size_t networks_max = 64, models_max = 32;
    static constexpr size_t kind_count = 6;  // of alerts, from spend_anomaly on; it is part of what is saved
    static_assert(kind_count == alert_type_count - static_cast<size_t>(AlertType::spend_anomaly));

    uint32_t window_s = 0;            // that its numbers are of
    uint64_t seen_s = 0;              // that it was looked at: the time that it goes by
    uint64_t active_s = 0;            // when it last did anything
    uint32_t active_count = 0;        // windows in which it did, in the second half of learning and later
    std::array<UsualSpend, 2> spend;  // by BudgetUnit
    UsualErrors client_errors, provider_errors;
    Familiar<networks_max> networks;
    Familiar<models_max> models;
    WorkingHours hours;
    std::array<uint64_t, kind_count> told_s{};  // when, and one; 0: never
    std::array<uint8_t, kind_count> active{};   // whether it is told, and not over

    /// The window at hand: not kept.
    struct Window {
        std::array<double, 2> sum{}, largest{};  // by BudgetUnit
        uint32_t requests = 0, client_errors = 0, provider_errors = 0;
        bool changed = false;  // since it was saved

        /// Without the largest request: one alone is no change.
        [[nodiscard]] double amount(size_t unit) const noexcept { return sum[unit] - largest[unit]; }
    };
    Window at_hand;

    [[nodiscard]] uint32_t seen_h() const noexcept { return static_cast<uint32_t>(seen_s / 3'600); }
    /// Numbers are numbers, counts within their bounds.
    [[nodiscard]] bool sound() const noexcept;
};

}  // namespace loom::tenant
