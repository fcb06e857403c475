// Which of a provider's instances takes a request, and whose fault an attempt's end was.
#include "loom/route/instances.h"

#include <gtest/gtest.h>

#include <map>

#include "loom/route/choose.h"

namespace loom::route {
namespace {

constexpr BreakerOptions breaker{.failure_threshold = 2, .success_threshold = 1, .timeout_ms = 1'000, .restore_ms = 0};

/// Places A and B with keys 1, 2 and 3 each: instances A1 A2 A3 B1 B2 B3, and a clock that the test turns.
class Instances : public testing::Test {
  protected:
    Instances() {
        const auto row = [] { return std::make_shared<TargetState>(false); };
        const std::shared_ptr<TargetState> places[] = {row(), row()}, keys[] = {row(), row(), row()};
        for (const auto& place : places)
            for (const auto& key : keys) set.instances.push_back({.own = row(), .place = place, .key = key});
        set.breaker = breaker;
    }
    std::optional<InstanceChoice> choose_one(InstanceMask out = 0) {
        return choose_instance(set, now_ms, out, random.next());
    }
    /// How often each was chosen. Nobody's attempt lasts.
    std::map<size_t, int> choose_many(int count, InstanceMask out = 0) {
        std::map<size_t, int> counts;
        for (int i = 0; i < count; ++i) {
            auto choice = choose_one(out);
            if (!choice) continue;
            counts[choice->index] += 1;
            leave_instance(set, choice->index, now_ms, choice->passage);
        }
        return counts;
    }
    /// An attempt of this instance that ends so.
    void end_one(size_t index, InstanceVerdicts verdicts) {
        auto choice = choose_one(~(InstanceMask{1} << index));
        ASSERT_TRUE(choice);
        ASSERT_EQ(choice->index, index);
        judge_instance(set, index, now_ms, choice->passage, verdicts);
        leave_instance(set, index, now_ms, choice->passage);
    }

    InstanceSet set;
    uint64_t now_ms = 10'000;
    Random random{42};
};

TEST_F(Instances, EachTakesItsPart) {
    const auto counts = choose_many(6'000);
    ASSERT_EQ(counts.size(), 6u);
    for (const auto& [index, count] : counts) EXPECT_NEAR(count, 1'000, 130) << index;
}

TEST_F(Instances, TheFreerOfTwoIsChosen) {
    std::vector<InstanceChoice> kept;
    for (int i = 0; i < 600; ++i) kept.push_back(*choose_one());
    for (const Instance& one : set.instances) EXPECT_NEAR(static_cast<double>(one.own->in_flight.load()), 100, 4);
    // One that answers nothing any more is passed over wherever another is drawn too.
    set.instances[2].own->in_flight += 1'000;
    EXPECT_EQ(choose_many(500).count(2), 0u);
    set.instances[2].own->in_flight -= 1'000;
    for (InstanceChoice& one : kept) leave_instance(set, one.index, now_ms, one.passage);
    for (InstanceChoice& one : kept) leave_instance(set, one.index, now_ms, one.passage);
    for (const Instance& one : set.instances) EXPECT_EQ(one.own->in_flight.load(), 0) << "given back once";
}

TEST_F(Instances, APlaceThatCannotBeReachedIsOutWithAllItsKeys) {
    for (const size_t one : {0u, 2u}) end_one(one, {.place = BreakerOutcome::failure});
    const auto counts = choose_many(900);
    EXPECT_EQ(counts.size(), 3u);
    for (const size_t one : {0u, 1u, 2u}) EXPECT_EQ(counts.count(one), 0u) << one;
    now_ms += breaker.timeout_ms;
    EXPECT_EQ(choose_many(100).size(), 6u) << "found again";
}

TEST_F(Instances, AnErrorIsOfItsInstanceAlone) {
    for (int n = 0; n < 2; ++n) end_one(4, {.own = BreakerOutcome::failure, .place = BreakerOutcome::success});
    const auto counts = choose_many(1'000);
    EXPECT_EQ(counts.size(), 5u);
    EXPECT_EQ(counts.count(4), 0u);
}

TEST_F(Instances, AKeyThatRestsDoesSoEverywhereAndIsAskedLast) {
    set.instances[1].key->rest_until(now_ms + 500);
    const auto counts = choose_many(800);
    EXPECT_EQ(counts.count(1) + counts.count(4), 0u);
    EXPECT_EQ(counts.size(), 4u);
    EXPECT_EQ(rest_ms(set, now_ms), 0u);
    set.instances[0].key->rest_until(now_ms + 700);
    set.instances[2].key->rest_until(now_ms + 300);
    EXPECT_EQ(rest_ms(set, now_ms), 300u);
    EXPECT_EQ(best_standing(set, now_ms, 0, 0), InstanceStanding::resting);
    EXPECT_EQ(choose_many(600).size(), 6u) << "all rest: somebody is asked";
    now_ms += 301;
    for (const auto& [index, count] : choose_many(100)) EXPECT_EQ(index % 3, 2u);
}

TEST_F(Instances, WhereAllAreBrokenOneIsAskedAllTheSame) {
    for (const size_t one : {0u, 3u})
        for (int n = 0; n < 2; ++n) end_one(one, {.place = BreakerOutcome::failure});
    EXPECT_EQ(best_standing(set, now_ms, 0, 0), InstanceStanding::broken);
    EXPECT_EQ(choose_many(300).size(), 6u);
    EXPECT_FALSE(choose_one(0b111111)) << "all were tried";
    EXPECT_EQ(choose_many(30, 0b110111), (std::map<size_t, int>{{3, 30}}));
}

TEST_F(Instances, ProbesOfOneThatRecoversAreBounded) {
    for (int n = 0; n < 2; ++n) end_one(5, {.own = BreakerOutcome::failure});
    now_ms += breaker.timeout_ms;
    std::vector<InstanceChoice> kept;
    for (int n = 0; n < 400; ++n) kept.push_back(*choose_one());
    int probes = 0;
    for (InstanceChoice& one : kept) {
        probes += one.index == 5 ? 1 : 0;
        leave_instance(set, one.index, now_ms, one.passage);
    }
    EXPECT_EQ(probes, 1) << "success_threshold at once";
}

TEST_F(Instances, WhatGoesBackComesInShares) {
    set.breaker.restore_ms = 10'000;
    for (int n = 0; n < 2; ++n) end_one(0, {.own = BreakerOutcome::failure});
    now_ms += breaker.timeout_ms;
    end_one(0, {.own = BreakerOutcome::success, .place = BreakerOutcome::success});
    const int first = choose_many(6'000)[0];
    EXPECT_GT(first, 20);
    EXPECT_LT(first, 250) << "a tenth of its sixth";
    now_ms += 10'000;
    EXPECT_NEAR(choose_many(6'000)[0], 1'000, 130);
}

TEST_F(Instances, WhoSharesWhat) {
    EXPECT_EQ(of_same_place(set, 1), 0b000111u);
    EXPECT_EQ(of_same_place(set, 3), 0b111000u);
    EXPECT_EQ(of_same_key(set, 4), 0b010010u);
}

}  // namespace
}  // namespace loom::route
