// What usage.db keeps for other Looms and of them: changes in their order, rows that replace what they told before.
#include "usage_sharing.h"

#include <gtest/gtest.h>

#include <array>

#include "directory.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr UsageDay some_day = 19'782;  // 2024-02-29

/// A Loom's database, and what it settles.
struct Loom {
    explicit Loom(const std::string& path = ":memory:", bool shares = true)
        : table(std::move(*UsageTable::open(path))) {
        if (shares) EXPECT_TRUE(table.share());
    }
    void settle(std::string_view consumer, uint64_t tokens, UsageDay day = some_day) {
        SegmentRow row = *table.segment({.epoch = 1, .shard = 0, .number = 1});
        const uint64_t id = tenant::make_ledger_id(1, 0, ++last_id);
        take(row, tenant::LedgerIntent{.id = id,
                                       .request = id,
                                       .time_us = static_cast<uint64_t>(day) * day_us,
                                       .consumer = consumer,
                                       .team = "t",
                                       .tenant = "",
                                       .provider = "p",
                                       .model = "m"});
        take(row, tenant::LedgerSettlement{.id = id,
                                           .provenance = tenant::LedgerProvenance::reported,
                                           .status = 200,
                                           .tokens = {.input = tokens},
                                           .cost = 2'500'000});
        EXPECT_TRUE(table.commit(row));
    }
    template <class Record>
    void take(SegmentRow& row, const Record& record) {
        std::array<char, tenant::ledger_record_bytes_max> room;
        const size_t bytes = write_ledger_record(record, room);
        table.take(row, tenant::read_ledger_record({room.data(), bytes}));
    }
    UsageChanges changes(uint64_t after, UsageDay since = 0) { return *table.changes(after, since); }
    uint64_t tokens(const std::string& consumer, bool of_all_looms) {
        const auto groups = table.usage(
            {.from = 0, .to = 1'000'000, .of_consumer = true, .consumer = consumer, .of_all_looms = of_all_looms});
        return groups->empty() ? 0 : (*groups)[0].sums.input;
    }
    /// All that `other` has changed since it was asked last, page by page.
    void learn_from(Loom& other) {
        for (;;) {
            const UsageChanges page = other.changes(known);
            if (page.rows.empty()) return;
            known = page.rows.back().revision;
            EXPECT_TRUE(table.take_others(
                {.loom = other.table.loom_id(), .month = page.month, .revision = known, .generation = "g"}, page.rows));
        }
    }
    UsageTable table;
    uint64_t last_id = 0;
    uint64_t known = 0;
};

TEST(UsageSharing, ARowIsToldAgainOnceItHasChanged) {
    Loom loom;
    EXPECT_TRUE(loom.changes(0).rows.empty());
    loom.settle("a", 5);
    loom.settle("b", 7);
    const UsageChanges first = loom.changes(0);
    ASSERT_EQ(first.rows.size(), 2u);
    EXPECT_EQ(first.month, "2024-02");
    EXPECT_EQ(first.rows[0].name.consumer, "a");
    EXPECT_EQ(first.rows[0].name.provenance, "reported");
    EXPECT_EQ(first.rows[0].sums.cost, 2'500'000u);
    EXPECT_LT(first.rows[0].revision, first.rows[1].revision);
    EXPECT_EQ(first.last_revision, first.rows[1].revision);
    EXPECT_TRUE(loom.changes(first.last_revision).rows.empty());
    loom.settle("a", 6);
    const UsageChanges second = loom.changes(first.last_revision);
    ASSERT_EQ(second.rows.size(), 1u);
    EXPECT_EQ(second.rows[0].name.consumer, "a");
    EXPECT_EQ(second.rows[0].sums.input, 11u) << "the whole sum";
    EXPECT_EQ(loom.changes(0).rows.size(), 2u) << "once each, from the beginning too";
}

TEST(UsageSharing, APageIsOfOneMonthAndBounded) {
    Loom loom;
    for (size_t i = 0; i < usage_page_rows + 50; ++i) loom.settle("c" + std::to_string(i), 1);
    loom.settle("next", 1, some_day + 1);
    loom.settle("old", 1, some_day - 400);
    EXPECT_EQ(loom.changes(0).rows.size(), usage_page_rows);
    std::string months;
    size_t rows = 0;
    for (uint64_t at = 0;;) {
        const UsageChanges page = loom.changes(at, some_day - 100);
        if (page.rows.empty()) break;
        for (const UsageChange& row : page.rows) EXPECT_EQ(usage_month(row.name.day), page.month);
        at = page.rows.back().revision;
        rows += page.rows.size();
        months += page.month + " ";
    }
    EXPECT_EQ(rows, usage_page_rows + 51) << "what is too old is not told";
    EXPECT_EQ(months, "2024-02 2024-02 2024-03 ");
}

