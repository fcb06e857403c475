// What budgets of projects, routes and models find again: the same as a simple count says, whenever the database was
// closed and opened again, and whatever was in flight then.
#include "spent_sums.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "../sim/random.h"
#include "directory.h"
#include "loom/tenant/ledger_record.h"
#include "usage_retention.h"
#include "usage_table.h"

namespace loom::store {
namespace {

using tenant::LedgerIntent;
using tenant::LedgerSettlement;

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr UsageDay some_day = 19'782;

class SpentSumsTest : public testing::Test {
  protected:
    SpentSumsTest() { open(); }
    void open() {
        table.reset();
        table.emplace(std::move(*UsageTable::open(directory.file("usage.db"))));
        row = *table->segment({1, 0, 1});
    }
    template <class Record>
    void take(const Record& record) {
        std::array<char, tenant::ledger_record_bytes_max> room;
        const size_t bytes = write_ledger_record(record, room);
        const tenant::LedgerRead read = tenant::read_ledger_record({room.data(), bytes});
        ASSERT_EQ(read.state, tenant::LedgerRead::State::whole);
        table->take(row, read);
        row.folded += bytes;
    }
    void commit() { ASSERT_TRUE(table->commit(row)); }
    void settle(uint64_t id, uint64_t input, uint64_t output, Money cost) {
        take(LedgerSettlement{.id = id,
                              .provenance = tenant::LedgerProvenance::reported,
                              .tokens = {.input = input, .output = output},
                              .cost = cost});
    }
    UsageSums spent(LimitScope by, std::string_view name, UsageDay from = some_day, UsageDay to = some_day) {
        UsageQuery query{.from = from, .to = to, .consumer = {}, .spent_by = by, .spent_name = std::string(name)};
        if (by == LimitScope::project) {
            query.by = UsageDimension::project;
            query.only = {{UsageDimension::project, std::string(name)}};
            query.spent_by.reset();
        }
        const auto groups = table->usage(query);
        EXPECT_TRUE(groups && groups->size() <= 1) << (groups ? "" : groups.error().text);
        return groups && !groups->empty() ? groups->front().sums : UsageSums();
    }
    /// The database is as if these were never made.
    void drop(const std::string& tables) {
        table.reset();
        auto database = *Database::open(directory.file("usage.db"));
        ASSERT_TRUE(database.run(tables.c_str()));
    }
    uint64_t tokens(LimitScope by, std::string_view name, UsageDay from = some_day, UsageDay to = some_day) {
        return spent(by, name, from, to).total();
    }

