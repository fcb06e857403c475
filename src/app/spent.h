// What the ledger says was spent before a budget's row was there.
#pragma once

#include "loom/store/usage_store.h"
#include "loom/tenant/budget.h"

namespace loom::app {

/// Of whomever or whatever a budget is for, by its name there. Where the ledger cannot be read, which the log tells, it
/// is nothing. Blocks on the disk.
[[nodiscard]] tenant::BudgetTable::Spent spent_in(store::UsageStore& usage, LimitScope scope, std::string_view name,
                                                  tenant::PeriodSpan span);

}  // namespace loom::app
