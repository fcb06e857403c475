#include "spent.h"

#include <algorithm>
#include <array>
#include <optional>

#include "loom/observe/log.h"
#include "loom/tenant/ledger_record.h"

namespace loom::app {

namespace {

constexpr int64_t day_s = 86'400;

/// Of those whose sums are kept by name. Routes' and models', by the name that clients ask by, are asked for one by
/// one.
std::optional<store::UsageDimension> dimension_of(LimitScope scope) {
    switch (scope) {
        case LimitScope::team: return store::UsageDimension::team;
        case LimitScope::project: return store::UsageDimension::project;
        case LimitScope::tenant: return store::UsageDimension::tenant;
        case LimitScope::consumer:
        case LimitScope::global: return store::UsageDimension::consumer;
        default: return std::nullopt;
    }
}

/// known_by  the name as the ledger writes it.
bool is_of(LimitScope scope, const std::string& group, std::string_view name, std::string_view known_by) {
    switch (scope) {
        case LimitScope::team:
        case LimitScope::project: return group == name;
        case LimitScope::tenant: return group == known_by;
        case LimitScope::global: return !tenant::is_ledger_copy(group);
        default: return true;
    }
}

}  // namespace

tenant::BudgetTable::Spent spent_in(store::UsageStore& usage, LimitScope scope, std::string_view name,
                                    tenant::PeriodSpan span) {
    std::array<char, tenant::ledger_text_bytes_max> room;
    const std::string_view known_by = tenant::bounded_ledger_text(name, room);
    const auto by = dimension_of(scope);
    store::UsageQuery query{
        .by = by.value_or(store::UsageDimension::consumer), .from = span.begin_s / day_s, .to = span.end_s / day_s - 1};
    if (scope == LimitScope::consumer) {
        query.of_consumer = true;
        query.consumer = known_by;
    }
    if (!by) {
        query.spent_by = scope;
        query.spent_name = known_by;
    }
    const auto answer = usage.usage({query});
    if (!answer) {
        observe::log_error("what was spent before cannot be read, and budgets begin anew: {}", answer.error());
        return {};
    }
    store::UsageSums sums;
    for (const store::UsageGroup& group : answer->front())
        if (is_of(scope, group.name, name, known_by)) sums += group.sums;
    const auto cost = std::min<unsigned __int128>(sums.cost, money_max);
    return {.tokens = sums.total(), .money = static_cast<Money>(cost)};
}

}  // namespace loom::app
