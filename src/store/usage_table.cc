#include "usage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "loom/base/hash.h"
#include "loom/base/result.h"
#include "loom/store/usage_period.h"
#include "usage_columns.h"
#include "usage_query.h"

namespace loom::store {
namespace {

using tenant::LedgerIntent;
using tenant::LedgerLocal;
using tenant::LedgerProvenance;
using tenant::LedgerSettlement;

constexpr int64_t schema_version = 1;

constexpr const char* schema = R"(
    CREATE TABLE usage (
        day INTEGER NOT NULL, consumer TEXT NOT NULL, team TEXT NOT NULL, tenant TEXT NOT NULL,
        provider TEXT NOT NULL, model TEXT NOT NULL, provenance TEXT NOT NULL,
        requests INTEGER NOT NULL, attempts INTEGER NOT NULL, input INTEGER NOT NULL, cached_input INTEGER NOT NULL,
        cache_write INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL,
        reasoning INTEGER NOT NULL, unpriced INTEGER NOT NULL, estimated INTEGER NOT NULL,
        cost_micro INTEGER NOT NULL, cost_pico INTEGER NOT NULL,
        PRIMARY KEY (consumer, day, team, tenant, provider, model, provenance)) WITHOUT ROWID;
    CREATE INDEX usage_by_day ON usage (day);
    CREATE TABLE open_intent (
        id INTEGER PRIMARY KEY, request INTEGER NOT NULL, time_us INTEGER NOT NULL,
        consumer TEXT NOT NULL, team TEXT NOT NULL, tenant TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
        input INTEGER NOT NULL, output INTEGER NOT NULL, cost INTEGER NOT NULL);
    CREATE TABLE gap (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE segment (
        epoch INTEGER NOT NULL, shard INTEGER NOT NULL, number INTEGER NOT NULL,
        folded INTEGER NOT NULL, whole INTEGER NOT NULL, damaged INTEGER NOT NULL, records INTEGER NOT NULL,
        digest INTEGER NOT NULL, opened INTEGER NOT NULL, booked INTEGER NOT NULL,
        input INTEGER NOT NULL, output INTEGER NOT NULL, cost_micro INTEGER NOT NULL, cost_pico INTEGER NOT NULL,
        last_intent INTEGER NOT NULL,
        PRIMARY KEY (epoch, shard, number)) WITHOUT ROWID;
    PRAGMA application_id = 1282371437;
    PRAGMA user_version = 1;)";

constexpr std::string_view sum_columns =
    "sum(requests), sum(attempts), sum(input), sum(cached_input), sum(cache_write), sum(cache_write_1h), "
    "sum(output), sum(reasoning), sum(unpriced), sum(estimated), sum(cost_micro), sum(cost_pico)";

constexpr std::string_view segment_columns =
    "epoch, shard, number, folded, whole, damaged, records, digest, opened, booked, input, output, cost_micro, "
    "cost_pico, last_intent";

int64_t stored(uint64_t value) noexcept { return static_cast<int64_t>(value); }

SegmentRow segment_at(const Statement& row) {
    const auto number = [&row](int at) { return static_cast<uint64_t>(row.number(at)); };
    SegmentRow segment{
        .name = {static_cast<uint32_t>(number(0)), static_cast<uint32_t>(number(1)), static_cast<uint32_t>(number(2))},
        .folded = number(3),
        .whole = number(4) != 0,
        .damaged = number(5),
        .records = number(6),
        .digest = number(7),
        .opened = number(8),
        .booked = number(9),
        .sums = {},
        .last_intent = number(14)};
    segment.sums.attempts = segment.booked;
    segment.sums.input = number(10);
    segment.sums.output = number(11);
    segment.sums.cost = money_at(row, 12);
    return segment;
}

std::string explain(const std::string& path, const DatabaseFault& fault) {
    if (fault.damaged())
        return fmt::format(
            "{}: is damaged ({}); restore it from a copy, or move it away, and identity.db beside it not: the segments "
            "in ledger/ are then folded into a new one",
            path, fault.text);
    return fmt::format("{}: {}", path, fault.text);
}

}  // namespace

UsageSums& UsageSums::operator+=(const UsageSums& more) noexcept {
    requests += more.requests;
    attempts += more.attempts;
    input += more.input;
    cached_input += more.cached_input;
    cache_write += more.cache_write;
    cache_write_1h += more.cache_write_1h;
    output += more.output;
    reasoning += more.reasoning;
    unpriced += more.unpriced;
    estimated += more.estimated;
    cost += more.cost;
    return *this;
}

std::string usage_day_text(UsageDay day) {
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()));
}

