// What somebody should hear of: events of budgets, on their way from the shard that saw them to who tells them, and
// what is unlike a consumer's own usual.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/handover_ring.h"
#include "loom/base/limit_scope.h"
#include "loom/base/short_text.h"
#include "loom/tenant/budget.h"

namespace loom::tenant {

enum class AlertType : uint8_t {
    budget_share,    // a share of a limit is reached (token_accounting.*.alert)
    budget_spent,    // a limit is reached
    budget_refused,  // what is left of it did not do for a request, which was refused
    // Sudden changes (alerts.anomaly.*, tenant/anomaly.h):
    spend_anomaly,
    client_errors_anomaly,
    provider_errors_anomaly,
    new_address,
    new_model,
    unusual_hours,
};
inline constexpr size_t alert_type_count = 9;

/// Of a change, in the window at hand.
struct AnomalyFacts {
    ShortText<128> subject;  // the network of a new address, a new model
    uint64_t value = 0;      // what was spent (of money, in budget_units), how many errors there were
    uint64_t usual = 0;      // the most of it that is usual here; of errors, in thousandths of the requests
    uint64_t requests = 0;
    uint32_t window_s = 0;
    uint32_t repeat_s = 0;  // the same is told again so much later at the earliest
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
    AnomalyFacts anomaly;
};

/// "budget.share_reached", "anomaly.spend", …
[[nodiscard]] std::string_view alert_type_name(AlertType type) noexcept;

/// One shard's events.
using AlertRing = HandoverRing<Alert, 64>;

}  // namespace loom::tenant
