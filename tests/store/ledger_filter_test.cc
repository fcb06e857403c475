// Which attempts are meant, and which of a ledger's files are read for it.
#include "loom/store/ledger_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "directory.h"
#include "ledger_segment.h"
#include "loom/store/ledger_export.h"
#include "loom/store/usage_period.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using tenant::LedgerIntent;

const LedgerIntent someones{.id = 1,
                            .time_us = 1'000,
                            .consumer = "app",
                            .team = "dev",
                            .project = "x",
                            .tenant = "acme",
                            .tier = "gold",
                            .route = "ai",
                            .provider = "openai",
                            .model = "gpt-4o"};

TEST(LedgerFilter, EachNameIsAColumn) {
    const std::array<const char*, 8> values = {"app", "acme/dev", "acme/x", "acme", "gold", "ai", "openai", "gpt-4o"};
    for (size_t i = 0; i < values.size(); ++i) {
        LedgerFilter good, bad, none;
        EXPECT_TRUE(good.set(LedgerFilter::names[i], values[i]));
        EXPECT_TRUE(good.takes(someones)) << values[i];
        EXPECT_TRUE(bad.set(LedgerFilter::names[i], "another"));
        EXPECT_FALSE(bad.takes(someones)) << values[i];
        EXPECT_TRUE(none.set(LedgerFilter::names[i], ""));
        EXPECT_FALSE(none.takes(someones)) << values[i];
        EXPECT_TRUE(none.takes({.id = 2}));
        EXPECT_TRUE(bad.set(LedgerFilter::names[i], values[i])) << "the last counts";
        EXPECT_TRUE(bad.takes(someones));
    }
    LedgerFilter filter;
    EXPECT_FALSE(filter.set("colour", "red"));
    EXPECT_TRUE(filter.takes(someones));
}

TEST(LedgerFilter, TeamsAndProjectsAreNamedWithTheirTenant) {
    LedgerFilter filter;
    (void)filter.set("team", "acme/dev");
    EXPECT_TRUE(filter.takes(someones));
    EXPECT_FALSE(filter.takes({.team = "dev", .tenant = "zeta"}));
    EXPECT_FALSE(filter.takes({.team = "dev"}));
    EXPECT_FALSE(filter.takes({.team = "acme/dev"})) << "of a token that says so: it is no tenant's";
    (void)filter.set("team", "/acme/dev");
    EXPECT_TRUE(filter.takes({.team = "acme/dev"}));
    (void)filter.set("team", "dev");
    EXPECT_TRUE(filter.takes({.team = "dev"}));
    EXPECT_FALSE(filter.takes(someones));
    LedgerFilter of_project;
    (void)of_project.set("project", "a%2Fb/x");
    EXPECT_TRUE(of_project.takes({.project = "x", .tenant = "a/b"}));
    EXPECT_FALSE(of_project.takes(someones));
}

TEST(LedgerFilter, PeriodsHoldTheirFirstMomentAndNotTheirEnd) {
    LedgerFilter filter;
    filter.from_us = 1'000;
    EXPECT_TRUE(filter.takes(someones));
    filter.from_us = 1'001;
    EXPECT_FALSE(filter.takes(someones));
    filter.from_us = 0;
    filter.to_us = 1'000;
    EXPECT_FALSE(filter.takes(someones));
    filter.to_us = 1'001;
    EXPECT_TRUE(filter.takes(someones));
}

TEST(LedgerFilter, LongNamesAreAsRecordsHaveThem) {
    const std::string name(300, 'n');
    std::array<char, tenant::ledger_text_bytes_max> room;
    LedgerFilter filter;
    (void)filter.set("consumer", name);
    EXPECT_TRUE(filter.takes({.consumer = tenant::bounded_ledger_text(name, room)}));
}

TEST(UsagePeriod, IsADayOrAMonthOfTheCalendar) {
    const auto february = parse_usage_period("2024-02");
    ASSERT_TRUE(february);
    EXPECT_EQ(february->to - february->from, 28);
    EXPECT_EQ(usage_day_text(february->from), "2024-02-01");
    EXPECT_EQ(february->end_us() - february->begin_us(), 29 * us_per_usage_day);
    EXPECT_TRUE(parse_usage_period("2024-02-29")->is_day());
    EXPECT_EQ(usage_month_of(february->to).text, "2024-02");
    for (const char* const text : {"", "2024", "2024-2", "2024-13", "2024-02-30", "2023-02-29", "2024-02-2x", "1969-12",
                                   "2024/02", "2024-02-001", "-024-02"})
        EXPECT_FALSE(parse_usage_period(text)) << text;
}

template <class Record>
std::string written(const Record& record) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    return {room.data(), write_ledger_record(record, room)};
}

class FilteredExport : public testing::Test {
  protected:
    /// With attempts [first, first + count), by the second.
    void leave(uint32_t number, uint64_t first, uint64_t count, uint64_t time_s) {
        std::string bytes = written(tenant::LedgerBegin{.epoch = 1, .shard = 0, .number = number, .time_us = 1});
        for (uint64_t i = first; i < first + count; ++i) {
            const uint64_t id = tenant::make_ledger_id(1, 0, i);
            bytes += written(LedgerIntent{
                .id = id, .request = id, .time_us = (time_s + i) * 1'000'000, .consumer = i % 2 == 0 ? "even" : "odd"});
            bytes += written(tenant::LedgerSettlement{.id = id, .status = 200});
        }
        const std::string path = directory.path() + "/ledger/" + segment_file_name({1, 0, number});
        fs::create_directories(directory.path() + "/ledger");
        std::ofstream(path, std::ios::binary) << bytes;
        const timespec then{.tv_sec = static_cast<time_t>(time_s + first + count), .tv_nsec = 0};
        const timespec both[] = {then, then};
        ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, 0), 0);
    }
    Directory directory;
};