TEST(UsageSharing, WhatOthersTellIsBesideTheOwn) {
    Loom one, two;
    one.settle("a", 5);
    two.settle("a", 7);
    two.settle("b", 1);
    for (int again = 0; again < 3; ++again) {
        one.known = 0;  // all of it comes once more
        one.learn_from(two);
        EXPECT_EQ(one.tokens("a", true), 12u);
        EXPECT_EQ(one.tokens("a", false), 5u);
        EXPECT_EQ(one.tokens("b", true), 1u);
        EXPECT_EQ(one.tokens("b", false), 0u);
    }
    EXPECT_TRUE(*one.table.knows("b"));
    EXPECT_FALSE(*one.table.knows("c"));
    two.settle("a", 100);
    one.learn_from(two);
    EXPECT_EQ(one.tokens("a", true), 112u);
    EXPECT_EQ(one.table.total()->input, 5u) << "what its own log says";
    EXPECT_EQ(one.changes(0).rows.size(), 1u) << "others' rows are theirs to tell";
    const auto known = one.table.known_of_others();
    ASSERT_EQ(known->size(), 1u);
    EXPECT_EQ((*known)[0].loom, two.table.loom_id());
    EXPECT_EQ((*known)[0].revision, one.known);
    for (const UsageDimension by :
         {UsageDimension::consumer, UsageDimension::team, UsageDimension::tenant, UsageDimension::provider,
          UsageDimension::model, UsageDimension::provenance, UsageDimension::day}) {
        uint64_t tokens = 0;
        const auto groups = one.table.usage({.by = by, .from = 0, .to = 1'000'000, .of_all_looms = true});
        for (const UsageGroup& group : *groups) tokens += group.sums.input;
        EXPECT_EQ(tokens, 113u) << static_cast<int>(by);
    }
}

TEST(UsageSharing, TheIdAndTheOrderOutliveAStart) {
    const Directory directory;
    const std::string path = directory.file("usage.db");
    std::fclose(std::fopen(path.c_str(), "w"));
    std::string id;
    {
        Loom before(path, false);  // sharing is not wanted yet
        before.settle("a", 1);
        before.settle("b", 1);
    }
    {
        Loom loom(path);
        id = loom.table.loom_id();
        EXPECT_TRUE(is_loom_id(id));
        EXPECT_EQ(loom.changes(0).rows.size(), 2u) << "what was there before is told too";
        loom.last_id = 2;
        loom.settle("c", 1);
        EXPECT_EQ(loom.changes(0).last_revision, 3u);
    }
    {
        Loom meanwhile(path, false);  // nor any more: its changes are told all the same, later
        meanwhile.last_id = 3;
        meanwhile.settle("a", 1);
    }
    Loom loom(path);
    EXPECT_EQ(loom.table.loom_id(), id);
    ASSERT_EQ(loom.changes(3).rows.size(), 1u);
    EXPECT_EQ(loom.changes(3).rows[0].sums.input, 2u);
    EXPECT_NE(Loom().table.loom_id(), id);
}

/// What the store would know once all of it was shipped.
ShippedUsage shipped_by(Loom& loom) {
    const UsageChanges all = loom.changes(0);
    return {.revision = all.last_revision, .start = "s", .generation = all.generation};
}

TEST(UsageSharing, AStartGoesOnWhereTheLastOneEnded) {
    const Directory directory;
    const std::string path = directory.file("usage.db");
    std::fclose(std::fopen(path.c_str(), "w"));
    ShippedUsage shipped;
    {
        Loom before(path);
        before.settle("a", 1);
        before.settle("b", 1);
        shipped = shipped_by(before);
    }
    Loom loom(path);
    loom.last_id = 2;
    loom.settle("c", 1);
    const auto start = loom.table.begin_shipping(shipped);
    ASSERT_TRUE(start);
    EXPECT_FALSE(start->anew);
    EXPECT_EQ(start->after, shipped.revision);
    EXPECT_EQ(loom.changes(start->after).rows.size(), 1u);
    EXPECT_EQ(loom.changes(0).generation, shipped.generation);
}

