#include "project_usage.h"

#include "loom/base/result.h"
#include "usage_columns.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr const char* schema = R"(
    CREATE TABLE IF NOT EXISTS project_usage (
        day INTEGER NOT NULL, consumer TEXT NOT NULL, team TEXT NOT NULL, project TEXT NOT NULL, tenant TEXT NOT NULL,
        provider TEXT NOT NULL, model TEXT NOT NULL, provenance TEXT NOT NULL,
        requests INTEGER NOT NULL, attempts INTEGER NOT NULL, input INTEGER NOT NULL, cached_input INTEGER NOT NULL,
        cache_write INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, unpriced INTEGER NOT NULL, estimated INTEGER NOT NULL,
        cost_micro INTEGER NOT NULL, cost_pico INTEGER NOT NULL,
        PRIMARY KEY (project, day, consumer, team, tenant, provider, model, provenance)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS project_usage_by_day ON project_usage (day);
    CREATE TABLE IF NOT EXISTS open_project (id INTEGER PRIMARY KEY, project TEXT NOT NULL);)";

constexpr const char* add_row =
    "INSERT INTO project_usage (project, day, consumer, team, tenant, provider, model, provenance, requests, attempts, "
    "input, cached_input, cache_write, cache_write_1h, output, reasoning, unpriced, estimated, cost_micro, cost_pico) "
    "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20) "
    "ON CONFLICT DO UPDATE SET requests = requests + ?9, attempts = attempts + ?10, input = input + ?11, "
    "cached_input = cached_input + ?12, cache_write = cache_write + ?13, cache_write_1h = cache_write_1h + ?14, "
    "output = output + ?15, reasoning = reasoning + ?16, unpriced = unpriced + ?17, estimated = estimated + ?18, "
    "cost_micro = cost_micro + ?19, cost_pico = cost_pico + ?20";

}  // namespace

DatabaseResult<ProjectUsage> ProjectUsage::begin(Database& database) {
    ProjectUsage projects;
    constexpr const char* tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('project_usage', 'open_project')";
    projects.has_tables_ = LOOM_TRY(database.number(tables)) == 2;
    return projects;
}

void ProjectUsage::add(UsageDay day, const OpenIntent& intent, std::string_view provenance, const UsageSums& sums) {
    if (intent.project.empty()) return;
    added_[{intent.project, day, intent.consumer, intent.team, intent.tenant, intent.provider, intent.model,
            std::string(provenance)}] += sums;
}

void ProjectUsage::put_open(const OpenIntent& intent) {
    if (!intent.project.empty()) opened_.emplace_back(intent.id, intent.project);
}

void ProjectUsage::drop_open(uint64_t id) {
    if (has_tables_) dropped_.push_back(id);
}

void ProjectUsage::forget() noexcept {
    added_.clear();
    opened_.clear();
    dropped_.clear();
}

DatabaseResult<void> ProjectUsage::write(Database& database) {
    if (added_.empty() && opened_.empty() && dropped_.empty()) return {};
    // Whoever takes back a transaction that failed reads anew which tables there are (UsageTable::load).
    if (!has_tables_) LOOM_TRY(database.run(schema));
    has_tables_ = true;
    auto put = LOOM_TRY(database.prepare(add_row));
    for (const auto& [key, sums] : added_) {
        const auto& [project, day, consumer, team, tenant, provider, model, provenance] = key;
        put.bind(1, project).bind(2, day).bind(3, consumer).bind(4, team).bind(5, tenant).bind(6, provider);
        put.bind(7, model).bind(8, provenance);
        bind_sums(put, 9, sums);
        LOOM_TRY(put.run());
    }
    auto drop = LOOM_TRY(database.prepare("DELETE FROM open_project WHERE id = ?1"));
    for (const uint64_t id : dropped_) LOOM_TRY(drop.bind(1, static_cast<int64_t>(id)).run());
    auto open = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO open_project VALUES (?1, ?2)"));
    for (const auto& [id, project] : opened_) LOOM_TRY(open.bind(1, static_cast<int64_t>(id)).bind(2, project).run());
    return {};
}

DatabaseResult<void> ProjectUsage::complete(Database& database, std::unordered_map<uint64_t, OpenIntent>& open) const {
    if (!has_tables_) return {};
    auto all = LOOM_TRY(database.prepare("SELECT id, project FROM open_project"));
    while (LOOM_TRY(all.step())) {
        const auto found = open.find(static_cast<uint64_t>(all.number(0)));
        if (found != open.end()) found->second.project = std::string(all.text(1));
    }
    return {};
}

}  // namespace loom::store