    Directory directory;
    std::optional<UsageTable> table;
    SegmentRow row;
};

LedgerIntent intent(uint64_t id, std::string_view asked = {}) {
    return {.id = id,
            .request = id,
            .time_us = some_day * day_us + 5,
            .consumer = "app",
            .team = "dev",
            .project = "x",
            .tenant = "acme",
            .tier = "gold",
            .route = "ai",
            .provider = "openai",
            .model = "gpt-4o",
            .asked_model = asked};
}

TEST_F(SpentSumsTest, ByProjectRouteAndTheModelThatWasAsked) {
    take(intent(1));
    settle(1, 10, 3, 2'500'000'000'001);
    take(intent(2, "fast"));
    settle(2, 100, 30, 7);
    LedgerIntent other = intent(3, "fast");
    other.tenant = "globex";
    other.route = "other";
    take(other);
    settle(3, 1'000, 300, -1);
    commit();
    open();
    EXPECT_EQ(tokens(LimitScope::project, "acme/x"), 143u);
    EXPECT_EQ(tokens(LimitScope::project, "globex/x"), 1'300u);
    EXPECT_EQ(tokens(LimitScope::project, "x"), 0u);
    EXPECT_EQ(tokens(LimitScope::route, "ai"), 143u);
    EXPECT_EQ(tokens(LimitScope::route, "other"), 1'300u);
    EXPECT_EQ(tokens(LimitScope::model, "gpt-4o"), 13u);
    EXPECT_EQ(tokens(LimitScope::model, "fast"), 1'430u);
    EXPECT_EQ(spent(LimitScope::project, "acme/x").cost, static_cast<unsigned __int128>(2'500'000'000'008));
    EXPECT_EQ(tokens(LimitScope::model, "fast", some_day + 1, some_day + 9), 0u);
    // The columns that were there before say what they always said: the provider's name of the model.
    const auto models = table->usage({.by = UsageDimension::model, .from = 0, .to = some_day, .consumer = {}});
    ASSERT_TRUE(models);
    ASSERT_EQ(models->size(), 1u);
    EXPECT_EQ(models->front().name, "gpt-4o");
}

/// An intent that is open when the database is closed is settled by the next start, for all that it was for.
TEST_F(SpentSumsTest, WhatIsInFlightKeepsWhoseItIs) {
    take(intent(1, "fast"));
    take(intent(2));
    commit();
    open();
    EXPECT_EQ(tokens(LimitScope::route, "ai"), 0u);
    settle(1, 10, 3, 0);
    settle(2, 20, 6, 0);
    commit();
    EXPECT_EQ(tokens(LimitScope::project, "acme/x"), 39u);
    EXPECT_EQ(tokens(LimitScope::route, "ai"), 39u);
    EXPECT_EQ(tokens(LimitScope::model, "fast"), 13u);
    EXPECT_EQ(tokens(LimitScope::model, "gpt-4o"), 26u);
}

TEST_F(SpentSumsTest, CopiesOfRequestsAreOnNobodysBudget) {
    LedgerIntent copy = intent(1);
    copy.consumer = "mirror/shadow";
    take(copy);
    settle(1, 10, 3, 5);
    commit();
    EXPECT_EQ(tokens(LimitScope::route, "ai"), 0u);
    EXPECT_EQ(tokens(LimitScope::model, "gpt-4o"), 0u);
}

/// As a Loom has left it that summed up projects for reports alone, with an intent that is open.
TEST_F(SpentSumsTest, ADatabaseWithProjectsAloneIsTakenAsItIs) {
    take(intent(1, "fast"));
    take(intent(2, "fast"));
    settle(2, 20, 6, 0);
    commit();
    drop("DROP TABLE spent; DROP TABLE open_asked");
    ASSERT_TRUE(UsageTable::open_to_read(directory.file("usage.db")));
    open();
    settle(1, 10, 3, 0);
    commit();
    EXPECT_EQ(tokens(LimitScope::project, "acme/x"), 39u) << "what was spent before counts";
    EXPECT_EQ(tokens(LimitScope::model, "gpt-4o"), 13u) << "the name at the provider is the best that is known";
}

/// As an older one has left it.
TEST_F(SpentSumsTest, ADatabaseOfBeforeIsTakenAsItIs) {
    take(intent(1));
    commit();
    drop("DROP TABLE spent; DROP TABLE open_asked; DROP TABLE project_usage; DROP TABLE open_project");
    ASSERT_TRUE(UsageTable::open_to_read(directory.file("usage.db"))) << "nothing is made where it is only read";
    open();
    settle(1, 10, 3, 0);
    take(intent(2));
    settle(2, 20, 6, 0);
    commit();
    EXPECT_EQ(tokens(LimitScope::model, "gpt-4o"), 39u) << "the name at the provider is the best that is known";
    EXPECT_EQ(tokens(LimitScope::project, "acme/x"), 26u);
}

TEST_F(SpentSumsTest, DaysThatNoPeriodNeedsGo) {
    const auto at = [this](uint64_t id, UsageDay day) {
        LedgerIntent one = intent(id);
        one.time_us = static_cast<uint64_t>(day) * day_us;
        take(one);
        settle(id, 1, 0, 0);
        commit();
    };
    at(1, some_day);
    at(2, some_day + SpentSums::days_max);
    EXPECT_EQ(tokens(LimitScope::route, "ai", 0, some_day + 100), 2u);
    at(3, some_day + 3'650);  // a clock alone takes nothing away
    EXPECT_EQ(tokens(LimitScope::route, "ai", 0, some_day + 100), 2u);
    ASSERT_TRUE(table->forget_spent(some_day + SpentSums::days_max + 1));
    EXPECT_EQ(tokens(LimitScope::route, "ai", 0, some_day + 100), 1u);
    EXPECT_EQ(tokens(LimitScope::route, "ai", some_day, some_day), 0u);
}

/// What the retention of sums takes is of months that no budget asks for: see retention_terms. All else stays by day.
TEST_F(SpentSumsTest, RetentionLeavesWhatBudgetsAskFor) {
    const auto at = [this](uint64_t id, UsageDay day) {
        LedgerIntent one = intent(id);
        one.time_us = static_cast<uint64_t>(day) * day_us;
        take(one);
        settle(id, 1, 0, 0);
        commit();
    };
    constexpr UsageDay month_begin = 19'783;  // 2024-03-01, a Friday
    constexpr UsageDay today = month_begin + 2;
    at(1, month_begin - 40);
    at(2, month_begin - 4);  // the Monday of its week
    at(3, month_begin);
    at(4, today);
    const RetentionTerms terms = retention_terms({.days = 1, .months = 1}, today, false);
    while (*table->retain(terms)) continue;
    for (const LimitScope scope : {LimitScope::project, LimitScope::route}) {
        const char* const name = scope == LimitScope::project ? "acme/x" : "ai";
        EXPECT_EQ(tokens(scope, name, today, today), 1u);
        EXPECT_EQ(tokens(scope, name, month_begin - 4, month_begin + 2), 3u) << "of the week";
        EXPECT_EQ(tokens(scope, name, month_begin, month_begin + 30), 2u) << "of the month";
    }
}

TEST_F(SpentSumsTest, RandomCoursesAgreeWithASimpleCount) {
    struct Open {
        UsageDay day;
        std::string project, route, model;
    };
    for (uint64_t seed = 1; seed <= 12; ++seed) {
        table.reset();
        for (const char* const name : {"usage.db", "usage.db-wal", "usage.db-shm"})
            std::filesystem::remove(directory.file(name));
        open();
        sim::Random random(seed);
        std::map<std::pair<LimitScope, std::string>, std::map<UsageDay, uint64_t>> model;
        std::map<uint64_t, Open> in_flight;
        uint64_t next = 1;
        UsageDay day = some_day;
        for (int step = 0; step < 400; ++step) {
            if (random.chance(20)) day += 1;
            if (random.chance(550) || in_flight.empty()) {
                const std::string project = fmt::format("p{}", random.below(3)),
                                  tenant = fmt::format("t{}", random.below(2));
                const std::string route = fmt::format("r{}", random.below(2)),
                                  asked = fmt::format("m{}", random.below(3));
                LedgerIntent one = intent(next, random.chance(500) ? std::string_view(asked) : std::string_view());
                one.time_us = static_cast<uint64_t>(day) * day_us;
                one.project = random.chance(800) ? std::string_view(project) : std::string_view();
                one.tenant = tenant;
                one.route = route;
                take(one);
                in_flight[next] = {day, one.project.empty() ? "" : tenant + "/" + project, route,
                                   one.asked_model.empty() ? "gpt-4o" : asked};
                next += 1;
            } else {
                const auto which = std::next(in_flight.begin(), static_cast<ptrdiff_t>(random.below(in_flight.size())));
                const uint64_t took = random.below(1'000);
                settle(which->first, took, took / 2, static_cast<Money>(took));
                const Open& open = which->second;
                if (!open.project.empty()) model[{LimitScope::project, open.project}][open.day] += took + took / 2;
                model[{LimitScope::route, open.route}][open.day] += took + took / 2;
                model[{LimitScope::model, open.model}][open.day] += took + took / 2;
                settle(which->first, took, took, 0);  // once
                in_flight.erase(which);
            }
            if (random.chance(100)) commit();
            if (random.chance(30)) {
                commit();
                open();
            }
        }
        commit();
        for (const auto& [key, days] : model)
            for (const auto& [of_day, count] : days)
                ASSERT_EQ(tokens(key.first, key.second, of_day, of_day), count) << seed << " " << key.second;
    }
}

}  // namespace
}  // namespace loom::store
