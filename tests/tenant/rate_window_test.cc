// A window lets in no more than its limit in any span of its length, no less than 95% of it where there is always
// something to send, and nothing is taken that is not given back.
#include "loom/tenant/rate_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace loom::tenant {
namespace {

constexpr uint64_t minute_ms = 60'000;

struct Taken {
    uint64_t at_ms = 0;
    uint64_t units = 0;
};

/// In no span of `window_ms` more than the limit. Of what was taken, less what was given back of it.
void expect_lawful(std::vector<Taken> taken, uint64_t limit, uint64_t window_ms) {
    std::ranges::sort(taken, {}, &Taken::at_ms);
    uint64_t sum = 0;
    size_t first = 0;
    for (const Taken& one : taken) {
        sum += one.units;
        for (; taken[first].at_ms + window_ms <= one.at_ms; ++first) sum -= taken[first].units;
        ASSERT_LE(sum, limit) << "in the window that ends at " << one.at_ms << " ms";
    }
}

TEST(RateWindow, TheLimitAtOnce_AndNothingMoreUntilTheWindowHasGoneBy) {
    const WindowTerms terms = WindowTerms::of(60, minute_ms);
    RateWindow window;
    for (int i = 0; i < 60; ++i) EXPECT_TRUE(window.take(terms, 7'000, 1)) << i;
    EXPECT_FALSE(window.take(terms, 7'000, 1));
    EXPECT_EQ(window.left(terms, 7'000), 0u);
    const uint64_t wait_ms = window.wait_ms(terms, 7'000, 1);
    EXPECT_GE(wait_ms, minute_ms - minute_ms / 31) << "a slice is as old as its oldest";
    EXPECT_LE(wait_ms, minute_ms + minute_ms / 31) << "and as young as its youngest";
    EXPECT_FALSE(window.take(terms, 7'000 + wait_ms - 1, 1));
    EXPECT_TRUE(window.take(terms, 7'000 + wait_ms, 60)) << "the wait that was said is exact";
}

TEST(RateWindow, NoLimit) {
    const WindowTerms none = WindowTerms::of(0, minute_ms);
    EXPECT_FALSE(none.limits());
    EXPECT_EQ(RateWindow().used(none, 5), 0u);
    EXPECT_EQ(RateWindow().wait_ms(none, 5, 100), 0u);
}

TEST(RateWindow, WhatIsMoreThanTheLimitGoesWhereNothingElseWasTaken) {
    const WindowTerms terms = WindowTerms::of(1'000, minute_ms);
    RateWindow window;
    EXPECT_TRUE(window.take(terms, 0, 1));
    EXPECT_FALSE(window.take(terms, 0, 50'000));
    const uint64_t wait_ms = window.wait_ms(terms, 0, 50'000);
    EXPECT_TRUE(window.take(terms, wait_ms, 50'000));
    EXPECT_EQ(window.left(terms, wait_ms), 0u);
}

TEST(RateWindow, WhatIsGivenBackIsThereAtOnce_InTheSliceAtHandAndInOneThatIsClosed) {
    const WindowTerms terms = WindowTerms::of(100, 31'000);  // slices of a second
    RateWindow window;
    const auto first = window.take(terms, 0, 60);
    ASSERT_TRUE(first);
    window.give_back(*first, 20);
    EXPECT_EQ(window.used(terms, 0), 40u);
    ASSERT_TRUE(window.take(terms, 1'500, 60));
    EXPECT_FALSE(window.take(terms, 1'500, 1));
    window.give_back(*first, 40);
    EXPECT_EQ(window.used(terms, 1'500), 60u);
    EXPECT_TRUE(window.take(terms, 1'500, 40));
    EXPECT_FALSE(window.take(terms, 1'500, 1));
    window.give_back(*first, 1'000);
    EXPECT_EQ(window.used(terms, 1'500), 100u) << "of a slice no more than it has";
    window.give_back(*first + 7, 50);
    EXPECT_EQ(window.used(terms, 1'500), 100u) << "of one that nobody took in, nothing";
    EXPECT_EQ(window.used(terms, 40'000), 0u);
    window.give_back(*first, 60);
    EXPECT_EQ(window.used(terms, 40'000), 0u);
}

TEST(RateWindow, WhatIsChargedCountsOverTheLimit_UntilItHasGoneBy) {
    const WindowTerms terms = WindowTerms::of(100, minute_ms);
    RateWindow window;
    ASSERT_TRUE(window.take(terms, 0, 50));
    window.charge(terms, 1'000, 500);
    EXPECT_EQ(window.used(terms, 1'000), 550u);
    EXPECT_EQ(window.left(terms, 1'000), 0u);
    EXPECT_FALSE(window.take(terms, 30'000, 1));
    const uint64_t wait_ms = window.wait_ms(terms, 30'000, 1);
    EXPECT_FALSE(window.take(terms, 30'000 + wait_ms - 1, 1));
    EXPECT_TRUE(window.take(terms, 30'000 + wait_ms, 1));
    for (int i = 0; i < 4; ++i) window.charge(terms, 200'000, UINT64_MAX);
    EXPECT_EQ(window.left(terms, 200'000), 0u);
    EXPECT_TRUE(window.take(terms, 270'000, 100)) << "however much: a window later it is over";
}

TEST(RateWindow, AClockThatLagsIsTakenForTheOneThatLeads) {
    const WindowTerms terms = WindowTerms::of(10, 31'000);
    RateWindow window;
    ASSERT_TRUE(window.take(terms, 50'000, 5));
    ASSERT_TRUE(window.take(terms, 20'000, 5)) << "counts from 50 s on";
    EXPECT_FALSE(window.take(terms, 60'000, 1));
    EXPECT_EQ(window.used(terms, 75'000), 10u);
    EXPECT_EQ(window.used(terms, 82'000), 0u);
}

TEST(RateWindow, ALowerLimitLeavesNothing_AHigherOneLeavesTheRest) {
    RateWindow window;
    ASSERT_TRUE(window.take(WindowTerms::of(100, minute_ms), 0, 80));
    EXPECT_EQ(window.left(WindowTerms::of(50, minute_ms), 0), 0u);
    EXPECT_FALSE(window.take(WindowTerms::of(50, minute_ms), 0, 1));
    EXPECT_EQ(window.left(WindowTerms::of(200, minute_ms), 0), 120u);
}

TEST(RateWindow, NumbersOfSlicesWrap) {
    const WindowTerms terms = WindowTerms::of(100, 1'000);
    const uint64_t wrap_ms = (uint64_t{1} << 32) * terms.slice_ns / 1'000'000;
    RateWindow window;
    std::vector<Taken> taken;
    for (uint64_t now_ms = wrap_ms - 3'000; now_ms < wrap_ms + 3'000; now_ms += 3)
        while (window.take(terms, now_ms, 7)) taken.push_back({now_ms, 7});
    expect_lawful(taken, 100, 1'000);
    EXPECT_GE(taken.size() * 7, 6 * 95u);
}

TEST(RateWindow, AFirstSliceWithALargeNumberIsKept) {
    const WindowTerms terms = WindowTerms::of(100, 1'000);
    for (const uint64_t number : {uint64_t{1} << 31, (uint64_t{1} << 31) + 5, uint64_t{3} << 30}) {
        SCOPED_TRACE(number);
        const uint64_t first_ms = number * terms.slice_ns / 1'000'000 + 1;
        const uint64_t next_ms = first_ms + terms.slice_ns / 1'000'000 + 1;
        RateWindow window;
        EXPECT_TRUE(window.take(terms, first_ms, 50));
        EXPECT_TRUE(window.take(terms, next_ms, 1));
        EXPECT_EQ(window.used(terms, next_ms), 51u);
        EXPECT_FALSE(window.take(terms, next_ms, 50));
        EXPECT_TRUE(window.take(terms, next_ms, 49));
    }
}

TEST(RateWindow, BruteForce_NeverMoreThanTheLimit_NeverLessThan95Percent) {
    for (uint32_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const uint64_t limit = 1 + random() % (seed % 2 == 0 ? 100 : 100'000);
        const uint64_t window_ms = seed % 3 == 0 ? 1'000 : minute_ms;
        const WindowTerms terms = WindowTerms::of(limit, window_ms);
        const uint64_t units_max = std::max<uint64_t>(1, limit / 50);
        RateWindow window;
        std::vector<Taken> taken;
        uint64_t total = 0;
        for (uint64_t now_ms = 1'000; now_ms < 1'000 + 20 * window_ms; now_ms += 1 + random() % (window_ms / 500)) {
            for (;;) {  // there is always something to send
                const uint64_t units = 1 + random() % units_max;
                if (!window.take(terms, now_ms, units)) break;
                taken.push_back({now_ms, units});
                total += units;
            }
        }
        expect_lawful(taken, limit, window_ms);
        EXPECT_GE(static_cast<double>(total), 0.95 * 20 * static_cast<double>(limit)) << limit;
    }
}

/// The same as a plain log of what was taken, slice by slice, and the wait to the millisecond.
TEST(RateWindow, BruteForce_AsALogOfSlicesSays) {
    for (uint32_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const uint64_t limit = 100 + random() % 1'000;
        const WindowTerms terms = WindowTerms::of(limit, 31'000);  // slices of a second
        RateWindow window;
        std::map<uint32_t, uint64_t> log;
        std::deque<std::pair<uint32_t, uint64_t>> held;
        const auto counted = [&](uint64_t at_ms) {
            uint64_t sum = 0;
            for (const auto& [slice, units] : log)
                if (slice + 31 >= at_ms / 1'000) sum += units;
            return sum;
        };
        uint64_t now_ms = 1'000;
        for (int i = 0; i < 4'000; ++i) {
            now_ms += random() % 700;
            log.erase(log.begin(),
                      log.lower_bound(static_cast<uint32_t>(now_ms / 1'000 - std::min<uint64_t>(now_ms / 1'000, 60))));
            ASSERT_EQ(window.used(terms, now_ms), counted(now_ms));
            const uint64_t units = 1 + random() % 60;
            const auto slice = window.take(terms, now_ms, units);
            ASSERT_EQ(slice.has_value(), counted(now_ms) + units <= limit);
            if (slice) {
                ASSERT_EQ(*slice, now_ms / 1'000);
                log[*slice] += units;
                held.emplace_back(*slice, units);
            } else {
                uint64_t wait_ms = 1'000 - now_ms % 1'000;  // a slice goes at the turn of a second
                while (counted(now_ms + wait_ms) + units > limit) wait_ms += 1'000;
                ASSERT_EQ(window.wait_ms(terms, now_ms, units), wait_ms);
            }
            if (!held.empty() && random() % 2 == 0) {
                const auto [of, had] = held.front();
                held.pop_front();
                const uint64_t unused = random() % (had + 1);
                window.give_back(of, unused);
                if (log.contains(of)) log[of] -= unused;
            }
            if (random() % 50 == 0) {
                window.charge(terms, now_ms, 30);
                log[static_cast<uint32_t>(now_ms / 1'000)] += 30;
            }
        }
    }
}

/// A clock that the threads themselves turn: what one shard has seen as the time, no other takes for later.
TEST(RateWindowThreads, AllOfThemTogetherKeepTheLaw) {
    for (const uint64_t limit : {7u, 1'000u, 60'000u}) {
        SCOPED_TRACE(limit);
        const WindowTerms terms = WindowTerms::of(limit, 1'000);
        RateWindow window;
        std::atomic<uint64_t> clock_ms{1'000};
        constexpr size_t thread_count = 8;
        std::array<std::vector<Taken>, thread_count> taken;
        std::vector<std::thread> threads;
        for (size_t t = 0; t < thread_count; ++t)
            threads.emplace_back([&, t] {
                std::mt19937 random(static_cast<uint32_t>(t));
                for (;;) {
                    const uint64_t now_ms = clock_ms.load();
                    if (now_ms >= 11'000) return;
                    const uint64_t units = 1 + random() % std::max<uint64_t>(1, limit / 100);
                    if (const auto slice = window.take(terms, now_ms, units))
                        taken[t].push_back({(uint64_t{*slice} * terms.slice_ns) / 1'000'000, units});
                    else
                        clock_ms.compare_exchange_strong(const_cast<uint64_t&>(now_ms), now_ms + 1 + random() % 5);
                }
            });
        for (std::thread& one : threads) one.join();
        std::vector<Taken> all;
        uint64_t total = 0;
        for (const auto& of : taken)
            for (const Taken& one : of) {
                all.push_back(one);
                total += one.units;
            }
        expect_lawful(all, limit, 1'000);
        EXPECT_GE(static_cast<double>(total), 0.95 * 10 * static_cast<double>(limit));
    }
}

/// What is under way, of all threads, never more than the limit while nothing leaves the window; and in the end, when
/// all was given back, nothing is missing.
TEST(RateWindowThreads, HeldAndSpentAreNeverMoreThanTheLimit) {
    constexpr uint64_t limit = 10'000;
    const WindowTerms terms = WindowTerms::of(limit, 31'000);
    RateWindow window;
    std::atomic<uint64_t> in_use{0}, spent{0};
    std::atomic<bool> broken{false};
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 20'000; ++i) {
                const uint64_t units = 1 + random() % 900;
                const auto slice = window.take(terms, 5'000 + i / 4'000 * 1'000u, units);
                if (!slice) continue;
                if (in_use.fetch_add(units) + units > limit) broken = true;
                const uint64_t used = random() % 1'000 == 0 ? std::min<uint64_t>(units, 3) : 0;
                spent += used;
                in_use.fetch_sub(units - used);
                window.give_back(*slice, units - used);
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_FALSE(broken);
    EXPECT_EQ(in_use.load(), spent.load());
    EXPECT_LE(spent.load(), limit);
    EXPECT_GE(window.used(terms, 9'000), spent.load());
}

}  // namespace
}  // namespace loom::tenant
