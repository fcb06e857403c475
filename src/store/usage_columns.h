// Sums as columns: of whom, in the order that tables have them, and how much.
#pragma once

#include <cstdint>
#include <string_view>

#include "database.h"
#include "loom/store/shared_usage.h"
#include "loom/store/usage.h"

namespace loom::store {

/// Money stands in two columns, whose sums fit: millionths of a dollar, and what is left of these.
inline constexpr uint64_t pico_per_micro = 1'000'000;
/// That stands in the column `at` and the one behind it.
[[nodiscard]] unsigned __int128 money_at(const Statement& row, int at) noexcept;
void bind_money(Statement& statement, int at, unsigned __int128 money);

/// requests, attempts, input, cached_input, cache_write, cache_write_1h, output, reasoning, unpriced, estimated,
/// cost_micro, cost_pico.
[[nodiscard]] UsageSums sums_at(const Statement& row, int at);
void bind_sums(Statement& statement, int at, const UsageSums& sums);

/// Rows as they are told others, with their numbers (change_at); a condition follows.
inline constexpr std::string_view changed_rows =
    "SELECT revision, day, consumer, team, tenant, provider, model, provenance, requests, attempts, input, "
    "cached_input, cache_write, cache_write_1h, output, reasoning, unpriced, estimated, cost_micro, cost_pico "
    "FROM usage_change JOIN usage USING (consumer, day, team, tenant, provider, model, provenance) ";
[[nodiscard]] UsageChange change_at(const Statement& row);

}  // namespace loom::store