TEST_F(FilteredExport, FilesOfBeforeAreNotOpened) {
    constexpr uint64_t day_s = 86'400;
    leave(1, 1, 10, 100 * day_s);
    leave(2, 11, 10, 200 * day_s);
    LedgerFilter filter;
    filter.from_us = 150 * day_s * 1'000'000;
    (void)filter.set("consumer", "even");
    std::vector<uint64_t> ids;
    const auto read = export_ledger(
        directory.path(),
        [&](const LedgerRow& row) {
            ids.push_back(row.intent.id & 0xff);
            EXPECT_NE(row.settlement, nullptr);
            return true;
        },
        {}, filter);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(ids, (std::vector<uint64_t>{12, 14, 16, 18, 20}));
    LedgerFilter all;
    const auto counted = export_ledger(directory.path(), [](const LedgerRow&) { return true; }, {}, filter, {}, &all);
    ASSERT_TRUE(counted);
    EXPECT_EQ(counted->rows, 5u);
    EXPECT_EQ(counted->counted, 20u) << "files of its own period are read for it";
    EXPECT_EQ(read->passed_over, 1u);
    EXPECT_EQ(read->segments, 1u);
    EXPECT_EQ(read->unsettled, 0u);
    filter.from_us = 100 * day_s * 1'000'000 + 20 * 1'000'000 + day_s * 1'000'000;
    EXPECT_EQ(export_ledger(directory.path(), [](const LedgerRow&) { return true; }, {}, filter)->passed_over, 1u);
    filter.from_us -= day_s * 1'000'000 / 2;
    EXPECT_EQ(export_ledger(
                  directory.path(), [](const LedgerRow&) { return true; }, {}, filter)
                  ->passed_over,
              0u)
        << "clocks may differ by a day";
}

/// Beside attempts; what is of another period, or of somebody else, has no row.
TEST_F(FilteredExport, HitsAndRefusalsAreMeantByTheSameNames) {
    leave(1, 1, 10, 100);
    const std::string path = directory.path() + "/ledger/" + segment_file_name({1, 0, 1});
    std::string more;
    for (uint64_t i = 11; i <= 20; ++i) {
        tenant::LedgerLocal local{.id = tenant::make_ledger_id(1, 0, i),
                                  .time_us = (100 + i) * 1'000'000,
                                  .exit = tenant::LedgerLocalExit::cache_exact,
                                  .status = 200,
                                  .consumer = i % 2 == 0 ? "even" : "odd",
                                  .team = "dev",
                                  .tenant = "acme",
                                  .model = "m"};
        if (i % 5 == 0) local.exit = tenant::LedgerLocalExit::refused_limit, local.count = 7;
        more += written(local);
    }
    std::ofstream(path, std::ios::binary | std::ios::app) << more;
    const auto ids = [&](std::initializer_list<std::pair<const char*, const char*>> names, uint64_t from_s,
                         uint64_t to_s) {
        LedgerFilter filter;
        filter.from_us = from_s * 1'000'000;
        filter.to_us = to_s * 1'000'000;
        for (const auto& [name, value] : names) EXPECT_TRUE(filter.set(name, value));
        std::vector<uint64_t> found;
        const auto read = export_ledger(
            directory.path(),
            [&](const LedgerRow& row) {
                found.push_back(row.intent.id & 0xff);
                EXPECT_EQ(row.local != nullptr, found.back() > 10);
                EXPECT_NE(row.local == nullptr, row.settlement == nullptr);
                if (row.local != nullptr) EXPECT_EQ(row.local->count, found.back() % 5 == 0 ? 7u : 1u);
                return true;
            },
            {}, filter);
        EXPECT_TRUE(read);
        EXPECT_EQ(read->rows, found.size());
        EXPECT_EQ(read->unsettled, 0u);
        EXPECT_EQ(read->without_intent, 0u);
        return found;
    };
    using Ids = std::vector<uint64_t>;
    EXPECT_EQ(ids({}, 0, 1'000).size(), 20u);
    EXPECT_EQ(ids({{"consumer", "even"}}, 0, 1'000), (Ids{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}));
    EXPECT_EQ(ids({{"tenant", "acme"}, {"consumer", "odd"}}, 0, 1'000), (Ids{11, 13, 15, 17, 19}));
    EXPECT_EQ(ids({{"team", "acme/dev"}, {"model", "m"}}, 115, 118), (Ids{15, 16, 17}));
    EXPECT_EQ(ids({{"tenant", "zeta"}}, 0, 1'000), Ids());
    EXPECT_EQ(ids({{"provider", "p"}}, 0, 1'000), Ids());
    EXPECT_EQ(ids({{"provider", ""}}, 110, 112), (Ids{10, 11}));
}

TEST_F(FilteredExport, EndsWhereNobodyWantsIt) {
    leave(1, 1, 20'000, 100);
    LedgerFilter filter;
    (void)filter.set("consumer", "nobody");
    int asked = 0;
    const auto read =
        export_ledger(directory.path(), [](const LedgerRow&) { return true; }, {}, filter, [&] { return ++asked < 3; });
    ASSERT_TRUE(read);
    EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace loom::store