TEST(UsageSharing, AfterACopyIsBroughtBackAllIsToldAnew) {
    const Directory directory;
    const std::string path = directory.file("usage.db");
    std::fclose(std::fopen(path.c_str(), "w"));
    ShippedUsage shipped;
    {
        Loom before(path);
        before.settle("a", 1);
        shipped = shipped_by(before);
    }
    shipped.revision += 2;  // which the copy has not
    Loom loom(path);
    loom.last_id = 1;
    for (const char* const name : {"b", "c", "d", "e"}) loom.settle(name, 1);  // beyond the store's number already
    const auto start = loom.table.begin_shipping(shipped);
    ASSERT_TRUE(start);
    EXPECT_TRUE(start->anew);
    const UsageChanges all = loom.changes(start->after);
    ASSERT_EQ(all.rows.size(), 5u);
    EXPECT_EQ(all.rows[0].name.consumer, "a");
    EXPECT_EQ(all.last_revision, shipped.revision + 5) << "no more than the rows are";
    EXPECT_NE(all.generation, shipped.generation);
    loom.settle("a", 1);
    EXPECT_EQ(loom.changes(0).last_revision, all.last_revision + 1);
}

TEST(UsageSharing, AStoreThatKnowsNothingHearsAnotherGeneration) {
    Loom loom;
    loom.settle("a", 1);
    const std::string before = loom.changes(0).generation;
    const auto start = loom.table.begin_shipping(std::nullopt);
    ASSERT_TRUE(start);
    EXPECT_EQ(start->after, 0u);
    EXPECT_NE(loom.changes(0).generation, before);
}

/// Two with one id, each start of which finds what the other has told.
TEST(UsageSharing, CopiesThatTakeTurnsGrowByTheirRowsAndNoMore) {
    Loom one, two;
    for (Loom* const each : {&one, &two})
        for (const char* const name : {"a", "b", "c"}) each->settle(name, 1);
    ShippedUsage shipped = shipped_by(one);
    for (int round = 0; round < 200; ++round) {
        Loom& each = round % 2 == 0 ? two : one;
        const auto start = each.table.begin_shipping(shipped);
        ASSERT_TRUE(start && !start->absurd) << round;
        shipped = shipped_by(each);
    }
    EXPECT_LE(shipped.revision, 3u * 201);
}

TEST(UsageSharing, AnAbsurdNumberChangesNothing) {
    Loom loom;
    loom.settle("a", 1);
    const UsageChanges before = loom.changes(0);
    for (const uint64_t revision : {usage_revision_max, UsageSharing::jump_max + 2}) {
        const auto start =
            loom.table.begin_shipping(ShippedUsage{.revision = revision, .start = "x", .generation = "x"});
        ASSERT_TRUE(start);
        EXPECT_TRUE(start->absurd);
        EXPECT_EQ(loom.changes(0).last_revision, before.last_revision);
        EXPECT_EQ(loom.changes(0).generation, before.generation);
    }
}

TEST(UsageSharing, OthersOldMonthsGo) {
    Loom one, two;
    two.settle("old", 1, some_day - 40);
    two.settle("new", 1);
    one.learn_from(two);
    ASSERT_TRUE(one.table.forget_others(some_day - 28));  // the month's first day
    EXPECT_EQ(one.tokens("old", true), 0u);
    EXPECT_EQ(one.tokens("new", true), 1u);
    const auto known = one.table.known_of_others();
    ASSERT_EQ(known->size(), 1u);
    EXPECT_EQ((*known)[0].month, "2024-02");
    EXPECT_EQ((*known)[0].generation, "g");
}

TEST(UsageSharing, WhatALoomTellsOfAMonthIsBounded) {
    Loom loom;
    const MonthOfLoom of{.loom = std::string(32, 'a'), .month = "2024-02", .revision = 1, .generation = "g"};
    std::vector<UsageChange> rows(UsageSharing::others_rows_max);
    for (size_t i = 0; i < rows.size(); ++i)
        rows[i].name = {.day = some_day, .consumer = "c" + std::to_string(i), .provenance = "reported"};
    EXPECT_EQ(*loom.table.take_others(of, rows), 0u);
    rows.resize(1);
    rows[0].sums.input = 7;
    EXPECT_EQ(*loom.table.take_others(of, rows), 0u) << "what is there may change";
    EXPECT_EQ(loom.tokens("c0", true), 7u);
    rows[0].name.consumer = "one more";
    EXPECT_EQ(*loom.table.take_others(of, rows), 1u);
    EXPECT_EQ(loom.tokens("one more", true), 0u);
    rows[0].name.day = some_day + 1;
    EXPECT_EQ(*loom.table.take_others(of, rows), 0u) << "of the next month";
}

}  // namespace
}  // namespace loom::store