std::expected<UsageTable, std::string> UsageTable::open(const std::string& path, VaultPtr vault, Use use) {
    auto database = Database::open(path, std::move(vault));
    if (!database) return std::unexpected(explain(path, database.error()));
    UsageTable table(std::move(*database));
    if (use == Use::alone)
        if (const auto alone = table.database_.text("PRAGMA locking_mode = EXCLUSIVE"); !alone)
            return std::unexpected(explain(path, alone.error()));
    if (const auto begun = table.begin(path == ":memory:", use); !begun)
        return std::unexpected(explain(path, begun.error()));
    return table;
}

bool UsageTable::is_unbegun(const std::string& path, VaultPtr vault) {
    auto database = Database::open(path, std::move(vault));
    if (!database || !database->text("PRAGMA locking_mode = EXCLUSIVE")) return false;
    const auto version = database->number("PRAGMA user_version");
    const auto count = database->number("SELECT count(*) FROM sqlite_schema");
    return version && *version == 0 && count && *count == 0;
}

std::expected<UsageTable, std::string> UsageTable::open_to_read(const std::string& path, VaultPtr vault) {
    auto database = Database::open_to_read(path, std::move(vault));
    if (!database) return std::unexpected(explain(path, database.error()));
    UsageTable table(std::move(*database));
    if (const auto begun = table.begin_to_read(); !begun) return std::unexpected(explain(path, begun.error()));
    return table;
}

DatabaseResult<void> UsageTable::begin_to_read() {
    const int64_t version = LOOM_TRY(database_.number("PRAGMA user_version"));
    if (version != schema_version)
        return std::unexpected(
            DatabaseFault{SQLITE_ERROR, fmt::format("was made by another version of Loom (schema {})", version)});
    local_ = LOOM_TRY(LocalUsage::begin_to_read(database_));
    LOOM_TRY(prepare());
    return load();
}

DatabaseResult<void> UsageTable::begin(bool in_memory, Use use) {
    if (!in_memory) {
        // NORMAL: what a power cut takes of the last commits is folded again, since how far it was goes with it.
        if (auto mode = database_.text("PRAGMA journal_mode = WAL"); !mode) return std::unexpected(mode.error());
        LOOM_TRY(database_.run("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216"));
    }
    LOOM_TRY(database_.run("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF"));
    LOOM_TRY(database_.take_schema(schema, schema_version));
    auto local = LocalUsage::begin(database_);
    // One of before that has no room for them now: nothing is folded into it as long as it is so.
    if (!local && use == Use::alone) local = LocalUsage::begin_to_read(database_);
    local_ = LOOM_TRY(std::move(local));
    LOOM_TRY(prepare());
    return load();
}

DatabaseResult<void> UsageTable::share(std::string loom_id) {
    sharing_ = LOOM_TRY(UsageSharing::begin(database_, std::move(loom_id)));
    return {};
}

DatabaseResult<void> UsageTable::begin_retention() {
    retention_ = LOOM_TRY(UsageRetention::begin(database_, "usage"));
    projects_retention_ = LOOM_TRY(UsageRetention::begin(database_, "project_usage"));
    return {};
}

/// Which tables there are is of that moment too: a Loom that runs may have made them since this was opened.
DatabaseResult<void> UsageTable::hold_still() {
    LOOM_TRY(database_.run("BEGIN"));
    local_ = LOOM_TRY(LocalUsage::begin_to_read(database_));
    return begin_retention();
}

