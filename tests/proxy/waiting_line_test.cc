// The line in front of providers at their limits, in simulated time: who goes first, who gives up, and that nobody is
// passed.
#include "waiting_line.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace loom::proxy {
namespace {

using route::BucketTerms;
using route::LimitPass;

constexpr uint64_t minute_ms = 60'000;

class Line : public testing::Test {
  protected:
    /// Wants one request of one provider.
    struct One final : Waiter {
        One(Line& t, std::string n, route::ProviderLimits& l) : test(t), name(std::move(n)), limits(l) {}
        std::optional<uint64_t> try_to_go(LineWalk& walk) noexcept override {
            tries += 1;
            const uint32_t ahead = walk.ahead(limits.state.get());
            if (ahead == 0 && route::enter(limits, walk.now_ms, 1, pass)) {
                test.served.push_back(name);
                return std::nullopt;
            }
            walk.want(limits.state.get());
            return limits.bucket_wait_ms(walk.now_ms, 1, ahead);
        }
        void give_up(LineEnd why) noexcept override { end = why; }
        ~One() { test.line.leave(*this); }

        Line& test;
        std::string name;
        route::ProviderLimits& limits;
        LimitPass pass;
        std::optional<LineEnd> end;
        int tries = 0;
    };
    Line() { line.set_max(100); }
    One& join(const std::string& name, route::ProviderLimits& limits, uint8_t priority = 5,
              uint64_t timeout_ms = minute_ms) {
        One& one = ones.emplace_back(*this, name, limits);
        joined = line.join(one, priority, timeout_ms);
        return one;
    }
    /// Time passes, a millisecond at a time.
    void pass(uint64_t ms) {
        for (uint64_t i = 0; i < ms; ++i) {
            now_ms += 1;
            timers.set_clock(now_ms);
            timers.expire(now_ms);
        }
    }
    static route::ProviderLimits limits_of(uint64_t requests_per_minute, uint32_t concurrent = 0) {
        return {.requests = BucketTerms::per_minute(requests_per_minute, 1),
                .concurrent_max = concurrent,
                .state = std::make_shared<route::LimitState>()};
    }

