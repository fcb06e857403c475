// What a provider's answer says of its limits, so that it is left alone before it has to say 429.
//
//   OpenAI and those who speak as it does:  x-ratelimit-remaining-requests: 59     x-ratelimit-reset-requests: 6m0s
//                                           x-ratelimit-remaining-tokens: 14976    x-ratelimit-reset-tokens: 120ms
//   Azure: the same, at times without a reset, with whole seconds, or with -1 for what it does not know
//   Anthropic:  anthropic-ratelimit-requests-remaining: 999     anthropic-ratelimit-requests-reset:
//   2025-08-21T12:40:59Z
//               and likewise -tokens-, -input-tokens-, -output-tokens-
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace loom::route {

/// What may run out.
enum class Quota : uint8_t { requests, tokens, input_tokens, output_tokens };
inline constexpr size_t quota_count = 4;

/// Of one answer's headers.
struct Headroom {
    struct One {
        std::optional<uint64_t> remaining;
        std::optional<uint64_t> reset_ms;  // from now
    };
    std::array<One, quota_count> quotas;
    bool said = false;

    /// Any header; those that say nothing of limits cost a look at their name's length and beginning.
    /// now_s  of the wall's clock, for resets that are times.
    void note(std::string_view name, std::string_view value, int64_t now_s) noexcept;
    [[nodiscard]] const One& of(Quota quota) const noexcept { return quotas[static_cast<size_t>(quota)]; }
    /// Until the last of those that have run out is there again; 0: none has.
    [[nodiscard]] uint64_t rest_ms() const noexcept;
    static constexpr uint64_t rest_default_ms = 1'000;  // of who does not say how long
};

/// A reset as milliseconds from now: "6m0s", "1.5s", "120ms", "1h2m3s", "2" (seconds), "1755780059" (a Unix time), or
/// RFC 3339. Nothing for what is none of them; a past time is 0.
[[nodiscard]] std::optional<uint64_t> parse_reset(std::string_view value, int64_t now_s) noexcept;

}  // namespace loom::route
