#include "loom/route/headroom.h"

#include <algorithm>
#include <charconv>

#include "loom/base/timestamp.h"

namespace loom::route {
namespace {

constexpr uint64_t longest_ms = uint64_t{24} * 3600 * 1000;
constexpr int64_t unix_times_from_s = 1'000'000'000;  // 2001: nobody's limit lasts so many seconds

constexpr std::string_view openai_prefix = "x-ratelimit-";
constexpr std::string_view anthropic_prefix = "anthropic-ratelimit-";
constexpr std::array<std::string_view, quota_count> quota_names = {"requests", "tokens", "input-tokens",
                                                                   "output-tokens"};

bool same(std::string_view a, std::string_view b) noexcept {  // b in lower case
    return a.size() == b.size() &&
           std::ranges::equal(a, b, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

/// Takes the prefix away.
bool skip(std::string_view& text, std::string_view prefix) noexcept {
    if (!same(text.substr(0, prefix.size()), prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}
bool skip_end(std::string_view& text, std::string_view end) noexcept {
    if (text.size() < end.size() || !same(text.substr(text.size() - end.size()), end)) return false;
    text.remove_suffix(end.size());
    return true;
}

template <class Number>
std::optional<Number> number(std::string_view text) noexcept {
    Number value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<uint64_t> from_now(int64_t at_s, int64_t now_s) noexcept {
    return std::min(static_cast<uint64_t>(std::max<int64_t>(0, at_s - now_s)), longest_ms / 1000) * 1000;
}

/// Go's durations: numbers with units, the largest first.
std::optional<uint64_t> duration_ms(std::string_view text) noexcept {
    double total_ms = 0;
    while (!text.empty()) {
        const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
        const auto value = number<double>(text.substr(0, digits));
        if (!value) return std::nullopt;
        text.remove_prefix(digits);
        const size_t letters = std::min(text.find_first_of("0123456789."), text.size());
        const std::string_view unit = text.substr(0, letters);
        text.remove_prefix(letters);
        if (unit == "d")
            total_ms += *value * 86'400'000;
        else if (unit == "h")
            total_ms += *value * 3'600'000;
        else if (unit == "m")
            total_ms += *value * 60'000;
        else if (unit == "s")
            total_ms += *value * 1'000;
        else if (unit == "ms")
            total_ms += *value;
        else if (unit == "us" || unit == "µs" || unit == "ns")
            total_ms += 1;
        else
            return std::nullopt;
    }
    return total_ms < static_cast<double>(longest_ms) ? static_cast<uint64_t>(total_ms) : longest_ms;
}

}  // namespace

std::optional<uint64_t> parse_reset(std::string_view value, int64_t now_s) noexcept {
    if (value.empty()) return std::nullopt;
    if (const auto seconds = number<double>(value)) {
        if (!(*seconds >= 0)) return std::nullopt;
        double at_s = *seconds;
        if (at_s >= static_cast<double>(unix_times_from_s) * 1000) at_s /= 1000;  // a Unix time in milliseconds
        if (at_s >= static_cast<double>(unix_times_from_s))
            return at_s < 1e11 ? from_now(static_cast<int64_t>(at_s), now_s) : std::nullopt;
        return std::min(static_cast<uint64_t>(at_s * 1000), longest_ms);
    }
    if (const auto at_s = parse_rfc3339(value)) return from_now(*at_s, now_s);
    return duration_ms(value);
}

void Headroom::note(std::string_view name, std::string_view value, int64_t now_s) noexcept {
    constexpr size_t shortest = openai_prefix.size() + 12;  // "reset-tokens"
    if (name.size() < shortest) return;
    const auto begins = [name](char first, char third) {
        return (name[0] | 0x20) == first && (name[2] | 0x20) == third && name[3] != 'e';  // x-request-id is common
    };
    if (!begins('x', 'r') && !begins('a', 't')) return;
    bool is_reset = false;
    if (skip(name, openai_prefix)) {
        is_reset = skip(name, "reset-");
        if (!is_reset && !skip(name, "remaining-")) return;
    } else if (skip(name, anthropic_prefix)) {
        is_reset = skip_end(name, "-reset");
        if (!is_reset && !skip_end(name, "-remaining")) return;
    } else {
        return;
    }
    for (size_t i = 0; i < quota_count; ++i) {
        if (!same(name, quota_names[i])) continue;
        if (is_reset)
            quotas[i].reset_ms = parse_reset(value, now_s);
        else
            quotas[i].remaining = number<uint64_t>(value);
        said = true;
    }
}

uint64_t Headroom::rest_ms() const noexcept {
    uint64_t longest = 0;
    for (const One& one : quotas)
        if (one.remaining == 0) longest = std::max(longest, one.reset_ms.value_or(rest_default_ms));
    return longest;
}

}  // namespace loom::route