DatabaseResult<void> UsageTable::prepare() {
    LOOM_TRY(begin_retention());
    add_ = LOOM_TRY(database_.prepare(
        "INSERT INTO usage VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19) "
        "ON CONFLICT DO UPDATE SET requests = requests + ?8, attempts = attempts + ?9, input = input + ?10, "
        "cached_input = cached_input + ?11, cache_write = cache_write + ?12, cache_write_1h = cache_write_1h + ?13, "
        "output = output + ?14, reasoning = reasoning + ?15, unpriced = unpriced + ?16, estimated = estimated + ?17, "
        "cost_micro = cost_micro + ?18, cost_pico = cost_pico + ?19"));
    open_put_ = LOOM_TRY(database_.prepare("INSERT INTO open_intent VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"));
    open_drop_ = LOOM_TRY(database_.prepare("DELETE FROM open_intent WHERE id = ?1"));
    segment_put_ = LOOM_TRY(database_.prepare(
        "INSERT OR REPLACE INTO segment VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"));
    segment_get_ = LOOM_TRY(database_.prepare(
        fmt::format("SELECT {} FROM segment WHERE epoch = ?1 AND shard = ?2 AND number = ?3", segment_columns)));
    last_get_ = LOOM_TRY(database_.prepare("SELECT max(last_intent) FROM segment WHERE epoch = ?1 AND shard = ?2"));
    return {};
}

DatabaseResult<void> UsageTable::load() {
    must_load_ = true;
    projects_ = LOOM_TRY(ProjectUsage::begin(database_));
    spent_ = LOOM_TRY(SpentSums::begin(database_));
    auto open = LOOM_TRY(read_open());
    gaps_ = LOOM_TRY(read_gaps());
    open_ = std::move(open);
    gaps_changed_ = must_load_ = false;
    return {};
}

DatabaseResult<std::map<uint64_t, uint64_t>> UsageTable::read_gaps() {
    std::map<uint64_t, uint64_t> gaps;
    auto all = LOOM_TRY(database_.prepare("SELECT first, last FROM gap"));
    while (LOOM_TRY(all.step()))
        gaps.emplace(static_cast<uint64_t>(all.number(0)), static_cast<uint64_t>(all.number(1)));
    return gaps;
}

DatabaseResult<std::unordered_map<uint64_t, OpenIntent>> UsageTable::read_open() {
    std::unordered_map<uint64_t, OpenIntent> open;
    auto all = LOOM_TRY(database_.prepare("SELECT * FROM open_intent"));
    while (LOOM_TRY(all.step())) {
        const auto number = [&all](int at) { return static_cast<uint64_t>(all.number(at)); };
        OpenIntent one{.id = number(0),
                       .request = number(1),
                       .time_us = number(2),
                       .consumer = std::string(all.text(3)),
                       .team = std::string(all.text(4)),
                       .tenant = std::string(all.text(5)),
                       .provider = std::string(all.text(6)),
                       .model = std::string(all.text(7)),
                       .project = {},
                       .route = {},
                       .asked_model = std::string(all.text(7)),
                       .input = number(8),
                       .output = number(9),
                       .cost = all.number(10)};
        open.insert_or_assign(one.id, std::move(one));
    }
    LOOM_TRY(projects_.complete(database_, open));
    LOOM_TRY(spent_.complete(database_, open));
    return open;
}

DatabaseResult<SegmentRow> UsageTable::segment(const SegmentName& name) {
    if (must_load_) LOOM_TRY(load());
    segment_get_.bind(1, name.epoch).bind(2, name.shard).bind(3, name.number);
    const bool found = LOOM_TRY(segment_get_.step());
    SegmentRow row = found ? segment_at(segment_get_) : SegmentRow{.name = name};
    segment_get_.reset();
    if (found) row.local = LOOM_TRY(local_.segment(database_, name));
    if (found) return row;
    last_get_.bind(1, name.epoch).bind(2, name.shard);
    if (LOOM_TRY(last_get_.step())) row.last_intent = static_cast<uint64_t>(last_get_.number(0));
    last_get_.reset();
    return row;
}

