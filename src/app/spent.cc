#include "spent.h"

#include <algorithm>

#include "loom/observe/log.h"

namespace loom::app {

tenant::BudgetTable::Spent spent_in(store::UsageStore& usage, LimitScope scope, std::string_view name,
                                    tenant::PeriodSpan span) {
    constexpr int64_t day_s = 86'400;
    const bool of_team = scope == LimitScope::team;
    store::UsageQuery query{.by = of_team ? store::UsageDimension::team : store::UsageDimension::consumer,
                            .from = span.begin_s / day_s,
                            .to = span.end_s / day_s - 1};
    if (scope == LimitScope::consumer) {
        query.of_consumer = true;
        query.consumer = name;
    }
    const auto answer = usage.usage({query});
    if (!answer) {
        observe::log_error("what was spent before cannot be read, and budgets begin anew: {}", answer.error());
        return {};
    }
    store::UsageSums sums;
    for (const store::UsageGroup& group : answer->front())
        if (!of_team || group.name == name) sums += group.sums;
    const auto cost = std::min<unsigned __int128>(sums.cost, money_max);
    return {.tokens = sums.total(), .money = static_cast<Money>(cost)};
}

}  // namespace loom::app
