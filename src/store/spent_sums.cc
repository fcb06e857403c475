#include "spent_sums.h"

#include <algorithm>

#include "loom/base/result.h"
#include "loom/tenant/ledger_record.h"
#include "usage_columns.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr const char* schema = R"(
    CREATE TABLE IF NOT EXISTS spent (
        scope TEXT NOT NULL, name TEXT NOT NULL, day INTEGER NOT NULL, tokens INTEGER NOT NULL,
        cost_micro INTEGER NOT NULL, cost_pico INTEGER NOT NULL, PRIMARY KEY (scope, name, day)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS open_asked (id INTEGER PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL);)";

}  // namespace

DatabaseResult<SpentSums> SpentSums::begin(Database& database) {
    SpentSums sums;
    constexpr const char* tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('spent', 'open_asked')";
    sums.has_tables_ = LOOM_TRY(database.number(tables)) == 2;
    return sums;
}

void SpentSums::add(UsageDay day, LimitScope scope, std::string_view name, const UsageSums& sums) {
    if (name.empty()) return;
    Sum& sum = added_[{day, scope, std::string(name)}];
    sum.tokens += sums.total();
    sum.cost += sums.cost;
}

void SpentSums::add(UsageDay day, const OpenIntent& intent, const UsageSums& sums) {
    if (tenant::is_ledger_copy(intent.consumer)) return;
    add(day, LimitScope::route, intent.route, sums);
    add(day, LimitScope::model, intent.asked_model, sums);
}

void SpentSums::put_open(const OpenIntent& intent) { opened_.push_back({intent.id, intent.route, intent.asked_model}); }

void SpentSums::drop_open(uint64_t id) {
    if (has_tables_) dropped_.push_back(id);
}

void SpentSums::forget() noexcept {
    added_.clear();
    opened_.clear();
    dropped_.clear();
}

DatabaseResult<void> SpentSums::write(Database& database) {
    if (added_.empty() && opened_.empty() && dropped_.empty()) return {};
    // Whoever takes back a transaction that failed reads anew which tables there are (UsageTable::load).
    if (!has_tables_) LOOM_TRY(database.run(schema));
    has_tables_ = true;
    LOOM_TRY(write_sums(database));
    auto drop = LOOM_TRY(database.prepare("DELETE FROM open_asked WHERE id = ?1"));
    for (const uint64_t id : dropped_) LOOM_TRY(drop.bind(1, static_cast<int64_t>(id)).run());
    auto open = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO open_asked VALUES (?1,?2,?3)"));
    for (const Asked& one : opened_)
        LOOM_TRY(open.bind(1, static_cast<int64_t>(one.id)).bind(2, one.route).bind(3, one.model).run());
    return {};
}

DatabaseResult<void> SpentSums::write_sums(Database& database) {
    auto put = LOOM_TRY(
        database.prepare("INSERT INTO spent VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT DO UPDATE SET tokens = tokens + ?4, "
                         "cost_micro = cost_micro + ?5, cost_pico = cost_pico + ?6"));
    for (const auto& [key, sum] : added_) {
        const auto& [day, scope, name] = key;
        put.bind(1, limit_scope_name(scope)).bind(2, name).bind(3, day).bind(4, static_cast<int64_t>(sum.tokens));
        bind_money(put, 5, sum.cost);
        LOOM_TRY(put.run());
    }
    return {};
}

DatabaseResult<void> SpentSums::leave(Database& database, UsageDay before) {
    if (!has_tables_ || before <= left_before_) return {};
    auto old = LOOM_TRY(database.prepare("DELETE FROM spent WHERE day < ?1"));
    LOOM_TRY(old.bind(1, before).run());
    left_before_ = before;
    return {};
}

DatabaseResult<std::vector<std::string>> SpentSums::models(Database& database, UsageDay day) const {
    std::vector<std::string> models;
    if (!has_tables_) return models;
    auto all = LOOM_TRY(database.prepare("SELECT name FROM spent WHERE scope = ?1 AND day = ?2"));
    all.bind(1, limit_scope_name(LimitScope::model)).bind(2, day);
    while (LOOM_TRY(all.step())) models.emplace_back(all.text(0));
    return models;
}

DatabaseResult<void> SpentSums::complete(Database& database, std::unordered_map<uint64_t, OpenIntent>& open) const {
    if (!has_tables_) return {};
    auto all = LOOM_TRY(database.prepare("SELECT id, route, model FROM open_asked"));
    while (LOOM_TRY(all.step())) {
        const auto found = open.find(static_cast<uint64_t>(all.number(0)));
        if (found == open.end()) continue;
        found->second.route = std::string(all.text(1));
        found->second.asked_model = std::string(all.text(2));
    }
    return {};
}

DatabaseResult<UsageSums> SpentSums::spent(Database& database, const UsageQuery& query) const {
    UsageSums sums;
    if (!has_tables_) return sums;
    auto found = LOOM_TRY(
        database.prepare("SELECT sum(tokens), sum(cost_micro), sum(cost_pico) FROM spent WHERE scope = ?1 AND name = "
                         "?2 AND day BETWEEN ?3 AND ?4"));
    found.bind(1, limit_scope_name(*query.spent_by)).bind(2, query.spent_name).bind(3, query.from).bind(4, query.to);
    if (!LOOM_TRY(found.step())) return sums;
    sums.input = static_cast<uint64_t>(found.number(0));
    sums.cost = money_at(found, 1);
    return sums;
}

}  // namespace loom::store
