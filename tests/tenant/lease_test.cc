// A lease that is lowered while others take: what the store is told of as free is taken by nobody here.
#include "loom/tenant/lease.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "loom/tenant/budget.h"
#include "loom/tenant/limit.h"
#include "loom/tenant/rate_window.h"

namespace loom::tenant {
namespace {

constexpr int64_t noon = 1'772'452'800;  // 2026-03-02 12:00 UTC

TEST(WindowLease, NothingIsHadBeforeItIsGranted_AndNoMoreThanThat) {
    const WindowTerms terms = WindowTerms::of(100, 60'000);
    RateWindow window;
    EXPECT_EQ(window.lease(), nullptr);
    window.share();
    EXPECT_FALSE(window.take(terms, 1'000, 1));
    EXPECT_EQ(window.lease()->wanted.exchange(0), 1u);
    EXPECT_EQ(window.set_lease(terms, 1'000, 10), 10u);
    EXPECT_TRUE(window.take(terms, 1'000, 10));
    EXPECT_FALSE(window.take(terms, 1'000, 7));
    EXPECT_FALSE(window.take(terms, 1'000, 3));
    EXPECT_EQ(window.lease()->wanted.load(), 7u) << "the most that was refused";
    (void)window.set_lease(terms, 1'000, 500);
    EXPECT_TRUE(window.take(terms, 1'000, 90));
    EXPECT_FALSE(window.take(terms, 1'000, 1)) << "the limit is one too";
}

TEST(WindowLease, WhatCountsStaysWithIt_AndComesFreeAsItGoesBy) {
    const WindowTerms terms = WindowTerms::of(100, 31'000);
    RateWindow window;
    window.share();
    (void)window.set_lease(terms, 1'000, 50);
    ASSERT_TRUE(window.take(terms, 1'000, 30));
    EXPECT_EQ(window.set_lease(terms, 1'000, 5), 30u) << "no less than what counts is told";
    EXPECT_FALSE(window.take(terms, 1'000, 1));
    EXPECT_EQ(window.set_lease(terms, 40'000, 5), 5u);
    EXPECT_TRUE(window.take(terms, 40'000, 5));
}

TEST(WindowLease, OpenIsTheLimitAlone) {
    const WindowTerms terms = WindowTerms::of(20, 60'000);
    RateWindow window;
    window.share();
    (void)window.set_lease(terms, 1'000, Lease::open);
    EXPECT_TRUE(window.take(terms, 1'000, 20));
    EXPECT_FALSE(window.take(terms, 1'000, 1));
}

TEST(WindowLease, AnswersTellWhatIsLeftOfAll) {
    const WindowTerms terms = WindowTerms::of(100, 60'000);
    RateWindow window;
    window.share();
    (void)window.set_lease(terms, 1'000, 50);
    window.lease()->others.store(30);
    ASSERT_TRUE(window.take(terms, 1'000, 10));
    EXPECT_EQ(window.left_of_all(terms, 1'000), 60u);
    window.lease()->others.store(99);
    EXPECT_EQ(window.left_of_all(terms, 1'000), 0u);
}

TEST(BudgetLease, IsOfItsPeriod) {
    const BudgetTerms terms = {100, 0, 0};
    const PeriodNumbers now = period_numbers(noon);
    const PeriodNumbers tomorrow = period_numbers(noon + 86'400);
    BudgetMeter meter(now);
    meter.share();
    BudgetMeter::Hold hold;
    EXPECT_EQ(meter.take(terms, now, 1, hold), BudgetPeriod::day);
    EXPECT_EQ(meter.lease(BudgetPeriod::day)->wanted.load(), 1u);
    EXPECT_EQ(meter.lease(BudgetPeriod::week)->wanted.load(), 0u);
    (void)meter.set_lease(BudgetPeriod::day, now, 40);
    EXPECT_FALSE(meter.take(terms, now, 40, hold));
    BudgetMeter::Hold other;
    EXPECT_EQ(meter.take(terms, now, 1, other), BudgetPeriod::day);
    EXPECT_EQ(meter.take(terms, tomorrow, 1, other), BudgetPeriod::day) << "tomorrow's is not drawn yet";
    (void)meter.set_lease(BudgetPeriod::day, tomorrow, 5);
    EXPECT_FALSE(meter.take(terms, tomorrow, 5, other));
    EXPECT_EQ(meter.set_lease(BudgetPeriod::day, tomorrow, 0), 5u);
}

TEST(BudgetLease, WhyItDoesNotDo) {
    Budget budget{.scope = LimitScope::consumer, .name = "one", .tokens = {100, 0, 0}};
    budget.meters = std::make_shared<BudgetMeters>(period_numbers(noon));
    budget.meters->tokens.share();
    BudgetHolds holds;
    BudgetRefusal why;
    ASSERT_FALSE(holds.enter(budget, noon, 10, 0, why));
    EXPECT_EQ(why.lack, LeaseLack::drawing);
    ASSERT_FALSE(holds.enter(budget, noon, 101, 0, why));
    EXPECT_EQ(why.lack, LeaseLack::spent) << "the limit itself has not so much";
    Lease& lease = *budget.meters->tokens.lease(BudgetPeriod::day);
    lease.lack.store(LeaseLack::lost);
    ASSERT_FALSE(holds.enter(budget, noon, 10, 0, why));
    EXPECT_EQ(why.lack, LeaseLack::lost);
    (void)budget.meters->tokens.set_lease(BudgetPeriod::day, period_numbers(noon), 20);
    ASSERT_TRUE(holds.enter(budget, noon, 20, 0, why));
    EXPECT_FALSE(holds.extend(noon, 1, 0));
    EXPECT_FALSE(holds.awaits_lease(noon, 1, 0)) << "nobody draws for it";
    lease.lack.store(LeaseLack::drawing);
    EXPECT_TRUE(holds.awaits_lease(noon, 1, 0));
    EXPECT_FALSE(holds.awaits_lease(noon, 81, 0)) << "no lease does for what the limit has not";
    lease.lack.store(LeaseLack::spent);
    EXPECT_FALSE(holds.awaits_lease(noon, 1, 0));
}

TEST(WindowLease, ARefusalSaysWhy) {
    Limit limit{.scope = LimitScope::consumer, .name = "one"};
    limit.terms.requests = WindowTerms::of(10, 60'000);
    limit.requests = std::make_shared<RateWindow>();
    limit.requests->share();
    limit.level = std::make_shared<LimitLevel>();
    Admission admission;
    LimitRefusal why;
    ASSERT_FALSE(admission.enter(limit, limit.row(), 1'000, why));
    EXPECT_EQ(why.lack, LeaseLack::drawing);
    EXPECT_EQ(why.wait_ms, Admission::lease_wait_ms);
    limit.requests->lease()->lack.store(LeaseLack::lost);
    ASSERT_FALSE(admission.enter(limit, limit.row(), 1'000, why));
    EXPECT_EQ(why.lack, LeaseLack::lost);
    (void)limit.requests->set_lease(limit.terms.requests, 1'000, 10);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(admission.enter(limit, limit.row(), 1'000, why));
        admission.leave(1'000, 0);
    }
    ASSERT_FALSE(admission.enter(limit, limit.row(), 1'000, why));
    EXPECT_EQ(why.lack, LeaseLack::spent) << "its own requests have reached the limit";
    EXPECT_GT(why.wait_ms, 50'000u);
}

/// Threads take and give back while the lease is moved: from the moment that a lower one was told, what has been let in
/// is no more than that.
template <class Take, class GiveBack, class SetLease, class Used>
void hammer(Take take, GiveBack give_back, SetLease set_lease, Used used) {
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> admitted{0};
    std::vector<std::thread> takers;
    for (unsigned n = 0; n < 3; ++n)
        takers.emplace_back([&, n] {
            std::mt19937 random(n);
            while (!stop.load(std::memory_order_relaxed)) {
                const uint64_t units = 1 + random() % 3;
                auto taken = take(units);
                if (!taken) continue;
                admitted.fetch_add(units);
                admitted.fetch_sub(units);
                give_back(*taken, units);
            }
        });
    std::mt19937 random(99);
    uint64_t worst = 0;
    for (int round = 0; round < 20'000; ++round) {
        (void)set_lease(20 + random() % 20);
        const uint64_t told = set_lease(random() % 10);
        for (int look = 0; look < 5; ++look)
            if (const uint64_t now_used = admitted.load(); now_used > told) worst = std::max(worst, now_used - told);
    }
    stop = true;
    for (std::thread& taker : takers) taker.join();
    EXPECT_EQ(worst, 0u);
    EXPECT_EQ(used(), 0u) << "everything that was taken came back";
}

TEST(WindowLease, NobodyTakesWhatIsGivenBack) {
    const WindowTerms terms = WindowTerms::of(1'000, 60'000);
    RateWindow window;
    window.share();
    hammer([&](uint64_t units) { return window.take(terms, 1'000, units); },
           [&](uint32_t slice, uint64_t units) { window.give_back(slice, units); },
           [&](uint64_t units) { return window.set_lease(terms, 1'000, units); },
           [&] { return window.used(terms, 1'000); });
}

TEST(BudgetLease, NobodyTakesWhatIsGivenBack) {
    const BudgetTerms terms = {1'000, 0, 0};
    const PeriodNumbers now = period_numbers(noon);
    BudgetMeter meter(now);
    meter.share();
    hammer(
        [&](uint64_t units) {
            BudgetMeter::Hold hold;
            return meter.take(terms, now, units, hold) ? std::nullopt : std::optional(hold);
        },
        [&](BudgetMeter::Hold hold, uint64_t) { meter.settle(now, 0, hold); },
        [&](uint64_t units) { return meter.set_lease(BudgetPeriod::day, now, units); },
        [&] { return meter.used(BudgetPeriod::day, now); });
}

}  // namespace
}  // namespace loom::tenant
