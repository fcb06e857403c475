#include "loom/store/ledger_filter.h"

#include <algorithm>

#include "loom/tenant/consumer.h"

namespace loom::store {
namespace {

using tenant::LedgerIntent;

/// As LedgerFilter::names.
constexpr std::array<std::string_view LedgerIntent::*, LedgerFilter::names.size()> members = {
    &LedgerIntent::consumer, &LedgerIntent::team,  &LedgerIntent::project,  &LedgerIntent::tenant,
    &LedgerIntent::tier,     &LedgerIntent::route, &LedgerIntent::provider, &LedgerIntent::model};

std::string_view member_of(const LedgerIntent& intent, std::string_view name) {
    const auto at = std::ranges::find(LedgerFilter::names, name) - LedgerFilter::names.begin();
    return intent.*members[static_cast<size_t>(at)];
}

}  // namespace

bool LedgerFilter::set(std::string_view name, std::string_view value) {
    const auto known = std::ranges::find(names, name);
    if (known == names.end()) return false;
    std::array<char, tenant::ledger_text_bytes_max> room;
    std::string kept(tenant::bounded_ledger_text(value, room));
    const auto found = std::ranges::find(wanted_, name, &Wanted::name);
    if (found != wanted_.end())
        found->value = std::move(kept);
    else
        wanted_.push_back({.name = *known, .value = std::move(kept)});
    return true;
}

bool LedgerFilter::takes(const LedgerIntent& intent) const {
    if (intent.time_us < from_us || intent.time_us >= to_us) return false;
    return std::ranges::all_of(wanted_, [&intent](const Wanted& wanted) {
        if (member_of(intent, wanted.name) == wanted.value) return true;
        const bool with_tenant = wanted.name == "team" && wanted.value.contains('/');
        return with_tenant && tenant::team_key_of(intent.tenant, intent.team) == wanted.value;
    });
}

}  // namespace loom::store
