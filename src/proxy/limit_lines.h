// What an answer's head tells of its client's limits: RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers-10), and OpenAI's x-ratelimit-*, which SDKs read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/tenant/budget.h"
#include "loom/tenant/limit.h"

namespace loom::proxy {

/// A policy and its state.
struct ToldLimit {
    LimitScope scope = LimitScope::global;
    tenant::LimitKind kind = tenant::LimitKind::requests;
    std::string_view period;  // a budget's
    bool is_money = false;    // which has no unit that a head knows: only when there is some again is told
    uint64_t limit = 0;
    uint64_t left = 0;
    uint64_t window_ms = 0;  // 0: it has none
    uint64_t reset_ms = 0;
    /// Where it counts in several windows: all of them are told, each by a name of its own. Null: in one, or it
    /// refused.
    const tenant::Limit* several = nullptr;
    bool is_named_by_window = false;
    bool is_nearest = true;  // of those windows the one that ends first, which x-ratelimit-* tell
};

[[nodiscard]] std::string_view limit_unit(tenant::LimitKind kind) noexcept;
/// Seconds, rounded up: who comes then is not too early.
[[nodiscard]] constexpr uint64_t whole_seconds(uint64_t ms) noexcept { return (ms + 999) / 1000; }

/// What is left of a limit that others share is theirs to know.
[[nodiscard]] ToldLimit told_refusal(const tenant::LimitRefusal& refusal) noexcept;
/// Of a budget that is spent until its period ends.
[[nodiscard]] ToldLimit told_spent(const tenant::BudgetRefusal& refusal, int64_t unix_s) noexcept;

/// Of all limits that it sees, by unit the one that has the least left: it ends first for who goes on asking.
class NearestLimits {
  public:
    explicit NearestLimits(uint64_t now_ms) noexcept : now_ms_(now_ms) {}

    void see(const tenant::Limit& limit, const tenant::LimitRow& row) noexcept;
    /// Its tokens; money has nothing that could be compared.
    void see(const tenant::Budget& budget, int64_t unix_s) noexcept;
    /// Requests before tokens, as far as they are limited: one each.
    [[nodiscard]] std::span<const ToldLimit> told() const noexcept {
        const size_t first = told_[0].limit != 0 ? 0 : 1;
        return std::span(told_).subspan(first, (told_[1].limit != 0 ? 2 : 1) - first);
    }

  private:
    void see(const tenant::Limit& limit, tenant::LimitKind kind, const tenant::LimitRow& row) noexcept;

    uint64_t now_ms_;
    std::array<ToldLimit, 2> told_;  // of requests, of tokens
};

/// All windows of those that are told and count in several, in the place of each; the others as they are.
class ToldWindows {
  public:
    /// told  what NearestLimits tells; `taken` is what it has seen.
    ToldWindows(std::span<const ToldLimit> told, const tenant::Admission& taken, uint64_t now_ms) noexcept;
    [[nodiscard]] std::span<const ToldLimit> all() const noexcept { return std::span(all_).first(count_); }

  private:
    std::array<ToldLimit, 2 * tenant::Limit::windows_max> all_;
    size_t count_ = 0;
};

/// Of the lines that an answer's head has for them: eight windows with the longest names and numbers there are.
inline constexpr size_t limit_lines_bytes_max = 1'152;

/// The lines; what has no room is left out, a line at a time. Nothing where there are none. Written for every answer
/// that has some, so without format strings.
[[nodiscard]] std::string_view write_limit_lines(std::span<const ToldLimit> told, std::span<char> room) noexcept;

}  // namespace loom::proxy