    uint64_t now_ms = 1'000;
    io::TimerWheel timers{now_ms};
    observe::Metrics metrics{1};
    observe::ShardMetrics& shard = metrics.shard(0);
    WaitingLine line{timers, shard};
    std::deque<One> ones;
    std::vector<std::string> served;
    bool joined = false;
    route::ProviderLimits slow = limits_of(60);  // one each second, none saved up
};

TEST_F(Line, EachGoesWhenTheLimitLetsItInItsOrder) {
    for (const char* name : {"a", "b", "c"}) join(name, slow);
    EXPECT_EQ(shard.queue_length.value(), 3);
    pass(1);
    EXPECT_EQ(served, (std::vector<std::string>{"a"}));
    pass(999);
    EXPECT_EQ(served.size(), 1u);
    pass(2);
    EXPECT_EQ(served, (std::vector<std::string>{"a", "b"})) << "within a millisecond of its time";
    pass(1'000);
    EXPECT_EQ(served, (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(line.size(), 0u);
    EXPECT_EQ(shard.queue_length.value(), 0);
}

TEST_F(Line, TheHighestClassGoesFirst) {
    join("first", slow);
    pass(1);
    join("low", slow, 1);
    join("normal", slow, 5);
    join("critical", slow, 9);
    join("critical too", slow, 9);
    pass(4'100);
    EXPECT_EQ(served, (std::vector<std::string>{"first", "critical", "critical too", "normal", "low"}));
}

TEST_F(Line, WhoWaitsForOneProviderIsNotInTheWayOfAnothers) {
    route::ProviderLimits other = limits_of(60'000);
    for (const char* name : {"a", "b"}) join(name, slow);
    join("other", other);
    pass(1);
    EXPECT_EQ(served, (std::vector<std::string>{"a", "other"}));
}

TEST_F(Line, OneThatCannotBeServedInTimeIsToldAtOnce) {
    join("a", slow, 5, 5'000);
    pass(1);
    std::vector<One*> rest;
    for (int i = 0; i < 5; ++i) rest.push_back(&join("in time", slow, 5, 5'100));
    One& hopeless = join("hopeless", slow, 5, 5'100);
    pass(1);
    EXPECT_EQ(hopeless.end, LineEnd::late) << "five are before it, one goes each second";
    for (One* one : rest) EXPECT_FALSE(one->end.has_value());
    pass(5'000);
    EXPECT_EQ(served.size(), 6u);
    EXPECT_EQ(shard.queue_timeouts.value(), 1u);
}

TEST_F(Line, NobodyStaysLongerThanItsTime) {
    route::ProviderLimits busy = limits_of(0, 1);
    LimitPass held;
    ASSERT_TRUE(route::enter(busy, now_ms, 1, held));
    One& one = join("a", busy, 5, 300);
    pass(299);
    EXPECT_FALSE(one.end.has_value()) << "when a place will be free nobody knows";
    pass(2);
    EXPECT_EQ(one.end, LineEnd::late);
    EXPECT_LE(one.tries, 20) << "it is not looked at each millisecond";
}

TEST_F(Line, WhatIsGivenBackHereIsTakenAtOnce_AndElsewhereSoon) {
    route::ProviderLimits busy = limits_of(0, 1);
    LimitPass held;
    ASSERT_TRUE(route::enter(busy, now_ms, 1, held));
    One& first = join("first", busy);
    join("second", busy);
    pass(3);
    EXPECT_TRUE(served.empty());
    route::leave(held, now_ms, {});
    line.nudge();
    pass(1);
    EXPECT_EQ(served, (std::vector<std::string>{"first"}));
    route::leave(first.pass, now_ms, {});  // another shard's, say: nobody tells
    pass(26);
    EXPECT_EQ(served, (std::vector<std::string>{"first", "second"}));
}

TEST_F(Line, AFullLineTakesAHigherClassInPlaceOfTheLast) {
    line.set_max(2);
    join("a", slow);
    pass(1);
    One& b = join("b", slow, 3);
    One& c = join("c", slow, 3);
    One& d = join("d", slow, 3);
    EXPECT_FALSE(joined) << "of its own class nobody gives way";
    One& e = join("e", slow, 4);
    EXPECT_TRUE(joined);
    EXPECT_EQ(c.end, LineEnd::displaced) << "who came last";
    EXPECT_FALSE(b.end.has_value());
    EXPECT_EQ(line.size(), 2u);
    EXPECT_EQ(shard.queue_full.value(), 1u);
    pass(1'001);
    EXPECT_EQ(served, (std::vector<std::string>{"a", "e"}));
    (void)d, (void)e;
}

TEST_F(Line, WhoLeavesIsInNobodysWay) {
    join("a", slow);
    pass(1);
    One& b = join("b", slow);
    join("c", slow);
    line.leave(b);
    line.leave(b);
    pass(1'001);
    EXPECT_EQ(served, (std::vector<std::string>{"a", "c"}));
}

TEST_F(Line, AtTheEndAllAreToldAndNobodyJoins) {
    join("a", slow);
    pass(1);
    One& b = join("b", slow);
    line.close();
    EXPECT_EQ(b.end, LineEnd::closing);
    EXPECT_EQ(line.size(), 0u);
    join("c", slow);
    EXPECT_FALSE(joined);
}

TEST_F(Line, OffNobodyWaits) {
    line.set_max(0);
    join("a", slow);
    EXPECT_FALSE(joined);
}

/// Everybody ends once, served or told; within a class and provider nobody is passed; the limits hold.
TEST_F(Line, BruteForce) {
    for (uint32_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        std::deque<route::ProviderLimits> providers;
        for (int i = 0; i < 3; ++i) providers.push_back(limits_of(600 + random() % 6'000));
        line.set_max(20);
        ones.clear();
        served.clear();
        struct Came {
            One* one;
            uint8_t priority;
            size_t provider;
            bool joined;
        };
        std::vector<Came> came;
        const uint64_t begun_ms = now_ms;
        for (int step = 0; step < 2'000; ++step) {
            pass(random() % 10);
            const size_t provider = random() % providers.size();
            const auto priority = static_cast<uint8_t>(random() % 3);
            One& one = join(std::to_string(came.size()), providers[provider], priority, 1 + random() % 400);
            came.push_back({&one, priority, provider, joined});
            if (random() % 20 == 0 && one.linked()) {
                line.leave(one);
                came.back().joined = false;
            }
        }
        pass(1'000);
        EXPECT_EQ(line.size(), 0u);
        std::vector<size_t> order;
        for (const std::string& name : served) order.push_back(std::stoul(name));
        std::vector<int> ends(came.size());
        for (const size_t index : order) ends[index] += 1;
        std::vector<uint64_t> served_of(providers.size());
        for (size_t i = 0; i < came.size(); ++i) {
            ends[i] += came[i].one->end.has_value();
            ASSERT_EQ(ends[i], came[i].joined ? 1 : 0) << i;
        }
        std::vector<std::vector<size_t>> last(providers.size(), std::vector<size_t>(3));
        for (const size_t index : order) {
            size_t& before = last[came[index].provider][came[index].priority];
            ASSERT_LE(before, index) << "passed by one that came later";
            before = index;
            served_of[came[index].provider] += 1;
        }
        for (size_t p = 0; p < providers.size(); ++p)
            EXPECT_LE(served_of[p], providers[p].requests.capacity +
                                        (now_ms - begun_ms) * 1'000'000 / providers[p].requests.unit_ns + 1);
    }
}

}  // namespace
}  // namespace loom::proxy
