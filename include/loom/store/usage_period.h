// Periods that sums and records are asked for by: a day or a month of the calendar, UTC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "loom/store/usage.h"

namespace loom::store {

struct UsagePeriod {
    std::string text;  // "2024-02", "2024-02-29"
    UsageDay from = 0;
    UsageDay to = 0;  // included

    [[nodiscard]] bool is_day() const noexcept { return from == to; }
    /// Microseconds since 1970: from then on, and before then.
    [[nodiscard]] uint64_t begin_us() const noexcept;
    [[nodiscard]] uint64_t end_us() const noexcept;
};

/// "2024-02" or "2024-02-29", from 1970 on; nothing for what is neither.
[[nodiscard]] std::optional<UsagePeriod> parse_usage_period(std::string_view text);

/// The month that a day is in.
[[nodiscard]] UsagePeriod usage_month_of(UsageDay day);

inline constexpr uint64_t us_per_usage_day = uint64_t{86'400} * 1'000'000;

}  // namespace loom::store