DatabaseResult<std::vector<SegmentRow>> UsageTable::segments() {
    auto all = LOOM_TRY(
        database_.prepare(fmt::format("SELECT {} FROM segment ORDER BY epoch, shard, number", segment_columns)));
    std::vector<SegmentRow> rows;
    while (LOOM_TRY(all.step())) {
        rows.push_back(segment_at(all));
        rows.back().local = LOOM_TRY(local_.segment(database_, rows.back().name));
    }
    return rows;
}

void UsageTable::take(SegmentRow& row, const tenant::LedgerRead& read) {
    if (must_load_) return;
    row.records += 1;
    row.digest += read.checksum;
    if (const auto* const intent = std::get_if<LedgerIntent>(&read.record)) open_intent(row, *intent);
    if (const auto* const settlement = std::get_if<LedgerSettlement>(&read.record)) settle(row, *settlement);
    if (const auto* const local = std::get_if<LedgerLocal>(&read.record)) add_local(row, *local);
}

/// A shard's ids rise one by one. What a broken segment does not have for sure is written again in the next, and so is
/// what stands behind it and may be there: one that was seen came twice, and one that was passed over did not.
bool UsageTable::is_new(SegmentRow& row, uint64_t id) {
    constexpr uint64_t sequences = (uint64_t{1} << tenant::ledger_sequence_bits) - 1;
    const uint64_t last = row.last_intent != 0 ? row.last_intent : id & ~sequences;
    if (id > last) {
        row.last_intent = id;
        if (id > last + 1) gaps_changed_ |= gaps_.emplace(last + 1, id - 1).second;
        return true;
    }
    const auto behind = gaps_.upper_bound(id);
    if (behind == gaps_.begin()) return false;
    const auto [first, end] = *std::prev(behind);
    if (id > end) return false;
    gaps_changed_ = true;
    gaps_.erase(std::prev(behind));
    if (id > first) gaps_.emplace(first, id - 1);
    if (id < end) gaps_.emplace(id + 1, end);
    return true;
}

void UsageTable::open_intent(SegmentRow& row, const LedgerIntent& intent) {
    if (!is_new(row, intent.id)) return;
    row.opened += 1;
    open_.insert_or_assign(
        intent.id,
        OpenIntent{.id = intent.id,
                   .request = intent.request,
                   .time_us = intent.time_us,
                   .consumer = std::string(intent.consumer),
                   .team = std::string(intent.team),
                   .tenant = std::string(intent.tenant),
                   .provider = std::string(intent.provider),
                   .model = std::string(intent.model),
                   .project = std::string(intent.project),
                   .route = std::string(intent.route),
                   .asked_model = std::string(intent.asked_model.empty() ? intent.model : intent.asked_model),
                   .input = intent.input_tokens,
                   .output = intent.output_tokens,
                   .cost = intent.cost});
    opened_.push_back(intent.id);
    fresh_.emplace(intent.id, true);
}

