#include "local_usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "loom/base/result.h"
#include "usage_columns.h"
#include "usage_query.h"

namespace loom::store {
namespace {

using tenant::LedgerLocal;
using tenant::LedgerLocalExit;

constexpr const char* schema = R"(
    CREATE TABLE IF NOT EXISTS local_usage (
        day INTEGER NOT NULL, consumer TEXT NOT NULL, team TEXT NOT NULL, project TEXT NOT NULL, tenant TEXT NOT NULL,
        route TEXT NOT NULL, model TEXT NOT NULL, exit INTEGER NOT NULL,
        requests INTEGER NOT NULL, input INTEGER NOT NULL, cached_input INTEGER NOT NULL, output INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, unpriced INTEGER NOT NULL, saved_micro INTEGER NOT NULL,
        saved_pico INTEGER NOT NULL,
        PRIMARY KEY (consumer, day, team, project, tenant, route, model, exit)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS local_usage_by_day ON local_usage (day);
    CREATE TABLE IF NOT EXISTS segment_local (
        epoch INTEGER NOT NULL, shard INTEGER NOT NULL, number INTEGER NOT NULL,
        cached INTEGER NOT NULL, refused INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
        saved_micro INTEGER NOT NULL, saved_pico INTEGER NOT NULL,
        PRIMARY KEY (epoch, shard, number)) WITHOUT ROWID;)";

constexpr const char* has_tables =
    "SELECT count(*) = 3 FROM sqlite_schema WHERE name IN ('local_usage', 'local_usage_by_day', 'segment_local')";

constexpr const char* sum_columns =
    "sum(requests), sum(input), sum(cached_input), sum(output), sum(reasoning), sum(unpriced), sum(saved_micro), "
    "sum(saved_pico)";

int64_t stored(uint64_t value) noexcept { return static_cast<int64_t>(value); }
uint64_t number_at(const Statement& row, int at) noexcept { return static_cast<uint64_t>(row.number(at)); }

/// Nobody was asked, so that there is no provider, and nobody who has told anything.
const char* local_column(UsageDimension by) noexcept {
    const bool is_nobodys = by == UsageDimension::provider || by == UsageDimension::provenance;
    return is_nobodys ? "''" : usage_column(by);
}

/// Of one exit, from a row that begins with it at `at`.
void add_exit_at(LocalSums& sums, const Statement& row, int at) {
    const uint64_t exit = number_at(row, at);
    if (exit >= sums.requests.size()) return;  // of a Loom that came later
    LocalSums one;
    one.requests[exit] = number_at(row, at + 1);
    one.input = number_at(row, at + 2);
    one.cached_input = number_at(row, at + 3);
    one.output = number_at(row, at + 4);
    one.reasoning = number_at(row, at + 5);
    one.unpriced = number_at(row, at + 6);
    one.saved = money_at(row, at + 7);
    sums += one;
}

LocalSums sums_of(const LedgerLocal& local) noexcept {
    LocalSums sums;
    sums.requests[static_cast<size_t>(local.exit)] = local.count;
    if (is_refusal(local.exit)) return sums;
    sums.input = local.input_tokens;
    sums.cached_input = local.cached_input;
    sums.output = local.output_tokens;
    sums.reasoning = local.reasoning;
    if (local.saved >= 0)
        sums.saved = static_cast<unsigned __int128>(local.saved);
    else
        sums.unpriced = local.count;
    return sums;
}

}  // namespace

uint64_t LocalSums::cached() const noexcept {
    uint64_t all = 0;
    for (size_t i = 0; i < tenant::ledger_first_refusal; ++i) all += requests[i];
    return all;
}

uint64_t LocalSums::refused() const noexcept {
    uint64_t all = 0;
    for (size_t i = tenant::ledger_first_refusal; i < requests.size(); ++i) all += requests[i];
    return all;
}

LocalSums& LocalSums::operator+=(const LocalSums& more) noexcept {
    for (size_t i = 0; i < requests.size(); ++i) requests[i] += more.requests[i];
    input += more.input;
    cached_input += more.cached_input;
    output += more.output;
    reasoning += more.reasoning;
    unpriced += more.unpriced;
    saved += more.saved;
    return *this;
}

SegmentLocal& SegmentLocal::operator+=(const SegmentLocal& more) noexcept {
    cached += more.cached;
    refused += more.refused;
    input += more.input;
    output += more.output;
    saved += more.saved;
    return *this;
}

DatabaseResult<LocalUsage> LocalUsage::begin_to_read(Database& database) {
    LocalUsage usage;
    usage.has_tables_ = LOOM_TRY(database.number(has_tables)) != 0;
    usage.retention_ = LOOM_TRY(UsageRetention::begin(database, "local_usage", "exit"));
    return usage;
}

DatabaseResult<UsageDay> LocalUsage::newest_day(Database& database) const {
    if (!has_tables_) return UsageDay{-1};
    return database.number("SELECT coalesce(max(day), -1) FROM local_usage");
}

DatabaseResult<LocalUsage> LocalUsage::begin(Database& database) {
    auto usage = LOOM_TRY(begin_to_read(database));
    if (usage.has_tables_) return usage;
    LOOM_TRY(in_transaction(database, [&] { return database.run(schema); }));
    usage.has_tables_ = true;
    return usage;
}

void LocalUsage::take(SegmentLocal& segment, UsageDay day, std::string model, const LedgerLocal& local) {
    const LocalSums sums = sums_of(local);
    segment += SegmentLocal{.cached = sums.cached(),
                            .refused = sums.refused(),
                            .input = sums.input,
                            .output = sums.output,
                            .saved = sums.saved};
    added_[{day, std::string(local.consumer), std::string(local.team), std::string(local.project),
            std::string(local.tenant), std::string(local.route), std::move(model), local.exit}] += sums;
}

DatabaseResult<void> LocalUsage::write(Database& database, const SegmentName& name, const SegmentLocal& segment) {
    if (added_.empty()) return {};
    if (!has_tables_) return std::unexpected(DatabaseFault{SQLITE_ERROR, "has no tables of what the cache answers"});
    LOOM_TRY(write_sums(database));
    auto put = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO segment_local VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
    put.bind(1, name.epoch).bind(2, name.shard).bind(3, name.number);
    put.bind(4, stored(segment.cached)).bind(5, stored(segment.refused));
    put.bind(6, stored(segment.input)).bind(7, stored(segment.output));
    bind_money(put, 8, segment.saved);
    return put.run();
}

DatabaseResult<void> LocalUsage::write_sums(Database& database) {
    auto add = LOOM_TRY(database.prepare(
        "INSERT INTO local_usage VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) ON CONFLICT DO UPDATE "
        "SET requests = requests + ?9, input = input + ?10, cached_input = cached_input + ?11, output = output + ?12, "
        "reasoning = reasoning + ?13, unpriced = unpriced + ?14, saved_micro = saved_micro + ?15, "
        "saved_pico = saved_pico + ?16"));
    for (const auto& [key, sums] : added_) {
        add.bind(1, key.day).bind(2, key.consumer).bind(3, key.team).bind(4, key.project).bind(5, key.tenant);
        add.bind(6, key.route).bind(7, key.model).bind(8, static_cast<int64_t>(key.exit));
        int at = 9;
        for (const uint64_t one : {sums.cached() + sums.refused(), sums.input, sums.cached_input, sums.output,
                                   sums.reasoning, sums.unpriced})
            add.bind(at++, stored(one));
        bind_money(add, 15, sums.saved);
        LOOM_TRY(add.run());
    }
    return {};
}

DatabaseResult<SegmentLocal> LocalUsage::segment(Database& database, const SegmentName& name) {
    if (!has_tables_) return SegmentLocal{};
    auto found = LOOM_TRY(
        database.prepare("SELECT cached, refused, input, output, saved_micro, saved_pico FROM segment_local WHERE "
                         "epoch = ?1 AND shard = ?2 AND number = ?3"));
    found.bind(1, name.epoch).bind(2, name.shard).bind(3, name.number);
    if (!LOOM_TRY(found.step())) return SegmentLocal{};
    return SegmentLocal{.cached = number_at(found, 0),
                        .refused = number_at(found, 1),
                        .input = number_at(found, 2),
                        .output = number_at(found, 3),
                        .saved = money_at(found, 4)};
}

DatabaseResult<void> LocalUsage::forget(Database& database, const SegmentName& name) {
    if (!has_tables_) return {};
    auto gone = LOOM_TRY(database.prepare("DELETE FROM segment_local WHERE epoch = ?1 AND shard = ?2 AND number = ?3"));
    return gone.bind(1, name.epoch).bind(2, name.shard).bind(3, name.number).run();
}

DatabaseResult<std::vector<UsageGroup>> LocalUsage::usage(Database& database, const UsageQuery& query) {
    std::vector<UsageGroup> groups;
    if (!has_tables_) return groups;
    const bool by_day = query.by == UsageDimension::day;
    auto found = LOOM_TRY(database.prepare(fmt::format(
        "SELECT {0}, exit, {1} FROM (SELECT * FROM local_usage{2}) WHERE {3}{4} GROUP BY {0}, exit ORDER BY {0}",
        local_column(query.by), sum_columns, by_day ? "" : retention_.month_rows(query.from, query.to),
        usage_condition(query, local_column), asks_for_projects(query) ? " AND project <> ''" : "")));
    bind_condition(found, query);
    while (LOOM_TRY(found.step())) {
        std::string name = usage_group_name(found, query.by);
        if (groups.empty() || groups.back().name != name) {
            if (query.limit > 0 && groups.size() == query.limit) break;
            groups.push_back({.name = std::move(name), .sums = {}, .local = {}});
        }
        add_exit_at(groups.back().local, found, 1);
    }
    return groups;
}

DatabaseResult<LocalSums> LocalUsage::total(Database& database) {
    LocalSums sums;
    if (!has_tables_) return sums;
    auto found = LOOM_TRY(database.prepare(fmt::format(
        "SELECT exit, {} FROM (SELECT * FROM local_usage{}) GROUP BY exit", sum_columns, retention_.all_rows())));
    while (LOOM_TRY(found.step())) add_exit_at(sums, found, 0);
    return sums;
}

DatabaseResult<bool> LocalUsage::retain(Database& database, const RetentionTerms& terms) {
    if (!has_tables_) return false;
    return retention_.step(database, terms);
}

DatabaseResult<bool> LocalUsage::knows(Database& database, const std::string& consumer) {
    if (!has_tables_) return false;
    auto found =
        LOOM_TRY(database.prepare(fmt::format("SELECT 1 FROM (SELECT * FROM local_usage{}) WHERE consumer = ?1 LIMIT 1",
                                              retention_.month_rows(0, usage_day_max))));
    return found.bind(1, consumer).step();
}

DatabaseResult<std::vector<std::string>> LocalUsage::models(Database& database, UsageDay day) {
    std::vector<std::string> models;
    if (!has_tables_) return models;
    auto all = LOOM_TRY(database.prepare("SELECT DISTINCT model FROM local_usage WHERE day = ?1"));
    all.bind(1, day);
    while (LOOM_TRY(all.step())) models.emplace_back(all.text(0));
    return models;
}

}  // namespace loom::store
