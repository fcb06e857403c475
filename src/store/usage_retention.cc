#include "usage_retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "loom/base/clock.h"
#include "loom/base/result.h"
#include "loom/store/shared_usage.h"
#include "loom/store/usage_period.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr uint64_t again_ms = 60'000;
constexpr uint64_t day_ms = uint64_t{86'400} * 1'000;

int64_t number_of(const std::string& text) {
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

UsageDay monday_of(UsageDay day) { return day - (day + 3) % 7; }  // the first day of 1970 was a Thursday

std::string joined(const std::vector<std::string>& names, std::string_view form, std::string_view between) {
    std::string text;
    for (size_t i = 0; i < names.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : between, fmt::format(fmt::runtime(form), names[i], i + 1));
    return text;
}

}  // namespace

UsageDay retention_today(UsageDay clock, UsageDay newest_at_start, uint64_t uptime_ms) noexcept {
    return std::min(clock, newest_at_start + 1 + static_cast<UsageDay>(uptime_ms / day_ms));
}

RetentionTerms retention_terms(const UsageKeep& keep, UsageDay today, bool shared) {
    const UsageDay needed = std::min(usage_month_begin(today), monday_of(today));
    RetentionTerms terms;
    if (keep.months > 0) terms.months_since = usage_months_before(today, keep.months - 1);
    if (keep.days > 0) terms.days_since = today - std::min(static_cast<int64_t>(keep.days), today) + 1;
    terms.days_since = std::min(std::max(terms.days_since, terms.months_since), needed);
    if (shared) terms.days_since = std::min(terms.days_since, usage_shared_since(today));
    terms.months_since = std::min(terms.months_since, terms.days_since);
    return terms;
}

DatabaseResult<UsageRetention> UsageRetention::begin(Database& database, const char* table, const char* stays) {
    UsageRetention retention;
    retention.days_ = table;
    retention.months_ = fmt::format("{}_month", table);
    retention.gone_ = fmt::format("{}_gone", table);
    retention.stays_ = stays;
    auto known = LOOM_TRY(database.prepare("SELECT count(*) FROM sqlite_schema WHERE name IN (?1, ?2, 'usage_kept')"));
    known.bind(1, retention.months_).bind(2, retention.gone_);
    retention.has_tables_ = LOOM_TRY(known.step()) && known.number(0) == 3;
    return retention;
}

DatabaseResult<UsageRetention::Columns> UsageRetention::columns_of(Database& database) const {
    Columns columns;
    auto all = LOOM_TRY(database.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid"));
    all.bind(1, days_);
    while (LOOM_TRY(all.step())) (all.number(1) > 0 ? columns.names : columns.sums).emplace_back(all.text(0));
    return columns;
}

DatabaseResult<void> UsageRetention::make_tables(Database& database) {
    if (has_tables_) return {};
    auto told = LOOM_TRY(database.prepare("SELECT sql FROM sqlite_schema WHERE name = ?1"));
    if (!LOOM_TRY(told.bind(1, days_).step())) return {};
    const std::string columns(told.text(0).substr(told.text(0).find('(')));
    told.reset();
    for (const std::string& name : {months_, gone_})
        LOOM_TRY(database.run(fmt::format("CREATE TABLE IF NOT EXISTS {} {}", name, columns).c_str()));
    LOOM_TRY(database.run(fmt::format("CREATE INDEX IF NOT EXISTS {0}_by_day ON {0} (day)", months_).c_str()));
    LOOM_TRY(database.run(
        "CREATE TABLE IF NOT EXISTS usage_kept (what TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID"));
    made_tables_ = true;
    return {};
}

DatabaseResult<std::vector<UsageRetention::Row>> UsageRetention::oldest(Database& database, const Columns& columns,
                                                                        const std::string& from, UsageDay before) {
    auto found = LOOM_TRY(
        database.prepare(fmt::format("SELECT {}, {} FROM {} WHERE day < ?1 ORDER BY day LIMIT {}",
                                     fmt::join(columns.names, ", "), fmt::join(columns.sums, ", "), from, rows_max)));
    found.bind(1, before);
    std::vector<Row> rows;
    while (LOOM_TRY(found.step())) {
        Row& row = rows.emplace_back();
        for (size_t i = 0; i < columns.names.size() + columns.sums.size(); ++i)
            row.emplace_back(found.text(static_cast<int>(i)));
    }
    return rows;
}

DatabaseResult<void> UsageRetention::add(Database& database, const Columns& columns, const std::string& to,
                                         const std::vector<Row>& rows) {
    const size_t count = columns.names.size() + columns.sums.size();
    std::string places;
    for (size_t i = 1; i <= count; ++i) places += fmt::format("{}?{}", i == 1 ? "" : ", ", i);
    auto put = LOOM_TRY(database.prepare(fmt::format("INSERT INTO {} ({}, {}) VALUES ({}) ON CONFLICT DO UPDATE SET {}",
                                                     to, fmt::join(columns.names, ", "), fmt::join(columns.sums, ", "),
                                                     places, joined(columns.sums, "{0} = {0} + excluded.{0}", ", "))));
    for (const Row& row : rows) {
        for (size_t i = 0; i < count; ++i) put.bind(static_cast<int>(i) + 1, row[i]);
        LOOM_TRY(put.run());
    }
    return {};
}

/// What others are told of a row goes with it, but for the newest number, from which the next goes on.
DatabaseResult<void> UsageRetention::drop(Database& database, const Columns& columns, const std::string& from,
                                          const std::vector<Row>& rows) {
    const std::string which = joined(columns.names, "{0} = ?{1}", " AND ");
    std::vector<Statement> drops;
    drops.push_back(LOOM_TRY(database.prepare(fmt::format("DELETE FROM {} WHERE {}", from, which))));
    const bool is_told =
        LOOM_TRY(database.number("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'usage_change'")) >
        0;
    if (is_told && from == "usage")
        drops.push_back(LOOM_TRY(database.prepare(fmt::format(
            "DELETE FROM usage_change WHERE {} AND revision < (SELECT max(revision) FROM usage_change)", which))));
    for (const Row& row : rows)
        for (Statement& one : drops) {
            for (size_t i = 0; i < columns.names.size(); ++i) one.bind(static_cast<int>(i) + 1, row[i]);
            LOOM_TRY(one.run());
        }
    return {};
}

DatabaseResult<bool> UsageRetention::step(Database& database, const RetentionTerms& terms) {
    made_tables_ = false;
    auto done = in_transaction(database, [&] { return leave(database, terms); });
    if (done && made_tables_) has_tables_ = true;
    return done;
}

DatabaseResult<bool> UsageRetention::leave(Database& database, const RetentionTerms& terms) {
    const Columns columns = LOOM_TRY(columns_of(database));
    const size_t day_at = static_cast<size_t>(std::ranges::find(columns.names, "day") - columns.names.begin());
    if (day_at == columns.names.size()) return false;
    const auto note = [&](const char* what, UsageDay since) -> DatabaseResult<void> {
        auto put = LOOM_TRY(database.prepare(
            "INSERT INTO usage_kept VALUES (?1, ?2) ON CONFLICT DO UPDATE SET since = max(since, excluded.since)"));
        return put.bind(1, what).bind(2, since).run();
    };
    std::vector<Row> days = LOOM_TRY(oldest(database, columns, days_, terms.days_since));
    if (!days.empty()) {
        LOOM_TRY(make_tables(database));
        LOOM_TRY(drop(database, columns, days_, days));
        LOOM_TRY(note("days", number_of(days.back()[day_at]) + 1));
        for (Row& row : days) row[day_at] = std::to_string(usage_month_begin(number_of(row[day_at])));
        LOOM_TRY(add(database, columns, months_, days));
        if (days.size() >= static_cast<size_t>(rows_max)) return true;
    }
    if (!has_tables_ && !made_tables_) return false;
    std::vector<Row> months = LOOM_TRY(oldest(database, columns, months_, terms.months_since));
    if (months.empty()) return false;
    LOOM_TRY(drop(database, columns, months_, months));
    LOOM_TRY(note("months", usage_month_of(number_of(months.back()[day_at])).to + 1));
    for (Row& row : months)
        for (size_t i = 0; i < columns.names.size(); ++i)
            if (columns.names[i] != stays_) row[i] = i == day_at ? "0" : "";
    LOOM_TRY(add(database, columns, gone_, months));
    return months.size() >= static_cast<size_t>(rows_max);
}

std::string UsageRetention::month_rows(UsageDay from, UsageDay to) const {
    if (!has_tables_) return {};
    const UsageDay first = from == usage_month_begin(from) ? from : usage_month_of(from).to + 1;
    const UsageDay behind = usage_month_begin(to + 1);  // the first that does not end by then
    if (first >= behind) return {};
    return fmt::format(" UNION ALL SELECT * FROM {} WHERE day BETWEEN {} AND {}", months_, first, behind - 1);
}

std::string UsageRetention::all_rows() const {
    return has_tables_ ? fmt::format(" UNION ALL SELECT * FROM {} UNION ALL SELECT * FROM {}", months_, gone_) : "";
}

DatabaseResult<UsageSums> UsageRetention::gone(Database& database, std::string_view sum_columns,
                                               UsageSums (*read)(const Statement& row, int at)) const {
    if (!has_tables_) return UsageSums();
    auto found = LOOM_TRY(database.prepare(fmt::format("SELECT {} FROM {}", sum_columns, gone_)));
    if (!LOOM_TRY(found.step())) return UsageSums();
    return read(found, 0);
}

DatabaseResult<UsageKept> UsageRetention::kept(Database& database) {
    UsageKept kept;
    if (LOOM_TRY(database.number("SELECT count(*) FROM sqlite_schema WHERE name = 'usage_kept'")) == 0) return kept;
    kept.days_since = LOOM_TRY(database.number("SELECT since FROM usage_kept WHERE what = 'days'"));
    kept.months_since = LOOM_TRY(database.number("SELECT since FROM usage_kept WHERE what = 'months'"));
    return kept;
}

void RetentionWork::begin(UsageTable& table) {
    begun_ms_ = monotonic_ns() / 1'000'000;
    newest_ = table.newest_day().value_or(0);  // where it cannot be read nothing goes
}

void RetentionWork::go_on(UsageTable& table, std::mutex& lock, const UsageKeep& keep, bool shared,
                          const std::function<void(std::string)>& notice) {
    const uint64_t now_ms = monotonic_ns() / 1'000'000;
    if (now_ms < next_ms_) return;
    const auto clock = static_cast<UsageDay>(wall_us() / us_per_usage_day);
    const UsageDay today = newest_ < 0 ? clock : retention_today(clock, newest_, now_ms - begun_ms_);
    const RetentionTerms terms = retention_terms(keep, today, shared);
    next_ms_ = now_ms + again_ms;
    const auto tell = [&](const std::string& fault) {
        if (!fault.empty() && fault != told_ && notice)
            notice(fmt::format("sums whose time is over stay (token_accounting.retention): usage.db: {}", fault));
        told_ = fault;
    };
    std::unique_lock hold(lock);
    if (const auto gone = table.forget_spent(today); !gone) return tell(gone.error().text);
    hold.unlock();
    if (keep.days == 0 && keep.months == 0) return;
    if (today < clock && !told_clock_ && notice)
        notice(
            fmt::format("the clock says {}, and the newest sums at the start were of {}: until the next start sums "
                        "whose time is over go (token_accounting.retention) as if it were {}",
                        usage_day_text(clock), usage_day_text(newest_), usage_day_text(today)));
    told_clock_ = today < clock;
    if (!terms.any()) return;
    hold.lock();
    const auto more = table.retain(terms);
    if (more && *more) next_ms_ = 0;
    tell(more ? "" : more.error().text);
}

}  // namespace loom::store