/// Once: the second settlement of an intent finds it closed.
void UsageTable::settle(SegmentRow& row, const LedgerSettlement& settlement) {
    const auto found = open_.find(settlement.id);
    if (found == open_.end()) return;
    OpenIntent intent = std::move(found->second);
    open_.erase(found);
    if (fresh_.erase(settlement.id) == 0) settled_.push_back(settlement.id);
    UsageSums sums{.requests = intent.request == intent.id ? 1u : 0u,
                   .attempts = 1,
                   .input = settlement.tokens.input,
                   .cached_input = settlement.tokens.cached_input,
                   .cache_write = settlement.tokens.cache_write,
                   .cache_write_1h = settlement.tokens.cache_write_1h,
                   .output = settlement.tokens.output,
                   .reasoning = settlement.tokens.reasoning,
                   .unpriced = settlement.cost < 0 ? 1u : 0u,
                   .estimated = settlement.provenance >= LedgerProvenance::counted ? 1u : 0u};
    if (settlement.cost > 0) sums.cost = static_cast<unsigned __int128>(settlement.cost);
    row.booked += 1;
    row.sums += sums;
    const auto day = static_cast<UsageDay>(intent.time_us / us_per_usage_day);
    intent.model = bounded_model(day, std::move(intent.model));
    intent.asked_model = bounded_asked(day, std::move(intent.asked_model));
    spent_.add(day, intent, sums);
    projects_.add(day, intent, tenant::ledger_provenance_name(settlement.provenance), sums);
    added_[{day, std::move(intent.consumer), std::move(intent.team), std::move(intent.tenant),
            std::move(intent.provider), std::move(intent.model), settlement.provenance}] += sums;
}

/// Its id is of the same row as the intents': what was written anew elsewhere is seen by that.
void UsageTable::add_local(SegmentRow& row, const LedgerLocal& local) {
    if (!is_new(row, local.id)) return;
    const auto day = static_cast<UsageDay>(local.time_us / us_per_usage_day);
    local_.take(row.local, day, bounded_local(day, std::string(local.model)), local);
}

DatabaseResult<std::vector<std::string>> UsageTable::names_of_day(const char* sql, UsageDay day) {
    std::vector<std::string> names;
    auto all = LOOM_TRY(database_.prepare(sql));
    all.bind(1, day);
    while (LOOM_TRY(all.step())) names.emplace_back(all.text(0));
    return names;
}

std::string UsageTable::bounded_model(UsageDay day, std::string model) {
    return models_.bounded(day, std::move(model), models_max_, [this](UsageDay of) {
        return names_of_day("SELECT DISTINCT model FROM usage WHERE day = ?1", of);
    });
}

/// Those that clients ask by have a bound of their own, which no provider's names reach.
std::string UsageTable::bounded_asked(UsageDay day, std::string model) {
    return asked_models_.bounded(day, std::move(model), models_max_,
                                 [this](UsageDay of) { return spent_.models(database_, of); });
}

/// And so have those of which no provider was asked, which cost nothing.
std::string UsageTable::bounded_local(UsageDay day, std::string model) {
    return local_models_.bounded(day, std::move(model), models_max_,
                                 [this](UsageDay of) { return local_.models(database_, of); });
}

DatabaseResult<void> UsageTable::commit(const SegmentRow& row) {
    if (must_load_)
        return std::unexpected(DatabaseFault{SQLITE_ERROR, "what is open could not be read; it is tried again"});
    auto done = write(row);
    if (!done && database_.in_transaction()) (void)database_.run("ROLLBACK");
    added_.clear();
    spent_.forget();
    local_.forget_taken();
    projects_.forget();
    opened_.clear();
    settled_.clear();
    fresh_.clear();
    if (done) gaps_changed_ = false;
    if (!done) (void)load();
    return done;
}

DatabaseResult<void> UsageTable::write(const SegmentRow& row) {
    LOOM_TRY(database_.run("BEGIN IMMEDIATE"));
    LOOM_TRY(write_sums());
    LOOM_TRY(local_.write(database_, row.name, row.local));
    LOOM_TRY(write_open());
    LOOM_TRY(projects_.write(database_));
    LOOM_TRY(spent_.write(database_));
    LOOM_TRY(write_gaps());
    LOOM_TRY(write_segment(row));
    return database_.run("COMMIT");
}

DatabaseResult<void> UsageTable::write_sums() {
    for (const auto& [key, sums] : added_) {
        add_.bind(1, key.day).bind(2, key.consumer).bind(3, key.team).bind(4, key.tenant).bind(5, key.provider);
        add_.bind(6, key.model).bind(7, tenant::ledger_provenance_name(key.provenance));
        bind_sums(add_, 8, sums);
        LOOM_TRY(add_.run());
    }
    return {};
}

