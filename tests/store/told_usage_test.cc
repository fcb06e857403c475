// What the store has of this Loom, beside usage.db: what differs is named, what has changed meanwhile does not differ.
#include "loom/store/told_usage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "directory.h"
#include "loom/store/usage_period.h"
#include "usage_table.h"

namespace loom::store {
namespace {

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr UsageDay some_day = 19'782;  // 2024-02-29

class ToldUsageTest : public testing::Test {
  protected:
    ToldUsageTest() : table(std::move(*UsageTable::open(directory.file("usage.db")))) { EXPECT_TRUE(table.share()); }
    void settle(std::string_view consumer, UsageDay day = some_day) {
        SegmentRow row = *table.segment({.epoch = 1, .shard = 0, .number = 1});
        const uint64_t id = tenant::make_ledger_id(1, 0, ++last_id);
        take(row, tenant::LedgerIntent{.id = id,
                                       .request = id,
                                       .time_us = static_cast<uint64_t>(day) * day_us,
                                       .consumer = consumer,
                                       .provider = "p",
                                       .model = "m"});
        take(row, tenant::LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 5}, .cost = 7});
        EXPECT_TRUE(table.commit(row));
    }
    template <class Record>
    void take(SegmentRow& row, const Record& record) {
        std::array<char, tenant::ledger_record_bytes_max> room;
        const size_t bytes = write_ledger_record(record, room);
        table.take(row, tenant::read_ledger_record({room.data(), bytes}));
    }
    /// As the store has it now.
    FetchedUsage told() {
        UsageChanges page = *table.changes(0, 0);
        return {.rows = page.rows, .last_revision = page.last_revision, .whole = true};
    }
    ShippedUsage shipped() {
        const UsageChanges page = *table.changes(0, 0);
        return {.revision = page.last_revision, .start = "s", .generation = page.generation};
    }
    ToldUsage compare(const ShippedUsage& before, const FetchedUsage& page) {
        auto opened = ToldUsage::open(directory.path(), {}, before, 0);
        EXPECT_TRUE(opened) << opened.error();
        EXPECT_TRUE(opened->comparable());
        EXPECT_TRUE(opened->begin_month(usage_month_begin(some_day)));
        opened->take(page);
        opened->end_month();
        return std::move(*opened);
    }
    Directory directory;
    UsageTable table;
    uint64_t last_id = 0;
};

TEST_F(ToldUsageTest, TheSameIsNoDifference) {
    for (int i = 0; i < 20; ++i) settle(fmt::format("c{}", i % 7));
    const ToldUsage verdict = compare(shipped(), told());
    EXPECT_EQ(verdict.difference_count(), 0u);
    EXPECT_EQ(verdict.rows(), 7u);
    EXPECT_EQ(*shared_loom_id(directory.path(), {}), table.loom_id());
}

TEST_F(ToldUsageTest, EachThatDiffersIsNamed) {
    for (const char* const name : {"a", "b", "c"}) settle(name);
    FetchedUsage page = told();
    page.rows[1].sums.input += 1;
    const ToldUsage more = compare(shipped(), page);
    ASSERT_EQ(more.difference_count(), 1u);
    EXPECT_TRUE(more.differences()[0].contains("2024-02-29, consumer 'b', model 'm' of 'p'")) << more.differences()[0];
    EXPECT_TRUE(more.differences()[0].contains("6 input") && more.differences()[0].contains("5 input"));
    page = told();
    page.rows.erase(page.rows.begin());
    EXPECT_TRUE(compare(shipped(), page).differences().at(0).contains("consumer 'a'"));
    page = told();
    page.rows[2].name.consumer = "foreign";
    EXPECT_EQ(compare(shipped(), page).difference_count(), 2u) << "one too many, one too few";
    page = told();
    page.rows[0].revision -= 1;
    EXPECT_EQ(compare(shipped(), page).difference_count(), 1u) << "an older state of it";
    page.unreadable = 3;
    EXPECT_EQ(compare(shipped(), page).difference_count(), 2u);
}

TEST_F(ToldUsageTest, WhatIsUnderWayDiffersNot) {
    settle("a");
    settle("b");
    const ShippedUsage before = shipped();
    const FetchedUsage old = told();
    settle("a");
    settle("new");
    const ToldUsage untold = compare(before, old);
    EXPECT_EQ(untold.difference_count(), 0u);
    EXPECT_EQ(untold.untold(), 2u);
    auto opened = *ToldUsage::open(directory.path(), {}, shipped(), 0);
    settle("b");
    settle("newer");
    EXPECT_TRUE(opened.begin_month(usage_month_begin(some_day)));
    opened.take(told());
    opened.end_month();
    EXPECT_EQ(opened.difference_count(), 0u) << opened.differences()[0];
    EXPECT_EQ(opened.meanwhile(), 2u);
}

TEST_F(ToldUsageTest, OtherNumbersAreNotCompared) {
    settle("a");
    ShippedUsage other = shipped();
    other.generation = "0123456789abcdef";
    const auto verdict = ToldUsage::open(directory.path(), {}, other, 0);
    EXPECT_FALSE(verdict->comparable());
    EXPECT_EQ(verdict->difference_count(), 1u);
    const auto unknown = ToldUsage::open(directory.path(), {}, std::nullopt, 0);
    EXPECT_EQ(unknown->difference_count(), 1u);
    EXPECT_EQ(ToldUsage::open(directory.path(), {}, std::nullopt, some_day + 1)->difference_count(), 0u)
        << "nothing of it was to be told";
}

TEST_F(ToldUsageTest, WhereNothingWasSharedItSaysSo) {
    const Directory other;
    {
        auto alone = UsageTable::open(other.file("usage.db"));
    }
    EXPECT_TRUE(shared_loom_id(other.path(), {}).error().contains("nothing of it was ever shared"));
    EXPECT_FALSE(shared_loom_id("/nowhere", {}));
}

}  // namespace
}  // namespace loom::store
