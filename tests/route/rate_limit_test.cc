// Limits by the minute: never more than the bucket and what has come in since, never less than the limit where there is
// always something to send; and nothing taken that is not given back.
#include "loom/route/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace loom::route {
namespace {

constexpr uint64_t minute_ms = 60'000;

TEST(BucketOfAMinute, FullItLetsInTheLimitAtOnce_ThenOneAsItComesIn) {
    const BucketTerms terms = BucketTerms::per_minute(500, minute_ms);
    Bucket bucket;
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(bucket.take(terms, 7'000, 1)) << i;
    EXPECT_FALSE(bucket.take(terms, 7'000, 1));
    EXPECT_EQ(bucket.wait_ms(terms, 7'000, 1), 120u);
    EXPECT_FALSE(bucket.take(terms, 7'119, 1));
    EXPECT_TRUE(bucket.take(terms, 7'120, 1)) << "the wait that was said is exact";
    EXPECT_FALSE(bucket.take(terms, 7'239, 1));
    EXPECT_EQ(bucket.level(terms, 7'000 + 60'120), 500u) << "a minute later it is full again";
}

TEST(BucketOfAMinute, ASmallerBurst) {
    const BucketTerms terms = BucketTerms::per_minute(600, 10'000);
    Bucket bucket;
    int taken = 0;
    while (bucket.take(terms, 0, 1)) taken += 1;
    EXPECT_EQ(taken, 100) << "a sixth of it at once";
    EXPECT_EQ(BucketTerms::per_minute(3, 1).capacity, 1u) << "one, at least";
}

TEST(BucketOfAMinute, NoLimit) {
    const BucketTerms none = BucketTerms::per_minute(0, minute_ms);
    Bucket bucket;
    for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(bucket.take(none, 0, 1'000'000));
    EXPECT_EQ(bucket.wait_ms(none, 0, 1), 0u);
}

TEST(BucketOfAMinute, WhatIsMoreThanItHoldsGoesWhenItIsFull) {
    const BucketTerms terms = BucketTerms::per_minute(1'000, minute_ms);
    Bucket bucket;
    EXPECT_TRUE(bucket.take(terms, 0, 1));
    EXPECT_EQ(bucket.wait_ms(terms, 0, 5'000), 60u);
    EXPECT_TRUE(bucket.take(terms, 60, 5'000));
    EXPECT_EQ(bucket.level(terms, 60), 0u);
}

TEST(BucketOfAMinute, WhatItOwesIsPaidBeforeItLetsInAgain_AndIsBounded) {
    const BucketTerms terms = BucketTerms::per_minute(1'000, minute_ms);
    Bucket bucket;
    EXPECT_TRUE(bucket.take(terms, 0, 1'000));
    bucket.charge(terms, 0, 500);
    EXPECT_EQ(bucket.wait_ms(terms, 0, 1), 30'060u);
    for (int i = 0; i < 100; ++i) bucket.charge(terms, 0, 1'000'000);
    EXPECT_EQ(bucket.wait_ms(terms, 0, 1), Bucket::debt_ms_max - minute_ms + 60u);
    bucket.charge(terms, 0, UINT64_MAX);
    EXPECT_EQ(bucket.wait_ms(terms, 0, 1), Bucket::debt_ms_max - minute_ms + 60u);
}

/// It goes on by its own time when the clock has been set back by a day.
TEST(BucketOfAMinute, AClockThatJumpsClosesItForMinutesAtWorst) {
    const BucketTerms terms = BucketTerms::per_minute(1'000, minute_ms);
    constexpr uint64_t day_ms = 24 * 60 * minute_ms;
    Bucket bucket;
    EXPECT_TRUE(bucket.take(terms, 2 * day_ms, 1'000));
    EXPECT_FALSE(bucket.admits(terms, day_ms, 1));
    EXPECT_TRUE(bucket.take(terms, day_ms + Bucket::debt_ms_max, 1));
}

TEST(BucketOfAMinute, GivesBackNoMoreThanThereIs) {
    const BucketTerms terms = BucketTerms::per_minute(1'000, minute_ms);
    Bucket bucket;
    EXPECT_TRUE(bucket.take(terms, 0, 10));
    bucket.give_back(terms, 500);
    EXPECT_EQ(bucket.level(terms, 0), 1'000u);
}

/// The law, for every pair of admissions: between them, both counted, no more than the bucket and what came in.
void expect_lawful(const BucketTerms& terms, std::vector<std::pair<uint64_t, uint64_t>>& admitted) {
    std::ranges::sort(admitted);
    // With S the units before an admission at t: S_j - S_i - (t_j - t_i) / unit <= capacity, so one pass finds the
    // worst.
    double lowest = 0, sum = 0;
    bool first = true;
    for (const auto& [at_ms, units] : admitted) {
        const double came_in = static_cast<double>(at_ms) * 1e6 / static_cast<double>(terms.unit_ns);
        if (first || sum - came_in < lowest) lowest = sum - came_in;
        first = false;
        sum += static_cast<double>(units);
        ASSERT_LE(sum - came_in - lowest, static_cast<double>(terms.capacity) + 1e-3) << "at " << at_ms << " ms";
    }
}

TEST(BucketOfAMinute, BruteForce_NeverMoreThanTheLaw_NeverLessThanTheLimit) {
    for (uint32_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const uint64_t limit = 1 + random() % (seed % 2 == 0 ? 100 : 100'000);
        const BucketTerms terms = BucketTerms::per_minute(limit, seed % 3 == 0 ? 5'000 : minute_ms);
        const uint64_t units_max = std::max<uint64_t>(1, terms.capacity / 10);
        Bucket bucket;
        std::vector<std::pair<uint64_t, uint64_t>> admitted;
        uint64_t total = 0;
        for (uint64_t now_ms = 1'000; now_ms < 11 * minute_ms;
             now_ms += 1 + random() % 40) {  // always something to send
            for (int i = 0; i < 20'000; ++i) {
                const uint64_t units = 1 + random() % units_max;
                if (!bucket.take(terms, now_ms, units)) break;
                admitted.emplace_back(now_ms, units);
                total += units;
            }
        }
        expect_lawful(terms, admitted);
        EXPECT_GE(static_cast<double>(total), 0.95 * 10 * static_cast<double>(limit)) << limit;
    }
}

TEST(BucketOfAMinute, BruteForce_WhatIsGivenBackIsThereAgain) {
    std::mt19937 random(7);
    const BucketTerms terms = BucketTerms::per_minute(60'000, minute_ms);  // one each millisecond
    Bucket bucket;
    double level = 60'000;
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 100'000; ++i) {
        const uint64_t pause_ms = random() % 200;
        now_ms += pause_ms;
        level = std::min(60'000.0, level + static_cast<double>(pause_ms));
        ASSERT_EQ(bucket.level(terms, now_ms), static_cast<uint64_t>(std::max(level, 0.0))) << i;
        const uint64_t units = random() % 500;
        if (!bucket.take(terms, now_ms, units)) continue;
        level -= static_cast<double>(units);
        if (random() % 2 == 0) {
            const uint64_t unused = random() % (units + 1);
            bucket.give_back(terms, unused);
            level += static_cast<double>(unused);
        }
    }
}

/// A clock that the threads themselves turn: each of its milliseconds is seen by whoever comes then.
TEST(BucketThreads, AllOfThemTogetherKeepTheLaw) {
    for (const uint64_t limit : {1'000u, 60'000u}) {
        const BucketTerms terms = BucketTerms::per_minute(limit, 20'000);
        Bucket bucket;
        std::atomic<uint64_t> clock_ms = 1'000;
        constexpr uint64_t end_ms = 5 * minute_ms;
        std::vector<std::vector<std::pair<uint64_t, uint64_t>>> admitted(4);
        std::vector<std::thread> threads;
        for (auto& mine : admitted)
            threads.emplace_back([&, seed = static_cast<uint32_t>(&mine - admitted.data())] {
                std::mt19937 random(seed);
                for (;;) {
                    const uint64_t now_ms = clock_ms.load();
                    if (now_ms >= end_ms) return;
                    if (bucket.take(terms, now_ms, 1))
                        mine.emplace_back(now_ms, 1);
                    else if (random() % 4 == 0)
                        clock_ms.fetch_add(1);
                }
            });
        for (std::thread& thread : threads) thread.join();
        std::vector<std::pair<uint64_t, uint64_t>> all;
        for (const auto& mine : admitted) all.insert(all.end(), mine.begin(), mine.end());
        expect_lawful(terms, all);
        const double minutes = static_cast<double>(end_ms - 1'000) / minute_ms;
        EXPECT_GE(static_cast<double>(all.size()), 0.95 * minutes * static_cast<double>(limit));
    }
}

class Limits : public testing::Test {
  protected:
    Limits() { limits.state = std::make_shared<LimitState>(); }
    ProviderLimits limits{.requests = BucketTerms::per_minute(10, minute_ms),
                          .tokens = BucketTerms::per_minute(1'000, minute_ms),
                          .concurrent_max = 3};
    uint64_t now_ms = 5'000;
};

TEST_F(Limits, WhatIsRefusedTakesNothing) {
    LimitPass first, second;
    EXPECT_TRUE(enter(limits, now_ms, 600, first));
    EXPECT_FALSE(enter(limits, now_ms, 600, second)) << "for its tokens";
    EXPECT_EQ(limits.state->concurrent, 1u);
    EXPECT_EQ(limits.state->requests.level(limits.requests, now_ms), 9u);
    EXPECT_EQ(limits.wait_ms(now_ms, 600), 12'000u);
    leave(second, now_ms, {.asked = true});
    EXPECT_EQ(limits.state->concurrent, 1u) << "a pass that was not had is nothing to leave";
}

TEST_F(Limits, AsManyAtOnce) {
    LimitPass passes[3], more;
    for (LimitPass& one : passes) EXPECT_TRUE(enter(limits, now_ms, 1, one));
    EXPECT_FALSE(limits.admits(now_ms, 1));
    EXPECT_FALSE(enter(limits, now_ms, 1, more));
    EXPECT_EQ(limits.wait_ms(now_ms, 1), ProviderLimits::concurrency_wait_ms);
    leave(passes[1], now_ms, {.asked = true});
    leave(passes[1], now_ms, {.asked = true});
    EXPECT_TRUE(enter(limits, now_ms, 1, more)) << "a place that is given back twice is still one";
    EXPECT_FALSE(limits.admits(now_ms, 1));
}

TEST_F(Limits, HowAnAttemptIsSettled) {
    const auto left_after = [this](Spent spent) {
        limits.state = std::make_shared<LimitState>();
        LimitPass pass;
        EXPECT_TRUE(enter(limits, now_ms, 400, pass));
        leave(pass, now_ms, spent);
        EXPECT_EQ(limits.state->concurrent, 0u);
        return std::pair(limits.state->requests.level(limits.requests, now_ms),
                         limits.state->tokens.level(limits.tokens, now_ms));
    };
    EXPECT_EQ(left_after({}), std::pair(10ul, 1'000ul)) << "the provider has not heard of it";
    EXPECT_EQ(left_after({.asked = true}), std::pair(9ul, 600ul)) << "nobody knows: as it was reserved";
    EXPECT_EQ(left_after({.asked = true, .tokens = 0}), std::pair(9ul, 1'000ul));
    EXPECT_EQ(left_after({.asked = true, .tokens = 100}), std::pair(9ul, 900ul));
    EXPECT_EQ(left_after({.asked = true, .tokens = 950}), std::pair(9ul, 50ul)) << "more than was reserved";
    EXPECT_EQ(left_after({.asked = true, .tokens = 1'500}), std::pair(9ul, 0ul)) << "it owes";
}

/// Answers are eight times as long as was reserved: what is used keeps the limit all the same, but for the excess of
/// those that are under way at once.
TEST_F(Limits, WhatIsUsedBeyondTheReservationIsPaid) {
    constexpr uint64_t reserved = 250, used = 8 * reserved, at_once = 2;
    limits.requests = {};
    std::vector<LimitPass> under_way;
    uint64_t sum = 0;
    constexpr uint64_t minutes = 60;
    for (const uint64_t end_ms = now_ms + minutes * minute_ms; now_ms < end_ms; now_ms += 100) {
        for (LimitPass& one : under_way) leave(one, now_ms, {.asked = true, .tokens = used});
        under_way.clear();
        LimitPass pass;
        while (under_way.size() < at_once && enter(limits, now_ms, reserved, pass)) {
            under_way.push_back(pass);
            sum += used;
        }
        const uint64_t came_in = 1'000 * (now_ms - 5'000) / minute_ms;
        ASSERT_LE(sum, 1'000 + came_in + at_once * (used - reserved) + 1) << now_ms;
    }
    EXPECT_GE(sum, 1'000 * minutes * 95 / 100);
}

/// A limit that is lifted, or a burst that is cut, by a reload.
TEST_F(Limits, OtherTermsOweNothingOfThoseBefore) {
    limits.state->configure(limits.requests, limits.tokens, now_ms);
    LimitPass pass;
    EXPECT_TRUE(enter(limits, now_ms, 1'000, pass));
    leave(pass, now_ms, {.asked = true, .tokens = 9'000});
    limits.state->configure(limits.requests, limits.tokens, now_ms);
    EXPECT_EQ(limits.wait_ms(now_ms, 1), 8 * minute_ms + 60) << "the same terms: what is owed stays owed";
    limits.tokens = BucketTerms::per_minute(60'000, 1'000);
    limits.state->configure(limits.requests, limits.tokens, now_ms);
    EXPECT_EQ(limits.state->tokens.level(limits.tokens, now_ms), 0u);
    EXPECT_EQ(limits.wait_ms(now_ms, 1), 1u);
}

/// What is taken beyond the bucket's size is what it holds, and no more of it comes back.
TEST_F(Limits, ARequestLargerThanTheBucket) {
    LimitPass pass;
    EXPECT_TRUE(enter(limits, now_ms, 50'000, pass));
    EXPECT_EQ(limits.state->tokens.level(limits.tokens, now_ms), 0u);
    leave(pass, now_ms, {.asked = true, .tokens = 200});
    EXPECT_EQ(limits.state->tokens.level(limits.tokens, now_ms), 800u);
}

TEST(LimitsThreads, NeverMoreAtOnce_AndAllComeHome) {
    ProviderLimits limits{.concurrent_max = 5, .state = std::make_shared<LimitState>()};
    std::atomic<int> inside = 0, most = 0, entered = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::array<LimitPass, 3> passes;
            for (int i = 0; i < 20'000; ++i) {
                LimitPass& pass = passes[static_cast<size_t>(i) % passes.size()];
                if (pass.of != nullptr) {
                    inside -= 1;
                    leave(pass, 0, {.asked = i % 2 == 0});
                }
                if (!enter(limits, 0, 1, pass)) continue;
                const int now = inside += 1;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                }
                entered += 1;
            }
            for (LimitPass& pass : passes) {
                if (pass.of == nullptr) continue;
                inside -= 1;
                leave(pass, 0, {});
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_LE(most, 5);
    EXPECT_GT(entered, 1'000);
    EXPECT_EQ(limits.state->concurrent, 0u);
}

}  // namespace
}  // namespace loom::route
