// What somebody should hear of: events of budgets, on their way from the shard that saw them to who tells them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "loom/base/limit_scope.h"
#include "loom/tenant/budget.h"

namespace loom::tenant {

enum class AlertType : uint8_t {
    budget_share,    // a share of a limit is reached (token_accounting.*.alert)
    budget_spent,    // a limit is reached
    budget_refused,  // what is left of it did not do for a request, which was refused
};

/// A text of bounded length, cut where it is longer.
template <size_t bytes_max>
class ShortText {
  public:
    ShortText() = default;
    ShortText(std::string_view text) noexcept : size_(static_cast<uint8_t>(std::min(text.size(), bytes_max))) {
        static_assert(bytes_max <= UINT8_MAX);
        std::memcpy(bytes_.data(), text.data(), size_);
    }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), size_}; }

  private:
    std::array<char, bytes_max> bytes_;
    uint8_t size_ = 0;
};

/// One event, by value: the configuration in which it happened may be gone when it is told.
struct Alert {
    AlertType type = AlertType::budget_share;
    int64_t unix_s = 0;
    // Whose: a consumer, a team, or all.
    LimitScope scope = LimitScope::consumer;
    ShortText<128> name;
    ShortText<128> budget;  // the key that says the limit
    BudgetUnit unit = BudgetUnit::tokens;
    BudgetPeriod period = BudgetPeriod::day;
    uint8_t share = 0;   // percent that is reached; 0 of what is no share
    uint64_t spent = 0;  // and held; of money, in budget_units
    uint64_t limit = 0;  // likewise
};

/// One shard's events. One thread puts in, another one takes out; neither waits.
class AlertRing {
  public:
    static constexpr uint32_t size = 64;

    /// False where there is no room.
    bool put(const Alert& alert) noexcept {
        const uint32_t at = put_.load(std::memory_order_relaxed);
        if (at - taken_.load(std::memory_order_acquire) == size) return false;
        slots_[at % size] = alert;
        put_.store(at + 1, std::memory_order_release);
        return true;
    }
    /// False where there is none.
    bool take(Alert& alert) noexcept {
        const uint32_t at = taken_.load(std::memory_order_relaxed);
        if (at == put_.load(std::memory_order_acquire)) return false;
        alert = slots_[at % size];
        taken_.store(at + 1, std::memory_order_release);
        return true;
    }

  private:
    std::array<Alert, size> slots_;
    alignas(64) std::atomic<uint32_t> put_{0};
    alignas(64) std::atomic<uint32_t> taken_{0};
};

}  // namespace loom::tenant
