// Sums by day become sums by month and go at last: nothing is counted twice or lost before its time, wherever it is cut
// off.
#include "usage_retention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <mutex>

#include "../sim/random.h"
#include "database.h"
#include "directory.h"
#include "loom/store/usage_period.h"
#include "loom/store/usage_store.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr std::array all_dimensions = {UsageDimension::consumer, UsageDimension::team,  UsageDimension::tenant,
                                       UsageDimension::provider, UsageDimension::model, UsageDimension::provenance,
                                       UsageDimension::project};

UsageDay day_of(int year, unsigned month, unsigned day) {
    return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day))
        .time_since_epoch()
        .count();
}

struct Kept {
    explicit Kept(const std::string& path = ":memory:") : table(std::move(*UsageTable::open(path))) {}
    void settle(UsageDay day, uint64_t seed) {
        SegmentRow row = *table.segment({.epoch = 1, .shard = 0, .number = 1});
        const uint64_t id = tenant::make_ledger_id(1, 0, ++last_id);
        const std::string consumer = fmt::format("c{}", seed % 5);
        const std::string model = fmt::format("m{}", seed / 5 % 3);
        take(row, tenant::LedgerIntent{.id = id,
                                       .request = id,
                                       .time_us = static_cast<uint64_t>(day) * day_us + seed % day_us,
                                       .consumer = consumer,
                                       .team = seed % 2 == 0 ? "t" : "",
                                       .project = seed % 3 == 0 ? "p" : "",
                                       .tenant = seed % 7 == 0 ? "acme" : "",
                                       .provider = "x",
                                       .model = model});
        take(row, tenant::LedgerSettlement{.id = id,
                                           .provenance = tenant::LedgerProvenance::reported,
                                           .status = 200,
                                           .tokens = {.input = seed % 1'000, .output = 3},
                                           .cost = static_cast<Money>(seed % 10'000'019)});
        ASSERT_TRUE(table.commit(row));
    }
    /// What no provider was asked for, as it was written.
    tenant::LedgerLocal keep_local(UsageDay day, uint64_t seed) {
        static constexpr std::array<std::string_view, 6> consumers = {"c2", "c3", "c4", "c5", "c6", "c7"};
        static constexpr std::array<std::string_view, 3> models = {"m1", "m2", "m9"};
        SegmentRow row = *table.segment({.epoch = 1, .shard = 0, .number = 1});
        tenant::LedgerLocal local{.id = tenant::make_ledger_id(1, 0, ++last_id),
                                  .time_us = static_cast<uint64_t>(day) * day_us + seed % day_us,
                                  .exit = static_cast<tenant::LedgerLocalExit>(seed % tenant::ledger_local_exit_count),
                                  .count = 1,
                                  .consumer = consumers[seed / 12 % consumers.size()],
                                  .team = seed % 2 == 0 ? "t" : "",
                                  .project = seed % 5 == 0 ? "p" : "",
                                  .tenant = seed % 7 == 0 ? "acme" : "",
                                  .route = "ai",
                                  .model = models[seed / 72 % models.size()]};
        if (is_refusal(local.exit)) {
            local.count = static_cast<uint32_t>(1 + seed % 100);
        } else {
            local.tells_tokens = true;
            local.input_tokens = seed % 1'000;
            local.output_tokens = 3;
            local.saved = static_cast<Money>(seed % 10'000'019) - 1;
        }
        take(row, local);
        EXPECT_TRUE(table.commit(row));
        return local;
    }
    template <class Record>
    void take(SegmentRow& row, const Record& record) {
        std::array<char, tenant::ledger_record_bytes_max> room;
        const size_t bytes = write_ledger_record(record, room);
        table.take(row, tenant::read_ledger_record({room.data(), bytes}));
    }
    std::map<std::string, UsageSums> sums(UsageDimension by, UsageDay from, UsageDay to) {
        std::map<std::string, UsageSums> all;
        const auto groups = table.usage({.by = by, .from = from, .to = to, .consumer = {}});
        EXPECT_TRUE(groups);
        for (const UsageGroup& group : *groups) all[group.name] = group.sums;
        return all;
    }
    std::map<std::string, LocalSums> locals(UsageDimension by, UsageDay from, UsageDay to) {
        std::map<std::string, LocalSums> all;
        const auto groups = table.usage({.by = by, .from = from, .to = to, .consumer = {}});
        EXPECT_TRUE(groups);
        for (const UsageGroup& group : *groups)
            if (group.local != LocalSums()) all[group.name] = group.local;
        return all;
    }
    UsageTable table;
    uint64_t last_id = 0;
};

TEST(UsageRetention, NeverWhatABudgetAsksFor) {
    for (UsageDay today = day_of(2023, 12, 1); today < day_of(2025, 2, 1); ++today)
        for (const UsageKeep keep :
             {UsageKeep{1, 0}, UsageKeep{0, 1}, UsageKeep{1, 1}, UsageKeep{40, 2}, UsageKeep{0, 0}})
            for (const bool shared : {false, true}) {
                const RetentionTerms terms = retention_terms(keep, today, shared);
                const UsageDay monday =
                    today -
                    static_cast<UsageDay>(
                        std::chrono::weekday(std::chrono::sys_days(std::chrono::days(today))).iso_encoding() - 1);
                EXPECT_LE(terms.days_since, monday);
                EXPECT_LE(terms.days_since, usage_month_begin(today));
                EXPECT_LE(terms.months_since, terms.days_since);
                if (shared) EXPECT_LE(terms.days_since, usage_shared_since(today));
                if (keep.days == 0 && keep.months == 0) EXPECT_FALSE(terms.any());
                if (keep.days > 0 && keep.months == 0) EXPECT_EQ(terms.months_since, 0);
            }
    const RetentionTerms terms = retention_terms({.days = 40, .months = 3}, day_of(2024, 5, 20), false);
    EXPECT_EQ(terms.days_since, day_of(2024, 4, 11)) << "forty days, the twentieth of May the last";
    EXPECT_EQ(terms.months_since, day_of(2024, 3, 1)) << "March, April and May";
    EXPECT_EQ(retention_terms({.days = 9'000'000'000}, day_of(2024, 5, 20), false).days_since, 1);
}

TEST(UsageRetention, AClockAloneDoesNotSayThatTimeIsOver) {
    constexpr uint64_t day_ms = uint64_t{86'400} * 1'000;
    const UsageDay newest = day_of(2026, 3, 1), wrong = day_of(2036, 1, 1);
    EXPECT_EQ(retention_today(wrong, newest, 0), newest + 1);
    EXPECT_EQ(retention_today(wrong, newest, 3 * day_ms), newest + 4);
    EXPECT_EQ(retention_today(newest, newest, 0), newest);
    EXPECT_EQ(retention_today(newest + 9, newest, 9 * day_ms), newest + 9);
    Kept kept;
    EXPECT_EQ(*kept.table.newest_day(), -1);
    const auto day = static_cast<UsageDay>(
        std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()).time_since_epoch().count());
    for (UsageDay back = 3'600; back < 3'700; ++back) kept.settle(day - back, 1);
    EXPECT_EQ(*kept.table.newest_day(), day - 3'600);
    RetentionWork work;
    work.begin(kept.table);
    kept.settle(day, 1);  // what is booked since does not say so either
    std::mutex lock;
    std::vector<std::string> notices;
    work.go_on(kept.table, lock, {.days = 400, .months = 24}, false,
               [&](const std::string& text) { notices.push_back(text); });
    EXPECT_EQ(kept.table.kept()->days_since, 0) << "nothing has left";
    ASSERT_EQ(notices.size(), 1u);
    EXPECT_TRUE(notices[0].contains(usage_day_text(day - 3'599))) << notices[0];
}

/// After every step, wherever it might be cut off: whole months are what they were by every dimension, and so is all.
TEST(UsageRetention, MonthsAreWhatTheirDaysWere) {
    Kept kept;
    sim::Random random(20'240'229);
    const UsageDay first = day_of(2024, 1, 1), last = day_of(2024, 12, 31);
    for (int i = 0; i < 3'000; ++i)
        kept.settle(first + static_cast<UsageDay>(random.next() % static_cast<uint64_t>(last - first + 1)),
                    random.next() % 1'000'000'007);
    const auto months_now = [&] {
        std::vector<std::map<std::string, UsageSums>> all;
        for (UsageDay month = first; month <= last; month = usage_month_of(month).to + 1)
            for (const UsageDimension by : all_dimensions)
                all.push_back(kept.sums(by, month, usage_month_of(month).to));
        for (const UsageDimension by : all_dimensions) all.push_back(kept.sums(by, first, last));
        return all;
    };
    const auto before = months_now();
    const UsageSums total = *kept.table.total();
    const UsageDay since = day_of(2024, 10, 10);
    const auto october = kept.sums(UsageDimension::day, since, last);
    const auto week = kept.sums(UsageDimension::consumer, since + 1, since + 8);
    int steps = 0;
    for (bool more = true; more; ++steps) {
        const auto done = kept.table.retain({.days_since = since, .months_since = 0});
        ASSERT_TRUE(done) << done.error().text;
        more = *done;
        EXPECT_EQ(months_now(), before) << "after step " << steps;
        EXPECT_EQ(*kept.table.total(), total);
    }
    EXPECT_GT(steps, 3) << "in small ones";
    EXPECT_EQ(kept.sums(UsageDimension::day, since, last), october);
    EXPECT_EQ(kept.sums(UsageDimension::consumer, since + 1, since + 8), week)
        << "not a whole month: no month is in it";
    EXPECT_TRUE(kept.sums(UsageDimension::day, first, since - 1).empty());
    EXPECT_EQ(kept.table.kept()->days_since, since);
    kept.settle(first, 77);  // what was found late
    EXPECT_FALSE(*kept.table.retain({.days_since = since, .months_since = 0}));
    EXPECT_EQ(kept.table.total()->attempts, total.attempts + 1);
    EXPECT_TRUE(kept.sums(UsageDimension::day, first, since - 1).empty());
}

TEST(UsageRetention, WhatIsGoneStaysInTheTotal) {
    Kept kept;
    for (uint64_t i = 0; i < 2'000; ++i) kept.settle(day_of(2024, 1, 1) + static_cast<UsageDay>(i % 300), i * 7'919);
    const UsageSums total = *kept.table.total();
    const auto may = kept.sums(UsageDimension::consumer, day_of(2024, 5, 1), day_of(2024, 5, 31));
    const RetentionTerms terms = {.days_since = day_of(2024, 6, 15), .months_since = day_of(2024, 4, 1)};
    while (*kept.table.retain(terms)) EXPECT_EQ(*kept.table.total(), total);
    EXPECT_EQ(*kept.table.total(), total);
    for (const UsageDimension by : all_dimensions)
        EXPECT_TRUE(kept.sums(by, day_of(2024, 1, 1), day_of(2024, 3, 31)).empty());
    EXPECT_EQ(kept.sums(UsageDimension::consumer, day_of(2024, 5, 1), day_of(2024, 5, 31)), may);
    EXPECT_EQ(kept.table.kept()->months_since, day_of(2024, 4, 1));
    EXPECT_TRUE(*kept.table.knows("c1"));
    EXPECT_FALSE(*kept.table.retain(terms)) << "nothing is left to do";
}

TEST(UsageRetention, TablesThatAnotherHasMadeMeanwhile) {
    const Directory directory;
    const std::string path = directory.file("usage.db");
    Kept one(path), other(path), reader(path);
    for (uint64_t i = 0; i < 20; ++i) one.settle(day_of(2024, 1, 1), i);
    const UsageSums total = *one.table.total();
    const RetentionTerms terms = {.days_since = day_of(2024, 2, 1), .months_since = 0};
    ASSERT_TRUE(one.table.retain(terms));
    ASSERT_TRUE(reader.table.hold_still());
    EXPECT_EQ(*reader.table.total(), total) << "which tables there are is read behind it";
    other.last_id = one.last_id;
    other.settle(day_of(2024, 1, 2), 7);
    const auto again = other.table.retain(terms);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(other.table.total()->attempts, total.attempts + 1);
    EXPECT_EQ(other.table.kept()->days_since, day_of(2024, 1, 3));
}

/// What others are told goes on behind the newest number, and no more rows are expected there than can be told.
TEST(UsageRetention, NumbersOfWhatIsToldGoOn) {
    Kept kept;
    ASSERT_TRUE(kept.table.share());
    for (uint64_t i = 0; i < 40; ++i) kept.settle(day_of(2024, 1, 1) + static_cast<UsageDay>(i), i);
    kept.settle(day_of(2024, 1, 1), 0);  // the newest change is of the oldest day
    const uint64_t newest = kept.table.changes(0, 0)->last_revision;
    while (*kept.table.retain({.days_since = day_of(2024, 2, 1), .months_since = 0})) {
    }
    EXPECT_EQ(kept.table.changes(0, 0)->last_revision, newest);
    const auto page = kept.table.changes(0, day_of(2024, 2, 1));
    EXPECT_EQ(page->rows.size(), 9u);
    uint64_t counted = 0;
    for (const CountOfMonth& month : *kept.table.counts(newest, day_of(2024, 2, 1))) counted += month.rows;
    EXPECT_EQ(counted, page->rows.size());
    kept.settle(day_of(2024, 2, 3), 5);
    EXPECT_EQ(kept.table.changes(newest, 0)->rows.size(), 1u);
}

/// By it a clock that runs ahead is told (retention_today), also where all days have become their months'.
TEST(UsageRetention, TheNewestDayIsKnownWhenItsRowsHaveLeft) {
    Kept kept;
    EXPECT_EQ(*kept.table.newest_day(), -1);
    for (int i = 0; i < 40; ++i) kept.settle(day_of(2024, 1, 1) + i, 1);
    const UsageDay newest = day_of(2024, 1, 1) + 39;
    EXPECT_EQ(*kept.table.newest_day(), newest);
    while (*kept.table.retain({.days_since = newest + 1, .months_since = 0})) {
    }
    ASSERT_TRUE(kept.sums(UsageDimension::day, day_of(2024, 1, 1), newest).empty());
    EXPECT_EQ(*kept.table.newest_day(), newest);
}

TEST(UsageRetention, ProjectsOfOpenIntentsOutliveARestart) {
    const Directory directory;
    const std::string path = directory.file("usage.db");
    const uint64_t id = tenant::make_ledger_id(1, 0, 1);
    {
        Kept kept(path);
        SegmentRow row = *kept.table.segment({.epoch = 1, .shard = 0, .number = 1});
        kept.take(row, tenant::LedgerIntent{.id = id,
                                            .request = id,
                                            .time_us = day_us,
                                            .consumer = "c",
                                            .project = "p",
                                            .tenant = "acme",
                                            .provider = "x",
                                            .model = "m"});
        ASSERT_TRUE(kept.table.commit(row));
    }
    Kept kept(path);
    SegmentRow row = *kept.table.segment({.epoch = 1, .shard = 0, .number = 1});
    kept.take(row, tenant::LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 4}});
    ASSERT_TRUE(kept.table.commit(row));
    const auto projects = kept.sums(UsageDimension::project, 0, 10);
    ASSERT_EQ(projects.size(), 1u);
    EXPECT_EQ(projects.begin()->first, "acme/p");
    EXPECT_EQ(projects.begin()->second.input, 4u);
}

/// What no provider was asked for leaves as what was spent does, also where nothing was; of what is gone each layer and
/// reason is still known.
TEST(UsageRetention, HitsAndRefusalsLeaveWithTheirDays) {
    Kept kept;
    sim::Random random(20'261'122);
    const UsageDay first = day_of(2024, 1, 1), last = day_of(2024, 6, 30);
    for (int i = 0; i < 3'000; ++i)
        (void)kept.keep_local(first + static_cast<UsageDay>(random.below(static_cast<uint64_t>(last - first + 1))),
                              random.next() % 1'000'000'007);
    const auto months_now = [&] {
        std::vector<std::map<std::string, LocalSums>> all;
        for (UsageDay month = first; month <= last; month = usage_month_of(month).to + 1)
            for (const UsageDimension by : all_dimensions)
                all.push_back(kept.locals(by, month, usage_month_of(month).to));
        all.push_back(kept.locals(UsageDimension::none, first, last));
        return all;
    };
    const auto before = months_now();
    const LocalSums total = *kept.table.local_total();
    EXPECT_GT(total.cached(), 500u);
    EXPECT_GT(total.refused(), 500u);
    EXPECT_EQ(before.back().at(""), total);
    const UsageDay since = day_of(2024, 5, 10);
    const auto may = kept.locals(UsageDimension::day, since, last);
    int steps = 0;
    for (bool more = true; more; ++steps) {
        const auto done = kept.table.retain({.days_since = since, .months_since = 0});
        ASSERT_TRUE(done) << done.error().text;
        more = *done;
        EXPECT_EQ(months_now(), before) << "after step " << steps;
        EXPECT_EQ(*kept.table.local_total(), total);
    }
    EXPECT_GT(steps, 3) << "in small ones";
    EXPECT_EQ(kept.locals(UsageDimension::day, since, last), may);
    EXPECT_TRUE(kept.locals(UsageDimension::day, first, since - 1).empty());
    EXPECT_EQ(kept.table.kept()->days_since, since) << "who asks for a day before hears it";
    EXPECT_TRUE(*kept.table.knows("c7")) << "of a month";
    const RetentionTerms terms = {.days_since = since, .months_since = day_of(2024, 4, 1)};
    while (*kept.table.retain(terms)) EXPECT_EQ(*kept.table.local_total(), total);
    EXPECT_EQ(*kept.table.local_total(), total);
    EXPECT_TRUE(kept.locals(UsageDimension::none, first, day_of(2024, 3, 31)).empty());
    EXPECT_EQ(kept.table.kept()->months_since, day_of(2024, 4, 1));
    EXPECT_EQ(*kept.table.total(), UsageSums()) << "nothing of it was ever spent";
    EXPECT_FALSE(*kept.table.retain(terms)) << "nothing is left to do";
}

/// Of a Loom that had retention and knew none of these, and of one that knew these and had none.
TEST(UsageRetention, ADatabaseOfBeforeGoesOnFromWhereItIs) {
    const RetentionTerms terms = {.days_since = day_of(2024, 3, 1), .months_since = day_of(2024, 2, 1)};
    for (const bool had_retention : {true, false}) {
        const Directory directory;
        const std::string path = directory.file("usage.db");
        const std::string gone = had_retention ? "DROP TABLE local_usage; DROP TABLE segment_local"
                                               : "DROP TABLE project_usage; DROP TABLE open_project";
        UsageSums spent;
        {
            Kept kept(path);
            for (uint64_t i = 0; i < 90; ++i) kept.settle(day_of(2024, 1, 1) + static_cast<UsageDay>(i), i);
            if (had_retention)
                while (*kept.table.retain(terms)) {
                }
            spent = *kept.table.total();
        }
        {
            auto database = Database::open(path);
            ASSERT_TRUE(database);
            ASSERT_TRUE(database->run(gone.c_str()));
        }
        Kept kept(path);
        kept.last_id = 90;
        for (uint64_t i = 0; i < 60; ++i) (void)kept.keep_local(day_of(2024, 1, 20) + static_cast<UsageDay>(i), i * 13);
        const LocalSums total = *kept.table.local_total();
        EXPECT_GT(total.cached() + total.refused(), 0u);
        while (*kept.table.retain(terms)) {
        }
        EXPECT_EQ(*kept.table.local_total(), total);
        EXPECT_EQ(*kept.table.total(), spent);
        EXPECT_TRUE(kept.locals(UsageDimension::day, 0, terms.days_since - 1).empty());
        EXPECT_TRUE(kept.locals(UsageDimension::none, 0, terms.months_since - 1).empty());
    }
}

TEST(UsageQueries, OnlyWhatIsAskedFor_PageByPage) {
    Kept kept;
    for (uint64_t i = 0; i < 210; ++i) kept.settle(day_of(2024, 1, 1), i);
    UsageQuery query{.by = UsageDimension::model, .from = 0, .to = 1'000'000, .consumer = {}};
    query.only = {{.in = UsageDimension::tenant, .name = "acme"}, {.in = UsageDimension::team, .name = "acme/t"}};
    uint64_t attempts = 0;
    const auto found = kept.table.usage(query);
    for (const UsageGroup& group : *found) attempts += group.sums.attempts;
    EXPECT_EQ(attempts, 15u) << "every fourteenth";
    query.only = {{.in = UsageDimension::project, .name = "p"}};
    attempts = 0;
    const auto of_project = kept.table.usage(query);
    for (const UsageGroup& group : *of_project) attempts += group.sums.attempts;
    EXPECT_EQ(attempts, 60u) << "of those without a tenant";
    std::vector<std::string> names;
    UsageQuery page{.by = UsageDimension::consumer, .from = 0, .to = 1'000'000, .consumer = {}};
    page.limit = 2;
    for (int i = 0; i < 10; ++i) {
        const auto groups = kept.table.usage(page);
        if (groups->empty()) break;
        EXPECT_LE(groups->size(), 2u);
        for (const UsageGroup& group : *groups) names.push_back(group.name);
        page.after = names.back();
    }
    EXPECT_EQ(names, (std::vector<std::string>{"c0", "c1", "c2", "c3", "c4"}));
    UsageQuery tenants{.by = UsageDimension::tenant, .from = 0, .to = 1'000'000, .consumer = {}};
    tenants.limit = 1;
    EXPECT_EQ(kept.table.usage(tenants)->front().name, "");
    tenants.after = "";
    EXPECT_EQ(kept.table.usage(tenants)->front().name, "acme") << "behind those of none";
    tenants.after = "acme";
    EXPECT_TRUE(kept.table.usage(tenants)->empty());
}

/// By every dimension and under every filter: pages joined are what one answer without them is, and all by no dimension
/// is what the groups come to.
TEST(UsageQueries, PagesHaveWhatWasSpentAndWhatWasNot) {
    Kept kept;
    sim::Random random(1);
    for (int i = 0; i < 400; ++i)
        if (random.below(2) == 0)
            kept.settle(day_of(2024, 1, 1), random.next() % 1'000'000'007);
        else
            (void)kept.keep_local(day_of(2024, 1, 1), random.next() % 1'000'000'007);
    using Only = std::vector<UsageOnly>;
    const std::vector<Only> filters = {
        {},
        {{.in = UsageDimension::tenant, .name = "acme"}},
        {{.in = UsageDimension::tenant, .name = ""}},
        {{.in = UsageDimension::team, .name = "acme/t"}, {.in = UsageDimension::tenant, .name = "acme"}},
        {{.in = UsageDimension::project, .name = "p"}},
        {{.in = UsageDimension::project, .name = ""}},
        {{.in = UsageDimension::consumer, .name = "c3"}, {.in = UsageDimension::model, .name = "m1"}},
        {{.in = UsageDimension::consumer, .name = "c7"}},
        {{.in = UsageDimension::provider, .name = "x"}},
        {{.in = UsageDimension::provider, .name = ""}},
        {{.in = UsageDimension::provenance, .name = "reported"}}};
    const auto ask = [&](UsageQuery query) {
        const auto groups = kept.table.usage(query);
        EXPECT_TRUE(groups) << groups.error().text;
        return groups ? *groups : std::vector<UsageGroup>();
    };
    for (size_t filter = 0; filter < filters.size(); ++filter)
        for (const UsageDimension by : all_dimensions) {
            UsageQuery query{.by = by, .from = 0, .to = 1'000'000, .consumer = {}, .only = filters[filter]};
            const std::vector<UsageGroup> whole = ask(query);
            UsageGroup sum;
            for (const UsageGroup& group : whole) {
                sum.sums += group.sums;
                sum.local += group.local;
            }
            query.by = UsageDimension::none;
            const std::vector<UsageGroup> all = ask(query);
            ASSERT_LE(all.size(), 1u);
            const UsageGroup of_all = all.empty() ? UsageGroup() : all[0];
            const bool has_locals = by != UsageDimension::provider && by != UsageDimension::provenance;
            const bool is_of_all = by != UsageDimension::project;  // only those that have one
            if (is_of_all) EXPECT_EQ(sum.sums, of_all.sums) << "filter " << filter;
            if (is_of_all && has_locals) EXPECT_EQ(sum.local, of_all.local) << "filter " << filter;
            if (!has_locals) EXPECT_EQ(sum.local, LocalSums());
            query.by = by;
            for (query.limit = 1; query.limit <= 4; ++query.limit) {
                query.after.reset();
                size_t at = 0;
                for (;;) {
                    const std::vector<UsageGroup> page = ask(query);
                    ASSERT_LE(page.size(), query.limit);
                    for (const UsageGroup& group : page) {
                        ASSERT_LT(at, whole.size());
                        EXPECT_EQ(group.name, whole[at].name);
                        EXPECT_EQ(group.sums, whole[at].sums) << group.name;
                        EXPECT_EQ(group.local, whole[at].local) << group.name;
                        at += 1;
                    }
                    if (page.size() < query.limit) break;
                    query.after = page.back().name;
                }
                EXPECT_EQ(at, whole.size());
            }
        }
}

/// Beside a plain count: what each filter leaves of them.
TEST(UsageQueries, HitsAndRefusalsAreFilteredByWhoseTheyAre) {
    Kept kept;
    sim::Random random(2);
    std::vector<tenant::LedgerLocal> kept_locals;
    for (int i = 0; i < 300; ++i)
        kept_locals.push_back(kept.keep_local(day_of(2024, 1, 1), random.next() % 1'000'000'007));
    const auto requests = [&](const UsageOnly& only) {
        const auto groups =
            kept.table.usage({.by = UsageDimension::none, .from = 0, .to = 1'000'000, .consumer = {}, .only = {only}});
        return groups->empty() ? 0 : groups->front().local.cached() + groups->front().local.refused();
    };
    const auto count = [&](auto&& is_meant) {
        uint64_t all = 0;
        for (const tenant::LedgerLocal& one : kept_locals) all += is_meant(one) ? one.count : 0;
        return all;
    };
    using Local = const tenant::LedgerLocal&;
    EXPECT_EQ(requests({UsageDimension::tenant, "acme"}), count([](Local one) { return one.tenant == "acme"; }));
    EXPECT_EQ(requests({UsageDimension::consumer, "c5"}), count([](Local one) { return one.consumer == "c5"; }));
    EXPECT_EQ(requests({UsageDimension::model, "m9"}), count([](Local one) { return one.model == "m9"; }));
    EXPECT_EQ(requests({UsageDimension::team, "acme/t"}),
              count([](Local one) { return one.tenant == "acme" && one.team == "t"; }));
    EXPECT_EQ(requests({UsageDimension::project, "p"}),
              count([](Local one) { return one.tenant.empty() && one.project == "p"; }));
    EXPECT_EQ(requests({UsageDimension::provider, "x"}), 0u);
    EXPECT_EQ(requests({UsageDimension::provider, ""}), count([](Local) { return true; })) << "nobody was asked";
}

}  // namespace
}  // namespace loom::store
