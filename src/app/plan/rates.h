// How a request_rate or a token_rate says how much may be asked for: a number by one window, or several of them.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "loom/config/config.h"

namespace loom::app {

struct Rate {
    uint64_t limit = 0;
    uint64_t window_ms = 0;
};

/// `10/1s, 1000/1h`: the shortest window first. A window is s, m, h, d or a duration of 1s to 1d; a number alone is by
/// `window_ms`. At most Limit::windows_max of them, each length once. `0`, or nothing at all: there is no limit.
/// Errors  what is wrong and what to write instead, for whoever wrote the value.
[[nodiscard]] std::expected<std::vector<Rate>, std::string> parse_rates(std::span<const std::string> items,
                                                                        uint64_t window_ms);

/// The same of a key, a number alone being by rate_limit.request_rate.window or .token_rate.window, as its name says.
[[nodiscard]] std::expected<std::vector<Rate>, std::string> rates_at(const config::Config& config,
                                                                     const std::string& key);

/// The smallest and the largest number of all its windows; 0: there is no limit, or none that can be read.
struct RateLimits {
    int64_t least = 0;
    int64_t most = 0;
};
[[nodiscard]] RateLimits limits_at(const config::Config& config, const std::string& key);

/// `10/1s`, as the conf spells it.
[[nodiscard]] std::string rate_text(const Rate& rate);

}  // namespace loom::app
