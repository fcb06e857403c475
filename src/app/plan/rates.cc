#include "plan/rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "loom/base/result.h"
#include "loom/config/diagnostic.h"
#include "loom/tenant/limit.h"

namespace loom::app {
namespace {

using tenant::WindowTerms;

struct Unit {
    std::string_view name;
    uint64_t ms;
};
constexpr Unit units[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};

std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::unexpected<std::string> wrong(std::string_view expected, std::string_view got) {
    return std::unexpected(fmt::format("expected {}, got '{}'", expected, config::printable(std::string(got))));
}

std::expected<uint64_t, std::string> parse_limit(std::string_view text, std::string_view item) {
    uint64_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument)
        return wrong("a number, or numbers by their windows such as 10/1s, 1000/1h", item);
    if (error != std::errc() || limit > WindowTerms::limit_max)
        return wrong(fmt::format("0 to {}", WindowTerms::limit_max), item);
    return limit;
}

std::expected<uint64_t, std::string> parse_window_ms(std::string_view text, std::string_view item) {
    constexpr std::string_view expected = "a window of 1s to 1d behind the number, such as 10/s, 60/1m or 1000/12h";
    for (const Unit& unit : units)
        if (text == unit.name) return unit.ms;
    const auto us = config::parse_duration(text);
    if (!us) return wrong(expected, item);
    const auto ms = static_cast<uint64_t>((*us + 999) / 1'000);
    if (ms < WindowTerms::window_ms_min || ms > WindowTerms::window_ms_max) return wrong(expected, item);
    return ms;
}

std::expected<Rate, std::string> parse_rate(std::string_view item, uint64_t window_ms) {
    const size_t slash = item.find('/');
    Rate rate{.limit = LOOM_TRY(parse_limit(trimmed(item.substr(0, slash)), item)), .window_ms = window_ms};
    if (slash != item.npos) rate.window_ms = LOOM_TRY(parse_window_ms(trimmed(item.substr(slash + 1)), item));
    return rate;
}

/// Of several, what makes no sense beside the others.
std::optional<std::string> fault_of(const std::vector<Rate>& sorted) {
    if (sorted.size() > tenant::Limit::windows_max)
        return fmt::format("has {} windows: at most {} count at once", sorted.size(), tenant::Limit::windows_max);
    for (const Rate& rate : sorted)
        if (rate.limit == 0) return fmt::format("{} is no limit: leave it out beside others", rate_text(rate));
    for (size_t i = 1; i < sorted.size(); ++i)
        if (sorted[i].window_ms == sorted[i - 1].window_ms)
            return fmt::format("{} and {} are by the same window: leave out the larger (a number alone is by .window)",
                               rate_text(sorted[i - 1]), rate_text(sorted[i]));
    return std::nullopt;
}

}  // namespace

std::string rate_text(const Rate& rate) {
    for (const Unit& unit : units)
        if (rate.window_ms % unit.ms == 0)
            return fmt::format("{}/{}{}", rate.limit, rate.window_ms / unit.ms, unit.name);
    return fmt::format("{}/{}ms", rate.limit, rate.window_ms);
}

std::expected<std::vector<Rate>, std::string> parse_rates(std::span<const std::string> items, uint64_t window_ms) {
    std::vector<Rate> rates;
    for (const std::string& item : items)
        for (std::string_view rest = item;;) {  // one in quotes has its commas
            const size_t comma = rest.find(',');
            rates.push_back(LOOM_TRY(parse_rate(trimmed(rest.substr(0, comma)), window_ms)));
            if (comma == rest.npos) break;
            rest.remove_prefix(comma + 1);
        }
    if (rates.size() == 1 && rates[0].limit == 0) return std::vector<Rate>();
    std::ranges::sort(rates, {}, &Rate::window_ms);
    if (auto fault = fault_of(rates)) return std::unexpected(std::move(*fault));
    return rates;
}

std::expected<std::vector<Rate>, std::string> rates_at(const config::Config& config, const std::string& key) {
    const bool tokens = key.ends_with(".token_rate") || key == "rate_limit.token_rate.limit";
    const char* const window = tokens ? "rate_limit.token_rate.window" : "rate_limit.request_rate.window";
    return parse_rates(config.list(key), static_cast<uint64_t>(config.milliseconds(window).count()));
}

RateLimits limits_at(const config::Config& config, const std::string& key) {
    const auto rates = rates_at(config, key);
    if (!rates || rates->empty()) return {};
    const auto [least, most] = std::ranges::minmax(*rates, {}, &Rate::limit);
    return {static_cast<int64_t>(least.limit), static_cast<int64_t>(most.limit)};
}

}  // namespace loom::app