DatabaseResult<void> UsageTable::write_open() {
    for (const uint64_t id : settled_) {
        LOOM_TRY(open_drop_.bind(1, stored(id)).run());
        spent_.drop_open(id);
        projects_.drop_open(id);
    }
    for (const uint64_t id : opened_) {
        const auto found = open_.find(id);
        if (found == open_.end()) continue;  // settled meanwhile
        const OpenIntent& one = found->second;
        open_put_.bind(1, stored(one.id)).bind(2, stored(one.request)).bind(3, stored(one.time_us));
        open_put_.bind(4, one.consumer).bind(5, one.team).bind(6, one.tenant).bind(7, one.provider).bind(8, one.model);
        open_put_.bind(9, stored(one.input)).bind(10, stored(one.output)).bind(11, one.cost);
        LOOM_TRY(open_put_.run());
        spent_.put_open(one);
        projects_.put_open(one);
    }
    return {};
}

/// All of them: they are few, and change where a file is broken.
DatabaseResult<void> UsageTable::write_gaps() {
    if (!gaps_changed_) return {};
    LOOM_TRY(database_.run("DELETE FROM gap"));
    auto put = LOOM_TRY(database_.prepare("INSERT INTO gap VALUES (?1, ?2)"));
    for (const auto& [first, last] : gaps_) LOOM_TRY(put.bind(1, stored(first)).bind(2, stored(last)).run());
    return {};
}

DatabaseResult<void> UsageTable::write_segment(const SegmentRow& row) {
    segment_put_.bind(1, row.name.epoch).bind(2, row.name.shard).bind(3, row.name.number);
    int at = 4;
    for (const uint64_t one : {row.folded, uint64_t{row.whole}, row.damaged, row.records, row.digest, row.opened,
                               row.booked, row.sums.input, row.sums.output})
        segment_put_.bind(at++, stored(one));
    bind_money(segment_put_, 13, row.sums.cost);
    segment_put_.bind(15, stored(row.last_intent));
    return segment_put_.run();
}

std::vector<OpenIntent> UsageTable::open_before(uint32_t epoch) const {
    std::vector<OpenIntent> all;
    for (const auto& [id, one] : open_)
        if (tenant::ledger_epoch_of(id) != (epoch & tenant::ledger_epoch_mask)) all.push_back(one);
    std::ranges::sort(all, {}, &OpenIntent::id);
    return all;
}

DatabaseResult<void> UsageTable::forget(const SegmentName& name) {
    LOOM_TRY(local_.forget(database_, name));
    auto gone = LOOM_TRY(database_.prepare("DELETE FROM segment WHERE epoch = ?1 AND shard = ?2 AND number = ?3"));
    return gone.bind(1, name.epoch).bind(2, name.shard).bind(3, name.number).run();
}

/// In place of a table: all that has to do with its days.
std::string UsageTable::rows_of(const UsageQuery& query) const {
    const bool by_project = asks_for_projects(query);
    const bool all_looms = query.of_all_looms && sharing_ && !by_project;
    const bool by_day = query.by == UsageDimension::day;
    const char* const table = by_project ? "project_usage" : "usage";
    const UsageRetention& retention = by_project ? projects_retention_ : retention_;
    const std::string months = by_day ? std::string() : retention.month_rows(query.from, query.to);
    if (!all_looms && months.empty()) return table;
    return fmt::format("(SELECT * FROM {}{}{})", table, all_looms ? UsageSharing::and_others : "", months);
}

DatabaseResult<UsageDay> UsageTable::newest_day() {
    const UsageDay asked = LOOM_TRY(database_.number("SELECT coalesce(max(day), -1) FROM usage"));
    const UsageDay own = std::max(asked, LOOM_TRY(local_.newest_day(database_)));
    const UsageKept left = LOOM_TRY(kept());  // days_since is the day behind the last that left
    return std::max<UsageDay>(own, left.days_since - 1);
}

DatabaseResult<void> UsageTable::forget_spent(UsageDay today) {
    return spent_.leave(database_, today - SpentSums::days_max);
}

