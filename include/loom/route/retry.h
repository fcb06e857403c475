// When to try again, and how often: pauses before the same target, and a bound on retries as a share of the traffic, so
// that an outage is not made worse by those who knock.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace loom::route {

/// Whole pauses double from `first_ms` on, up to `longest_ms`.
struct Backoff {
    uint64_t first_ms = 250;
    uint64_t longest_ms = 8'000;

    /// Before retry number `retry` (from 0) of the same target: between half of its whole pause and all of it, by
    /// `random` (uniform over 64 bits). Requests that failed together do not come back together.
    [[nodiscard]] uint64_t pause_ms(uint32_t retry, uint64_t random) const noexcept;
};

/// What a budget has beside its share of the requests.
struct BudgetTerms {
    uint32_t first = 10;             // before any traffic
    uint32_t kept_max = 100;         // saved up in good times
    uint64_t free_every_ms = 1'000;  // in which one is free; 0: none is
};
inline constexpr BudgetTerms hedge_budget = {.first = 1, .kept_max = 10, .free_every_ms = 0};

/// Retries that one shard may make: each request adds a share of one, each retry takes a whole. Some are free, so that
/// little traffic can be retried too. Owned by a shard: the shards' shares are the whole's.
class RetryBudget {
  public:
    static constexpr uint32_t whole = 1'000;  // thousandths of a retry

    explicit RetryBudget(const BudgetTerms& terms = {}) noexcept
        : terms_(terms), balance_(uint64_t{terms.first} * whole) {}

    /// share  thousandths.
    void on_request(uint32_t share) noexcept;
    /// False when the budget is spent: the failure at hand is the answer.
    [[nodiscard]] bool take(uint64_t now_ms) noexcept;

  private:
    BudgetTerms terms_;
    uint64_t balance_;  // a first outage may come before any traffic
    uint64_t free_at_ms_ = 0;
};

/// Retry-After (RFC 9110, 10.2.3) or retry-after-ms in milliseconds; nothing when it says neither a number nor a date.
/// A past date is 0.
[[nodiscard]] std::optional<uint64_t> parse_retry_after(std::string_view value, int64_t now_s) noexcept;
[[nodiscard]] std::optional<uint64_t> parse_retry_after_ms(std::string_view value) noexcept;

}  // namespace loom::route
