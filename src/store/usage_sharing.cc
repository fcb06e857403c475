#include "usage_sharing.h"

#include <fmt/format.h>

#include <array>

#include "loom/base/crypto.h"
#include "loom/base/result.h"
#include "usage_columns.h"

namespace loom::store {
namespace {

// others_usage has the columns of usage, in their order.
constexpr const char* schema = R"(
    CREATE TABLE IF NOT EXISTS loom (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS usage_change (
        consumer TEXT NOT NULL, day INTEGER NOT NULL, team TEXT NOT NULL, tenant TEXT NOT NULL,
        provider TEXT NOT NULL, model TEXT NOT NULL, provenance TEXT NOT NULL, revision INTEGER NOT NULL,
        PRIMARY KEY (consumer, day, team, tenant, provider, model, provenance)) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS usage_change_in_order ON usage_change (revision);
    CREATE TABLE IF NOT EXISTS others_row (
        loom TEXT NOT NULL, day INTEGER NOT NULL, consumer TEXT NOT NULL, team TEXT NOT NULL, tenant TEXT NOT NULL,
        provider TEXT NOT NULL, model TEXT NOT NULL, provenance TEXT NOT NULL,
        requests INTEGER NOT NULL, attempts INTEGER NOT NULL, input INTEGER NOT NULL, cached_input INTEGER NOT NULL,
        cache_write INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, unpriced INTEGER NOT NULL, estimated INTEGER NOT NULL,
        cost_micro INTEGER NOT NULL, cost_pico INTEGER NOT NULL,
        PRIMARY KEY (consumer, day, team, tenant, provider, model, provenance, loom)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS others_row_by_day ON others_row (day);
    CREATE INDEX IF NOT EXISTS others_row_by_loom ON others_row (loom, day);
    CREATE TABLE IF NOT EXISTS others_until (
        loom TEXT NOT NULL, month TEXT NOT NULL, generation TEXT NOT NULL, revision INTEGER NOT NULL,
        PRIMARY KEY (loom, month)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS generation (name TEXT PRIMARY KEY) WITHOUT ROWID;
    DROP TABLE IF EXISTS others_known;
    CREATE VIEW IF NOT EXISTS others_usage AS SELECT day, consumer, team, tenant, provider, model, provenance, requests,
        attempts, input, cached_input, cache_write, cache_write_1h, output, reasoning, unpriced, estimated, cost_micro,
        cost_pico FROM others_row;
    CREATE TRIGGER IF NOT EXISTS usage_inserted AFTER INSERT ON usage BEGIN
        INSERT INTO usage_change VALUES (new.consumer, new.day, new.team, new.tenant, new.provider, new.model,
            new.provenance, (SELECT ifnull(max(revision), 0) + 1 FROM usage_change))
            ON CONFLICT DO UPDATE SET revision = excluded.revision;
    END;
    CREATE TRIGGER IF NOT EXISTS usage_updated AFTER UPDATE ON usage BEGIN
        INSERT INTO usage_change VALUES (new.consumer, new.day, new.team, new.tenant, new.provider, new.model,
            new.provenance, (SELECT ifnull(max(revision), 0) + 1 FROM usage_change))
            ON CONFLICT DO UPDATE SET revision = excluded.revision;
    END;
    INSERT INTO usage_change SELECT consumer, day, team, tenant, provider, model, provenance,
        row_number() OVER (ORDER BY day, consumer) FROM usage WHERE NOT EXISTS (SELECT 1 FROM usage_change);)";

std::string random_hex(size_t bytes_count) {
    std::array<uint8_t, 16> bytes;
    random_bytes(bytes);
    std::string text;
    for (size_t i = 0; i < bytes_count; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", bytes[i]);
    return text;
}

constexpr const char* last_revision = "SELECT ifnull(max(revision), 0) FROM usage_change";

}  // namespace

DatabaseResult<UsageSharing> UsageSharing::begin(Database& database, std::string loom_id) {
    UsageSharing sharing;
    LOOM_TRY(in_transaction(database, [&]() -> DatabaseResult<void> {
        LOOM_TRY(database.run(schema));
        sharing.base_ = static_cast<uint64_t>(LOOM_TRY(database.number(last_revision)));
        sharing.generation_ = LOOM_TRY(database.text("SELECT name FROM generation"));
        if (!is_usage_generation(sharing.generation_)) LOOM_TRY(sharing.begin_generation(database));
        sharing.loom_id_ = LOOM_TRY(database.text("SELECT id FROM loom"));
        if (is_loom_id(sharing.loom_id_) && (loom_id.empty() || loom_id == sharing.loom_id_)) return {};
        sharing.loom_id_ = loom_id.empty() ? random_hex(16) : std::move(loom_id);
        LOOM_TRY(database.run("DELETE FROM loom"));
        auto put = LOOM_TRY(database.prepare("INSERT INTO loom VALUES (?1)"));
        return put.bind(1, sharing.loom_id_).run();
    }));
    return sharing;
}

DatabaseResult<void> UsageSharing::begin_generation(Database& database) {
    generation_ = random_hex(8);
    LOOM_TRY(database.run("DELETE FROM generation"));
    auto put = LOOM_TRY(database.prepare("INSERT INTO generation VALUES (?1)"));
    return put.bind(1, generation_).run();
}

DatabaseResult<UsageChanges> UsageSharing::changes(Database& database, uint64_t after, UsageDay since) {
    UsageChanges page;
    page.generation = generation_;
    page.last_revision = static_cast<uint64_t>(LOOM_TRY(database.number(last_revision)));
    auto found = LOOM_TRY(
        database.prepare(fmt::format("{}WHERE revision > ?1 AND day >= ?2 ORDER BY revision LIMIT ?3", changed_rows)));
    found.bind(1, static_cast<int64_t>(after)).bind(2, since).bind(3, static_cast<int64_t>(usage_page_rows));
    while (LOOM_TRY(found.step())) {
        std::string month = usage_month(found.number(1));
        if (page.rows.empty())
            page.month = std::move(month);
        else if (month != page.month)
            break;
        page.rows.push_back(change_at(found));
    }
    return page;
}

DatabaseResult<std::vector<CountOfMonth>> UsageSharing::counts(Database& database, uint64_t until, UsageDay since) {
    std::vector<CountOfMonth> months;
    auto found = LOOM_TRY(database.prepare(
        "SELECT day, count(*) FROM usage_change WHERE revision <= ?1 AND day >= ?2 GROUP BY day ORDER BY day"));
    found.bind(1, static_cast<int64_t>(until)).bind(2, since);
    while (LOOM_TRY(found.step())) {
        std::string month = usage_month(found.number(0));
        if (months.empty() || months.back().month != month) months.push_back({.month = std::move(month)});
        months.back().rows += static_cast<uint64_t>(found.number(1));
    }
    return months;
}

DatabaseResult<ShippingStart> UsageSharing::begin_shipping(Database& database,
                                                           const std::optional<ShippedUsage>& shipped) {
    if (!shipped) {  // it may have known later numbers, and others may still
        LOOM_TRY(in_transaction(database, [&] { return begin_generation(database); }));
        return ShippingStart{};
    }
    if (shipped->generation == generation_ && shipped->revision <= base_)
        return ShippingStart{.after = shipped->revision};
    const auto own = static_cast<uint64_t>(LOOM_TRY(database.number(last_revision)));
    if (shipped->revision > own + jump_max || shipped->revision > usage_revision_max - jump_max)
        return ShippingStart{.absurd = true};
    LOOM_TRY(in_transaction(database, [&]() -> DatabaseResult<void> {
        LOOM_TRY(begin_generation(database));
        // In two steps, since numbers that are unique must not meet on the way.
        auto away = LOOM_TRY(database.prepare(
            "UPDATE usage_change SET revision = -(?1 + place) FROM (SELECT revision AS old, row_number() OVER (ORDER "
            "BY revision) AS place FROM usage_change) WHERE revision = old"));
        LOOM_TRY(away.bind(1, static_cast<int64_t>(shipped->revision)).run());
        return database.run("UPDATE usage_change SET revision = -revision");
    }));
    base_ = static_cast<uint64_t>(LOOM_TRY(database.number(last_revision)));
    return ShippingStart{.after = shipped->revision, .anew = true};
}

DatabaseResult<uint64_t> UsageSharing::take(Database& database, const MonthOfLoom& of,
                                            const std::vector<UsageChange>& rows) {
    uint64_t left_out = 0;
    LOOM_TRY(in_transaction(database, [&]() -> DatabaseResult<void> {
        bool full = false;
        if (!rows.empty()) {
            const UsageDay month = usage_month_begin(rows.front().name.day);
            auto count = LOOM_TRY(
                database.prepare("SELECT count(*) FROM others_row WHERE loom = ?1 AND day BETWEEN ?2 AND ?2 + 30"));
            count.bind(1, of.loom).bind(2, month);
            if (LOOM_TRY(count.step())) full = static_cast<uint64_t>(count.number(0)) + rows.size() > others_rows_max;
        }
        auto put = LOOM_TRY(
            database.prepare("INSERT OR REPLACE INTO others_row SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,"
                             "?15,?16,?17,?18,?19,?20 WHERE ?21 = 0 OR EXISTS (SELECT 1 FROM others_row WHERE "
                             "consumer = ?3 AND day = ?2 AND team = ?4 AND tenant = ?5 AND provider = ?6 AND "
                             "model = ?7 AND provenance = ?8 AND loom = ?1)"));
        for (const auto& [name, sums, revision] : rows) {
            put.bind(1, of.loom).bind(2, name.day).bind(3, name.consumer).bind(4, name.team).bind(5, name.tenant);
            put.bind(6, name.provider).bind(7, name.model).bind(8, name.provenance);
            bind_sums(put, 9, sums);
            put.bind(21, full ? 1 : 0);
            LOOM_TRY(put.run());
            if (full && database.changes() == 0) left_out += 1;
        }
        auto known = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO others_until VALUES (?1, ?2, ?3, ?4)"));
        known.bind(1, of.loom).bind(2, of.month).bind(3, of.generation).bind(4, static_cast<int64_t>(of.revision));
        return known.run();
    }));
    return left_out;
}

DatabaseResult<void> UsageSharing::forget_others(Database& database, UsageDay since) {
    return in_transaction(database, [&]() -> DatabaseResult<void> {
        auto rows = LOOM_TRY(database.prepare("DELETE FROM others_row WHERE day < ?1"));
        LOOM_TRY(rows.bind(1, since).run());
        auto known = LOOM_TRY(database.prepare("DELETE FROM others_until WHERE month < ?1"));
        return known.bind(1, usage_month(since)).run();
    });
}

DatabaseResult<std::vector<MonthOfLoom>> UsageSharing::known(Database& database) {
    std::vector<MonthOfLoom> all;
    auto found =
        LOOM_TRY(database.prepare("SELECT loom, month, revision, generation FROM others_until ORDER BY loom, month"));
    while (LOOM_TRY(found.step()))
        all.push_back({.loom = std::string(found.text(0)),
                       .month = std::string(found.text(1)),
                       .revision = static_cast<uint64_t>(found.number(2)),
                       .generation = std::string(found.text(3))});
    return all;
}

}  // namespace loom::store