DatabaseResult<bool> UsageTable::retain(const RetentionTerms& terms) {
    const bool more = LOOM_TRY(retention_.step(database_, terms));
    const bool more_projects = projects_.any() && LOOM_TRY(projects_retention_.step(database_, terms));
    const bool more_local = LOOM_TRY(local_.retain(database_, terms));
    return more || more_projects || more_local;
}

DatabaseResult<std::vector<UsageGroup>> UsageTable::usage(const UsageQuery& query) {
    if (query.spent_by) return std::vector{UsageGroup{query.spent_name, LOOM_TRY(spent_.spent(database_, query)), {}}};
    std::vector<UsageGroup> groups = LOOM_TRY(spent(query));
    LOOM_TRY(add_local_groups(query, groups));
    return groups;
}

DatabaseResult<std::vector<UsageGroup>> UsageTable::spent(const UsageQuery& query) {
    std::vector<UsageGroup> groups;
    if (asks_for_projects(query) && !projects_.any()) return groups;
    const std::string limit = query.limit == 0 ? "" : fmt::format("LIMIT ?{}", usage_limit_parameter);
    auto found = LOOM_TRY(database_.prepare(
        fmt::format("SELECT {0}, {1} FROM {3} WHERE {2} GROUP BY {0} ORDER BY {0} {4}", usage_column(query.by),
                    sum_columns, usage_condition(query, usage_column), rows_of(query), limit)));
    bind_condition(found, query);
    if (query.limit > 0) found.bind(usage_limit_parameter, stored(query.limit));
    while (LOOM_TRY(found.step())) groups.push_back({usage_group_name(found, query.by), sums_at(found, 1), {}});
    return groups;
}

/// In the order of their names, as the others are. Of a page each side has as many as the page has, from the same name
/// on: what is among the first of both is among the first of each, and so it is whole.
DatabaseResult<void> UsageTable::add_local_groups(const UsageQuery& query, std::vector<UsageGroup>& groups) {
    if (query.by == UsageDimension::provider || query.by == UsageDimension::provenance) return {};  // they have none
    std::vector<UsageGroup> locals = LOOM_TRY(local_.usage(database_, query));
    const size_t spent = groups.size();
    for (UsageGroup& local : locals) {
        const auto end = groups.begin() + static_cast<ptrdiff_t>(spent);
        const auto found = std::ranges::lower_bound(groups.begin(), end, local.name, {}, &UsageGroup::name);
        if (found != end && found->name == local.name)
            found->local = local.local;
        else
            groups.push_back(std::move(local));
    }
    if (groups.size() > spent) std::ranges::sort(groups, {}, &UsageGroup::name);
    if (query.limit > 0 && groups.size() > query.limit) groups.resize(query.limit);
    return {};
}

DatabaseResult<bool> UsageTable::knows(const std::string& consumer) {
    const UsageQuery ever{.to = usage_day_max, .consumer = {}, .of_all_looms = true};
    auto found =
        LOOM_TRY(database_.prepare(fmt::format("SELECT 1 FROM {} WHERE consumer = ?1 LIMIT 1", rows_of(ever))));
    if (LOOM_TRY(found.bind(1, consumer).step())) return true;
    return local_.knows(database_, consumer);
}

DatabaseResult<uint64_t> UsageTable::open_rows() {
    return static_cast<uint64_t>(LOOM_TRY(database_.number("SELECT count(*) FROM open_intent")));
}

DatabaseResult<UsageSums> UsageTable::total() {
    const UsageQuery ever{.to = usage_day_max, .consumer = {}};
    auto found = LOOM_TRY(database_.prepare(fmt::format("SELECT {} FROM {}", sum_columns, rows_of(ever))));
    UsageSums sums = LOOM_TRY(retention_.gone(database_, sum_columns, sums_at));
    if (LOOM_TRY(found.step())) sums += sums_at(found, 0);
    return sums;
}

}  // namespace loom::store
