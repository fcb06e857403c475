// What a query for sums says, as parts of a statement over tables that have its dimensions as columns: that of what was
// spent, and that of what no provider was asked for.
#pragma once

#include <string>

#include "database.h"
#include "loom/store/usage.h"

namespace loom::store {

inline constexpr UsageDay usage_day_max = 1'000'000;  // of the year 4707

/// What a dimension's groups are told apart by: an expression.
using UsageColumn = const char* (*)(UsageDimension by) noexcept;
[[nodiscard]] const char* usage_column(UsageDimension by) noexcept;

/// Is it of what has a project alone?
[[nodiscard]] bool asks_for_projects(const UsageQuery& query) noexcept;

/// Its days, its consumer, its names, and from which group on; not its limit. Parameters 1 to 3, and 5 and up.
[[nodiscard]] std::string usage_condition(const UsageQuery& query, UsageColumn column);
/// Of a statement with this condition. `query` lives until it is reset.
void bind_condition(Statement& statement, const UsageQuery& query);
inline constexpr int usage_limit_parameter = 4;

/// As UsageGroup::name, of a row that begins with it.
[[nodiscard]] std::string usage_group_name(const Statement& row, UsageDimension by);

}  // namespace loom::store
