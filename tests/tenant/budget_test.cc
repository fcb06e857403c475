#include "loom/tenant/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace loom::tenant {
namespace {

constexpr int64_t day_s = 86'400;
constexpr int64_t noon = 1'772'452'800;  // 2026-03-02 12:00 UTC, a Monday

TEST(PeriodSpan, DaysWeeksAndMonthsOfUtc) {
    const auto day = period_span(BudgetPeriod::day, noon);
    EXPECT_EQ(day.begin_s, noon - day_s / 2);
    EXPECT_EQ(day.end_s, noon + day_s / 2);
    const auto week = period_span(BudgetPeriod::week, noon);
    EXPECT_EQ(week.begin_s, day.begin_s) << "a Monday";
    EXPECT_EQ(week.end_s - week.begin_s, 7 * day_s);
    const auto month = period_span(BudgetPeriod::month, noon);
    EXPECT_EQ(month.begin_s, 1'772'323'200) << "2026-03-01";
    EXPECT_EQ(month.end_s, 1'775'001'600) << "2026-04-01";
    EXPECT_EQ(period_span(BudgetPeriod::month, 951'782'400).end_s, 951'868'800) << "2000 had a 29th of February";
}

/// Each second is in one span, and its number changes where a span begins and nowhere else.
TEST(PeriodSpan, SpansFollowEachOtherWithoutAGap) {
    for (const BudgetPeriod period : budget_periods) {
        const auto i = static_cast<size_t>(period);
        int64_t at = -400 * day_s;
        PeriodSpan span = period_span(period, at);
        for (int n = 0; n < 3000; ++n) {
            ASSERT_LE(span.begin_s, at);
            ASSERT_LT(at, span.end_s);
            ASSERT_EQ(period_numbers(span.begin_s)[i], period_numbers(span.end_s - 1)[i]);
            ASSERT_NE(period_numbers(span.end_s - 1)[i], period_numbers(span.end_s)[i]);
            const PeriodSpan next = period_span(period, span.end_s);
            ASSERT_EQ(next.begin_s, span.end_s);
            at = span.end_s;
            span = next;
        }
    }
}

TEST(BudgetUnits, MoneyIsRoundedUp) {
    EXPECT_EQ(budget_units(0), 0u);
    EXPECT_EQ(budget_units(-5), 0u);
    EXPECT_EQ(budget_units(1), 1u);
    EXPECT_EQ(budget_units(1'000), 1u);
    EXPECT_EQ(budget_units(1'001), 2u);
    EXPECT_EQ(money_of_budget_units(2), 2'000);
    EXPECT_EQ(budget_units(money_max), BudgetMeter::units_max);
}

class Meter : public testing::Test {
  protected:
    PeriodNumbers now = period_numbers(noon);
    BudgetMeter meter{now};
};

TEST_F(Meter, WhatIsHeldIsNotThereForOthers) {
    const BudgetTerms terms = {100, 0, 0};
    BudgetMeter::Hold one, two;
    EXPECT_FALSE(meter.take(terms, now, 60, one));
    EXPECT_EQ(meter.take(terms, now, 41, two), BudgetPeriod::day);
    EXPECT_FALSE(meter.take(terms, now, 40, two));
    meter.settle(now, 10, one);
    EXPECT_EQ(meter.used(BudgetPeriod::day, now), 50u);
    meter.settle(now, 90, two);
    EXPECT_EQ(meter.used(BudgetPeriod::day, now), 100u) << "what is more than was held is booked";
}

TEST_F(Meter, TheLongestPeriodThatRefusesIsTold_AndNothingIsTakenOfOthers) {
    const BudgetTerms terms = {10, 0, 10};
    BudgetMeter::Hold hold;
    EXPECT_EQ(meter.take(terms, now, 11, hold), BudgetPeriod::month);
    for (const BudgetPeriod period : budget_periods) EXPECT_EQ(meter.used(period, now), 0u);
    EXPECT_EQ(meter.take({10, 0, 20}, now, 11, hold), BudgetPeriod::day);
    for (const BudgetPeriod period : budget_periods) EXPECT_EQ(meter.used(period, now), 0u);
}

TEST_F(Meter, WhatCostsNothingGoesWhereNothingIsLeft) {
    const BudgetTerms terms = {5, 0, 0};
    BudgetMeter::Hold hold, none;
    EXPECT_FALSE(meter.take(terms, now, 5, hold));
    meter.settle(now, 9, hold);
    EXPECT_FALSE(meter.take(terms, now, 0, none));
    EXPECT_EQ(meter.take(terms, now, 1, hold), BudgetPeriod::day);
}

TEST_F(Meter, ANewDayIsEmpty_TheWeekAndTheMonthGoOn) {
    const BudgetTerms terms = {10, 15, 0};
    BudgetMeter::Hold hold;
    EXPECT_FALSE(meter.take(terms, now, 10, hold));
    meter.settle(now, 10, hold);
    const PeriodNumbers tomorrow = period_numbers(noon + day_s);
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 0u);
    EXPECT_EQ(meter.used(BudgetPeriod::week, tomorrow), 10u);
    EXPECT_EQ(meter.take(terms, tomorrow, 6, hold), BudgetPeriod::week);
    EXPECT_FALSE(meter.take(terms, tomorrow, 5, hold));
    EXPECT_EQ(meter.used(BudgetPeriod::month, tomorrow), 15u);
}

TEST_F(Meter, WhatBeganYesterdayAndEndsTodayIsTodays) {
    const BudgetTerms terms = {10, 0, 0};
    BudgetMeter::Hold hold;
    EXPECT_FALSE(meter.take(terms, now, 8, hold));
    const PeriodNumbers tomorrow = period_numbers(noon + day_s);
    BudgetMeter::Hold other;
    EXPECT_FALSE(meter.take(terms, tomorrow, 3, other));
    meter.settle(tomorrow, 6, hold);
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 9u);
    EXPECT_EQ(meter.used(BudgetPeriod::month, tomorrow), 9u);
}

TEST_F(Meter, AClockThatLagsCountsInThePeriodAtHand) {
    const PeriodNumbers tomorrow = period_numbers(noon + day_s);
    BudgetMeter::Hold hold, late;
    EXPECT_FALSE(meter.take({10, 0, 0}, tomorrow, 4, hold));
    EXPECT_FALSE(meter.take({10, 0, 0}, now, 5, late));
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 9u);
    meter.settle(now, 1, late);
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 5u);
}

TEST_F(Meter, AClockThatWasSetFarAheadAndBackDoesNotFreezeIt) {
    const BudgetTerms terms = {10, 10, 10};
    for (const int64_t days_off : {2, 30, 400, 3'000, -30, -3'000}) {
        BudgetMeter set(period_numbers(noon + days_off * day_s));
        BudgetMeter::Hold hold;
        EXPECT_FALSE(set.take(terms, period_numbers(noon + days_off * day_s), 10, hold));
        set.settle(period_numbers(noon + days_off * day_s), 10, hold);
        const PeriodNumbers now = period_numbers(noon + 40 * day_s);
        EXPECT_EQ(set.used(BudgetPeriod::day, now), 0u) << days_off;
        EXPECT_FALSE(set.take({10, 0, 0}, now, 10, hold)) << days_off;
        EXPECT_TRUE(set.tell(BudgetPeriod::day, now, 100, 80)) << days_off;
    }
}

TEST_F(Meter, AHoldGrowsWhileThereIsRoom_AcrossMidnightToo) {
    const BudgetTerms terms = {10, 0, 0};
    BudgetMeter::Hold hold;
    EXPECT_FALSE(meter.take(terms, now, 6, hold));
    EXPECT_TRUE(meter.extend(terms, now, 4, hold));
    EXPECT_FALSE(meter.extend(terms, now, 1, hold));
    const PeriodNumbers tomorrow = period_numbers(noon + day_s);
    EXPECT_TRUE(meter.extend(terms, tomorrow, 2, hold));
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 12u) << "all of it is settled in this day";
    meter.settle(tomorrow, 7, hold);
    EXPECT_EQ(meter.used(BudgetPeriod::day, tomorrow), 7u);
}

TEST_F(Meter, AShareIsToldOnceInItsPeriod) {
    EXPECT_TRUE(meter.tell(BudgetPeriod::day, now, 100, 80));
    EXPECT_FALSE(meter.tell(BudgetPeriod::day, now, 100, 80));
    EXPECT_TRUE(meter.tell(BudgetPeriod::day, now, 100, 95));
    EXPECT_FALSE(meter.tell(BudgetPeriod::day, now, 100, 80));
    EXPECT_TRUE(meter.tell(BudgetPeriod::month, now, 100, 80));
    EXPECT_TRUE(meter.tell_refused(BudgetPeriod::month, now, 100));
    EXPECT_FALSE(meter.tell_refused(BudgetPeriod::month, now, 100));
    EXPECT_FALSE(meter.tell(BudgetPeriod::month, now, 100, 80)) << "a refusal forgets no share";
    EXPECT_TRUE(meter.tell(BudgetPeriod::month, now, 100, 95)) << "nor does it tell one";
    EXPECT_TRUE(meter.tell(BudgetPeriod::month, now, 100, spent_share));
    EXPECT_FALSE(meter.tell_refused(BudgetPeriod::month, now, 100)) << "a share forgets no refusal";
    EXPECT_TRUE(meter.tell(BudgetPeriod::month, now, 200, 80)) << "of another limit nothing was told";
    EXPECT_FALSE(meter.tell(BudgetPeriod::month, now, 200, 80));
    EXPECT_TRUE(meter.tell_refused(BudgetPeriod::month, now, 200));
    EXPECT_FALSE(meter.tell(BudgetPeriod::month, period_numbers(noon - 10 * day_s), 200, 95)) << "a clock that lags";
    EXPECT_TRUE(meter.tell(BudgetPeriod::day, period_numbers(noon + day_s), 100, 80));
}

class Draw {
  public:
    explicit Draw(uint64_t seed) : random_(seed) {}
    /// 0..end-1.
    uint64_t below(uint64_t end) { return random_() % end; }

  private:
    std::mt19937_64 random_;
};

/// Random takes, extensions, settlements and midnights against sums that are made the long way.
TEST_F(Meter, RandomCoursesAgreeWithTheLongWay) {
    struct Live {
        BudgetMeter::Hold hold;
        uint64_t held;
        std::array<int64_t, budget_period_count> since;  // the period's begin
    };
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        Draw random(seed);
        int64_t at = noon;
        BudgetMeter meter(period_numbers(at));
        std::array<int64_t, budget_period_count> begins{};
        std::array<uint64_t, budget_period_count> spent{};
        std::vector<Live> live;
        const BudgetTerms terms = {random.below(400), random.below(900), random.below(2'000)};
        for (int n = 0; n < 400; ++n) {
            if (random.below(20) == 0) at += static_cast<int64_t>(random.below(2 * day_s));
            const PeriodNumbers now = period_numbers(at);
            for (size_t i = 0; i < budget_period_count; ++i) {
                const int64_t begin = period_span(static_cast<BudgetPeriod>(i), at).begin_s;
                if (begin == begins[i]) continue;
                begins[i] = begin;
                spent[i] = 0;
            }
            const auto used = [&](size_t i) {
                uint64_t sum = spent[i];
                for (const Live& one : live) sum += one.since[i] == begins[i] ? one.held : 0;
                return sum;
            };
            if (live.empty() || random.below(2) == 0) {
                const uint64_t units = 1 + random.below(60);
                bool fits = true;
                for (size_t i = 0; i < budget_period_count; ++i)
                    fits = fits && (terms[i] == 0 || used(i) + units <= terms[i]);
                Live one{.hold = {}, .held = units, .since = begins};
                ASSERT_EQ(!meter.take(terms, now, units, one.hold), fits) << seed;
                if (fits) live.push_back(one);
            } else {
                const size_t which = random.below(live.size());
                Live one = live[which];
                live.erase(live.begin() + static_cast<ptrdiff_t>(which));
                const uint64_t took = random.below(80);
                meter.settle(now, took, one.hold);
                for (uint64_t& sum : spent) sum += took;
            }
            for (size_t i = 0; i < budget_period_count; ++i)
                ASSERT_EQ(meter.used(static_cast<BudgetPeriod>(i), now), used(i)) << seed;
        }
    }
}

/// Whoever comes on however many threads: what is held is never more than the limit, and all of the limit is had.
TEST_F(Meter, ThreadsTogetherTakeTheLimitAndNoMore) {
    constexpr uint64_t limit = 20'000;
    const BudgetTerms terms = {limit, 0, limit};
    std::atomic<uint64_t> had{0};
    std::vector<std::jthread> threads;
    for (int n = 0; n < 4; ++n)
        threads.emplace_back([&, n] {
            Draw random(static_cast<uint64_t>(n) + 1);
            for (int i = 0; i < 20'000; ++i) {
                BudgetMeter::Hold hold;
                const uint64_t units = 1 + random.below(4);
                if (meter.take(terms, now, units, hold)) continue;
                const uint64_t took = random.below(units + 1);
                meter.settle(now, took, hold);
                had += took;
            }
        });
    threads.clear();
    EXPECT_EQ(meter.used(BudgetPeriod::day, now), had);
    EXPECT_EQ(meter.used(BudgetPeriod::month, now), had);
    EXPECT_LE(had, limit);
    EXPECT_GE(had, limit - 4);
}

Budget budget_of(BudgetTerms tokens, BudgetTerms money, BudgetTable& table, LimitScope scope = LimitScope::consumer) {
    return {.scope = scope,
            .name = "alice",
            .key = "token_accounting.limit.alice",
            .tokens = tokens,
            .money = money,
            .alerts = {50, 90},
            .meters = table.meters(scope, "alice", noon)};
}

TEST(BudgetHolds, OfAllOrOfNone) {
    BudgetTable table;
    const Budget own = budget_of({100, 0, 0}, {}, table);
    const Budget team = budget_of({}, {0, 0, 5'000}, table, LimitScope::team);
    BudgetHolds holds;
    BudgetRefusal why;
    ASSERT_TRUE(holds.enter(own, noon, 30, 0, why));
    EXPECT_FALSE(holds.enter(team, noon, 30, 5'000'001, why));
    EXPECT_EQ(why.of, &team);
    EXPECT_EQ(why.unit, BudgetUnit::money);
    EXPECT_EQ(why.period, BudgetPeriod::month);
    EXPECT_EQ(why.wait_s, period_span(BudgetPeriod::month, noon).end_s - noon);
    EXPECT_TRUE(holds.empty());
    const PeriodNumbers now = period_numbers(noon);
    EXPECT_EQ(own.meters->tokens.used(BudgetPeriod::day, now), 0u);
    EXPECT_EQ(team.meters->tokens.used(BudgetPeriod::day, now), 0u);
    ASSERT_TRUE(holds.enter(own, noon, 30, 0, why));
    ASSERT_TRUE(holds.enter(team, noon, 30, 4'000'000, why));
    holds.settle(noon, 60, 1'000'000);
    EXPECT_EQ(own.meters->tokens.used(BudgetPeriod::day, now), 60u);
    EXPECT_EQ(team.meters->money.used(BudgetPeriod::month, now), 1'000u);
    holds.settle(noon, 1'000, 1'000'000'000);
    EXPECT_EQ(own.meters->tokens.used(BudgetPeriod::day, now), 60u) << "again is nothing";
    size_t told = 0;
    holds.each_alert(noon, [&](const BudgetAlert& alert) {
        ++told;
        EXPECT_EQ(alert.of, &own);
        EXPECT_EQ(alert.share, 50);
    });
    holds.each_alert(noon, [&](const BudgetAlert&) { ++told; });
    EXPECT_EQ(told, 1u);
}

TEST(BudgetHolds, WhatWasTakenWithoutAHoldIsBooked_AndWhatIsSpentIsTold) {
    BudgetTable table;
    const Budget own = budget_of({100, 0, 500}, {0, 9'000, 0}, table);
    EXPECT_FALSE(spent_of(own, noon));
    BudgetHolds holds;
    holds.charge(own, noon, 99, 8'999'000);
    EXPECT_FALSE(spent_of(own, noon));
    BudgetHolds more;
    more.charge(own, noon, 1, 0);
    EXPECT_EQ(spent_of(own, noon)->unit, BudgetUnit::tokens);
    EXPECT_EQ(spent_of(own, noon)->period, BudgetPeriod::day);
    EXPECT_FALSE(spent_of(own, noon + day_s)) << "a new day";
    BudgetHolds last;
    last.charge(own, noon + day_s, 0, 1'000);
    EXPECT_EQ(spent_of(own, noon + day_s)->unit, BudgetUnit::money);
    EXPECT_EQ(spent_of(own, noon + day_s)->period, BudgetPeriod::week);
}

TEST(BudgetTable, AReloadFindsWhatWasSpent_ANewRowAsksTheLedger) {
    BudgetTable table;
    std::vector<int64_t> asked;
    table.ask_of([&](LimitScope scope, std::string_view name, PeriodSpan span) {
        EXPECT_EQ(scope, LimitScope::consumer);
        EXPECT_EQ(name, "alice");
        asked.push_back(span.end_s - span.begin_s);
        return BudgetTable::Spent{.tokens = 7, .money = 1'500};
    });
    const auto first = table.meters(LimitScope::consumer, "alice", noon);
    EXPECT_EQ(asked, (std::vector<int64_t>{day_s, 7 * day_s, 31 * day_s}));
    EXPECT_EQ(first->tokens.used(BudgetPeriod::week, period_numbers(noon)), 7u);
    EXPECT_EQ(first->money.used(BudgetPeriod::month, period_numbers(noon)), 2u);
    EXPECT_EQ(table.meters(LimitScope::consumer, "alice", noon), first);
    EXPECT_EQ(asked.size(), 3u);
}

/// Requests under seven budgets at a time, of which each has several under it: whatever is held, extended, settled and
/// charged in whatever order, no budget has more held and spent than its limit but by what was booked beyond what was
/// held, and each has what the simple sum says.
TEST(BudgetHolds, RandomInterleavingsOfAllScopesAgreeWithTheSimpleSum) {
    constexpr std::array scopes = {LimitScope::consumer, LimitScope::team,  LimitScope::project, LimitScope::tenant,
                                   LimitScope::route,    LimitScope::model, LimitScope::global};
    static_assert(scopes.size() == BudgetHolds::budgets_max);
    struct Known {
        uint64_t held = 0;
        uint64_t spent = 0;
        uint64_t over = 0;  // of spent, what had not been held
    };
    struct Live {
        BudgetHolds holds;
        std::vector<size_t> of;
        uint64_t held = 0;
    };
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Draw random(seed);
        BudgetTable table;
        std::deque<Budget> budgets;
        for (const LimitScope scope : scopes)
            for (size_t i = 0; i < 3; ++i) {
                const std::string name = std::to_string(i);
                budgets.push_back({.scope = scope, .name = name, .tokens = {1 + random.below(600), 0, 0}});
                budgets.back().meters = table.meters(scope, name, noon);
            }
        std::vector<Known> known(budgets.size());
        std::vector<Live> live;
        const auto room = [&](size_t ix) {
            const uint64_t used = known[ix].held + known[ix].spent;
            return budgets[ix].tokens[0] - std::min(budgets[ix].tokens[0], used);
        };
        for (int n = 0; n < 300; ++n) {
            const uint64_t what = random.below(5);
            if (live.empty() || what < 2) {
                Live one;
                for (size_t i = 0; i < scopes.size(); ++i)
                    if (random.below(4) != 0) one.of.push_back(i * 3 + random.below(3));
                one.held = 1 + random.below(60);
                const auto first = std::ranges::find_if(one.of, [&](size_t ix) { return room(ix) < one.held; });
                BudgetRefusal why;
                bool entered = true;
                for (const size_t ix : one.of)
                    entered = entered && one.holds.enter(budgets[ix], noon, one.held, 0, why);
                ASSERT_EQ(entered, first == one.of.end()) << seed;
                if (!entered) {
                    ASSERT_EQ(why.of, &budgets[*first]);
                    ASSERT_TRUE(one.holds.empty()) << "of all or of none";
                    continue;
                }
                for (const size_t ix : one.of) known[ix].held += one.held;
                live.push_back(std::move(one));
            } else if (what == 2) {
                Live& one = live[random.below(live.size())];
                const uint64_t more = 1 + random.below(40);
                const bool fits = std::ranges::all_of(one.of, [&](size_t ix) { return room(ix) >= more; });
                ASSERT_EQ(one.holds.extend(noon, more, 0), fits) << seed;
                if (!fits) continue;
                one.held += more;
                for (const size_t ix : one.of) known[ix].held += more;
            } else {
                const size_t which = random.below(live.size());
                Live one = live[which];
                live.erase(live.begin() + static_cast<ptrdiff_t>(which));
                const uint64_t took = random.below(one.held + (random.below(10) == 0 ? 20 : 1));
                one.holds.settle(noon, took, 0);
                for (const size_t ix : one.of) {
                    known[ix].held -= one.held;
                    known[ix].spent += took;
                    known[ix].over += took - std::min(took, one.held);
                }
            }
            for (size_t ix = 0; ix < budgets.size(); ++ix) {
                const uint64_t used = budgets[ix].meters->tokens.used(BudgetPeriod::day, period_numbers(noon));
                ASSERT_EQ(used, known[ix].held + known[ix].spent) << seed;
                ASSERT_LE(used, budgets[ix].tokens[0] + known[ix].over) << seed;
            }
        }
    }
}

/// The same on threads, which nobody can follow one by one: at no moment is more held and spent than any limit.
TEST(BudgetHolds, ThreadsUnderAllScopesNeverHoldMoreThanALimit) {
    BudgetTable table;
    std::deque<Budget> budgets;
    for (const LimitScope scope : {LimitScope::consumer, LimitScope::team, LimitScope::project, LimitScope::tenant,
                                   LimitScope::route, LimitScope::model, LimitScope::global})
        for (size_t i = 0; i < 2; ++i) {
            const std::string name = std::to_string(i);
            budgets.push_back({.scope = scope, .name = name, .tokens = {9'000, 0, 0}, .money = {0, 8'000, 0}});
            budgets.back().meters = table.meters(scope, name, noon);
        }
    const PeriodNumbers now = period_numbers(noon);
    std::array<std::atomic<uint64_t>, 14> took{};
    std::atomic<bool> done = false;
    std::jthread watcher([&] {
        while (!done)
            for (const Budget& one : budgets) {
                EXPECT_LE(one.meters->tokens.used(BudgetPeriod::day, now), 9'000u);
                EXPECT_LE(one.meters->money.used(BudgetPeriod::week, now), 8'000u);
            }
    });
    {
        std::vector<std::jthread> threads;
        for (uint64_t thread = 1; thread <= 4; ++thread)
            threads.emplace_back([&, thread] {
                Draw random(thread);
                for (int n = 0; n < 4'000; ++n) {
                    BudgetHolds holds;
                    BudgetRefusal why;
                    std::array<size_t, 7> of;
                    bool entered = true;
                    const uint64_t tokens = 1 + random.below(30);
                    uint64_t held = tokens;
                    for (size_t i = 0; i < of.size(); ++i) {
                        of[i] = i * 2 + random.below(2);
                        entered = entered &&
                                  holds.enter(budgets[of[i]], noon, tokens, static_cast<Money>(tokens) * 1'000, why);
                    }
                    if (!entered) continue;
                    if (holds.extend(noon, 8, 8'000)) held += 8;
                    const uint64_t used = random.below(held + 1);
                    holds.settle(noon, used, static_cast<Money>(used) * 1'000);
                    for (const size_t ix : of) took[ix] += used;
                }
            });
    }
    done = true;
    watcher.join();
    for (size_t ix = 0; ix < budgets.size(); ++ix) {
        EXPECT_EQ(budgets[ix].meters->tokens.used(BudgetPeriod::day, now), took[ix]);
        EXPECT_EQ(budgets[ix].meters->money.used(BudgetPeriod::week, now), took[ix]);
    }
}

/// A tier's numbers are its consumers' own, and say so.
TEST(Budget, ANumberMayBeItsTiers) {
    Budget one{.name = "alice",
               .key = "token_accounting.limit.alice",
               .tokens = {1, 2, 0},
               .tier_key = "token_accounting.tier.gold"};
    one.of_tier[0][1] = true;
    EXPECT_EQ(one.key_of(BudgetUnit::tokens, BudgetPeriod::day), "token_accounting.limit.alice");
    EXPECT_EQ(one.key_of(BudgetUnit::tokens, BudgetPeriod::week), "token_accounting.tier.gold");
    EXPECT_EQ(one.scope_of(BudgetUnit::tokens, BudgetPeriod::day), LimitScope::consumer);
    EXPECT_EQ(one.scope_of(BudgetUnit::tokens, BudgetPeriod::week), LimitScope::tier);
    EXPECT_EQ(one.scope_of(BudgetUnit::money, BudgetPeriod::week), LimitScope::consumer);
}

/// Of three budgets the second has no room for more: neither it nor the first has given any.
TEST(BudgetHoldsExtend, GivesBackWhatOthersGaveWhereOneRefuses) {
    const PeriodNumbers now = period_numbers(noon);
    for (const BudgetUnit refuses : {BudgetUnit::tokens, BudgetUnit::money}) {
        std::array<Budget, 3> budgets;
        for (Budget& one : budgets) {
            one.tokens = {1'000, 0, 0};
            one.money = {1'000, 0, 0};
            one.meters = std::make_shared<BudgetMeters>(now);
        }
        (refuses == BudgetUnit::tokens ? budgets[1].tokens : budgets[1].money)[0] = 110;
        BudgetHolds holds;
        BudgetRefusal why;
        for (const Budget& one : budgets) ASSERT_TRUE(holds.enter(one, noon, 100, 100'000, why));
        EXPECT_FALSE(holds.extend(noon, 50, 50'000));
        EXPECT_FALSE(holds.extend(noon, 11, 11'000));
        for (const Budget& one : budgets) {
            EXPECT_EQ(one.meters->tokens.used(BudgetPeriod::day, now), 100u);
            EXPECT_EQ(one.meters->money.used(BudgetPeriod::day, now), 100u);
        }
        EXPECT_TRUE(holds.extend(noon, 10, 10'000));
        for (const Budget& one : budgets) EXPECT_EQ(one.meters->tokens.used(BudgetPeriod::day, now), 110u);
        holds.settle(noon, 105, 105'000);
        for (const Budget& one : budgets) {
            EXPECT_EQ(one.meters->tokens.used(BudgetPeriod::day, now), 105u);
            EXPECT_EQ(one.meters->money.used(BudgetPeriod::day, now), 105u);
        }
    }
}

}  // namespace
}  // namespace loom::tenant
