#include "loom/route/retry.h"

#include <gtest/gtest.h>

#include <set>

#include "loom/route/choose.h"

namespace loom::route {
namespace {

TEST(Backoff, DoublesUpToItsLongestAndIsSpread) {
    const Backoff backoff{.first_ms = 100, .longest_ms = 1'000};
    Random random(7);
    for (uint32_t retry = 0; retry < 40; ++retry) {
        const uint64_t whole_ms = retry < 4 ? 100u << retry : 1'000;
        std::set<uint64_t> seen;
        for (int i = 0; i < 200; ++i) {
            const uint64_t pause_ms = backoff.pause_ms(retry, random.next());
            ASSERT_GE(pause_ms, whole_ms / 2);
            ASSERT_LE(pause_ms, whole_ms);
            seen.insert(pause_ms);
        }
        EXPECT_GT(seen.size(), 25u) << retry;
    }
    EXPECT_EQ((Backoff{.first_ms = 0, .longest_ms = 0}.pause_ms(3, 12345)), 0u);
}

TEST(RetryBudget, IsAShareOfTheTraffic) {
    RetryBudget budget;
    while (budget.take(0)) {
    }
    uint32_t retries = 0;
    for (int i = 0; i < 1'000; ++i) {
        budget.on_request(200);
        if (budget.take(0)) retries += 1;
    }
    EXPECT_EQ(retries, 200u);
}

TEST(RetryBudget, LeavesOneRetryASecondToLittleTraffic) {
    RetryBudget budget;
    while (budget.take(0)) {
    }
    uint32_t retries = 0;
    for (uint64_t now_ms = 1'000; now_ms < 11'000; now_ms += 10)
        if (budget.take(now_ms)) retries += 1;
    EXPECT_EQ(retries, 10u);
}

TEST(RetryBudget, SavesNoMoreThanItsBound) {
    RetryBudget budget;
    for (int i = 0; i < 1'000'000; ++i) budget.on_request(1'000);
    uint32_t retries = 0;
    while (budget.take(0)) retries += 1;
    EXPECT_LE(retries, BudgetTerms{}.kept_max + 1);
}

TEST(HedgeBudget, IsAShareOfTheRequestsAndNoMore) {
    RetryBudget budget(hedge_budget);
    EXPECT_TRUE(budget.take(0)) << "one before any traffic";
    EXPECT_FALSE(budget.take(1'000'000)) << "none is free";
    uint32_t hedges = 0;
    for (uint64_t i = 1; i <= 1'000; ++i) {
        budget.on_request(50);
        if (budget.take(i)) hedges += 1;
    }
    EXPECT_EQ(hedges, 50u);
    for (int i = 0; i < 1'000'000; ++i) budget.on_request(1'000);
    for (hedges = 0; budget.take(0);) hedges += 1;
    EXPECT_EQ(hedges, hedge_budget.kept_max) << "a night without slow ones is no leave to double the morning's load";
}

TEST(RetryAfter, IsSecondsOrADate) {
    constexpr int64_t now_s = 784'111'770;  // Sun, 06 Nov 1994 08:49:30 GMT
    EXPECT_EQ(parse_retry_after("0", now_s), 0u);
    EXPECT_EQ(parse_retry_after("7", now_s), 7'000u);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now_s), 7'000u);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now_s), 0u);
    EXPECT_GT(parse_retry_after("99999999999999999999999", now_s).value_or(0), 1'000'000u) << "no overflow";
    for (const char* bad : {"", "-1", "soon", "7 ", "1.5", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994"})
        EXPECT_FALSE(parse_retry_after(bad, now_s).has_value()) << bad;
    EXPECT_EQ(parse_retry_after_ms("1500"), 1'500u);
    EXPECT_EQ(parse_retry_after_ms("1500.25"), 1'500u);
    EXPECT_FALSE(parse_retry_after_ms("x").has_value());
}

}  // namespace
}  // namespace loom::route
