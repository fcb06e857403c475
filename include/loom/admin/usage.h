// What the admin listener tells of the ledger's sums.
//
//   GET /ai/usage/CONSUMER?period=2024-02     what one consumer has used, by model and by day
//   GET /ai/usage?period=2024-02-29           what all have used, by tenant, team, consumer, provider and model
//
// A period is a month or a day, UTC; without one the month that it is. What was settled before is in it.
#pragma once

#include <string_view>

#include "loom/proxy/plan.h"
#include "loom/store/usage_store.h"

namespace loom::admin {

inline constexpr std::string_view usage_path = "/ai/usage";

[[nodiscard]] bool is_usage(std::string_view path) noexcept;

/// JSON, or an error as JSON: 400 for a period that is none, 404 for a consumer that neither the conf nor the ledger
/// knows, 503 where the database cannot be read.
[[nodiscard]] proxy::LocalAnswer show_usage(store::UsageStore& usage, const proxy::Plan& plan,
                                            const proxy::LocalRequest& request);

}  // namespace loom::admin
