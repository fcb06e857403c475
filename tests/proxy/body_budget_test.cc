// The budget of request bodies: first come first served, bounded, and never a standstill.
#include "body_budget.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace loom::proxy {
namespace {

struct Body final : BodyHold {
    using BodyHold::BodyHold;
    void on_room() noexcept override { told_count += 1; }
    int told_count = 0;
};

class Budget : public testing::Test {
  protected:
    Budget() { budget.set_part(100); }
    observe::Metrics metrics{1};
    BodyBudget budget{metrics.shard(0)};
};

TEST_F(Budget, WhoFitsIsCountedAndGivesBack) {
    Body one(budget);
    EXPECT_TRUE(one.hold(60));
    EXPECT_TRUE(one.hold(50)) << "it holds more already";
    EXPECT_EQ(budget.held_bytes(), 60u);
    EXPECT_EQ(metrics.shard(0).body_memory_bytes.value(), 60);
    one.let_go();
    one.let_go();
    EXPECT_EQ(budget.held_bytes(), 0u);
    EXPECT_EQ(metrics.shard(0).body_memory_bytes.value(), 0);
}

TEST_F(Budget, OneGoesBeyondAndOthersWaitInTheirOrder) {
    Body large(budget), second(budget), third(budget);
    ASSERT_TRUE(large.hold(90));
    ASSERT_TRUE(large.hold(1000)) << "one gets on, however large";
    EXPECT_FALSE(second.hold(50));
    EXPECT_FALSE(third.hold(1)) << "no small one overtakes";
    EXPECT_TRUE(large.hold(2000)) << "who is beyond waits for nobody";
    EXPECT_EQ(second.told_count + third.told_count, 0);
    EXPECT_EQ(metrics.shard(0).bodies_waited.value(), 2u);
    large.let_go();
    EXPECT_EQ(second.told_count, 1);
    EXPECT_EQ(third.told_count, 1);
    EXPECT_EQ(budget.held_bytes(), 51u);
}

TEST_F(Budget, WhoCannotWaitIsNotQueued) {
    Body large(budget), other(budget);
    ASSERT_TRUE(other.try_hold(60));
    ASSERT_TRUE(large.hold(1000));
    EXPECT_FALSE(other.try_hold(61));
    EXPECT_FALSE(other.try_hold(62)) << "as often as it asks";
    EXPECT_TRUE(other.try_hold(60)) << "it has what it had";
    EXPECT_FALSE(other.waits_for_room());
    EXPECT_EQ(metrics.shard(0).bodies_waited.value(), 0u);
    large.let_go();
    EXPECT_EQ(other.told_count, 0);
    EXPECT_TRUE(other.try_hold(61));
    EXPECT_EQ(budget.held_bytes(), 61u);
}

TEST_F(Budget, PartsOfBodiesDoNotWaitForEachOther) {
    Body one(budget), other(budget);
    ASSERT_TRUE(one.hold(50));
    ASSERT_TRUE(other.hold(50));
    EXPECT_TRUE(one.hold(80)) << "to its end, beyond the part";
    EXPECT_FALSE(other.hold(80));
    one.let_go();
    EXPECT_EQ(other.told_count, 1);
    EXPECT_EQ(budget.held_bytes(), 80u);
}

TEST_F(Budget, WhoLeavesTheQueueIsInNobodysWay) {
    Body holder(budget), beyond(budget), first(budget), small(budget);
    ASSERT_TRUE(holder.hold(60));
    ASSERT_TRUE(beyond.hold(50));
    ASSERT_FALSE(first.hold(70));
    ASSERT_FALSE(small.hold(10));
    beyond.let_go();
    EXPECT_EQ(first.told_count, 1) << "the next to go beyond";
    EXPECT_FALSE(small.told_count);
    first.let_go();
    EXPECT_EQ(small.told_count, 1);
}

TEST_F(Budget, WhoNeedsLessLetsOthersIn) {
    Body one(budget), other(budget), third(budget);
    ASSERT_TRUE(one.hold(150)) << "beyond the part";
    ASSERT_FALSE(other.hold(40));
    ASSERT_FALSE(third.hold(70));
    one.hold_less(200);
    EXPECT_EQ(budget.held_bytes(), 150u) << "no way to hold more";
    one.hold_less(120);
    EXPECT_EQ(other.told_count, 0) << "it is the one beyond, still";
    one.hold_less(30);
    EXPECT_EQ(other.told_count, 1);
    EXPECT_EQ(third.told_count, 1) << "the next to go beyond";
    EXPECT_EQ(budget.held_bytes(), 140u);
    third.hold_less(20);
    EXPECT_EQ(budget.held_bytes(), 90u);
    EXPECT_TRUE(one.hold(1000)) << "nobody is beyond now";
}

TEST_F(Budget, AReloadChangesIt) {
    Body one(budget), other(budget), third(budget);
    ASSERT_TRUE(one.hold(90));
    ASSERT_TRUE(other.hold(90));
    ASSERT_FALSE(third.hold(90));
    budget.set_part(1000);
    EXPECT_EQ(third.told_count, 1);
    budget.set_part(1);
    EXPECT_EQ(budget.held_bytes(), 270u) << "who is there stays";
}

/// Whatever comes in whatever order: never more than the part and one body, nobody waits while nobody holds, each that
/// waits is told once, and all comes home.
TEST_F(Budget, LawsOfRandomRuns) {
    constexpr uint64_t body_max = 70;
    const uint64_t seed = std::random_device{}();
    std::mt19937_64 random(seed);
    std::deque<Body> bodies;
    for (int i = 0; i < 12; ++i) bodies.emplace_back(budget);
    std::vector<int> waits(bodies.size());
    for (int step = 0; step < 20'000; ++step) {
        const size_t ix = random() % bodies.size();
        Body& body = bodies[ix];
        if (random() % 3 == 0) {
            if (body.waits_for_room()) waits[ix] -= 1;  // it leaves untold
            body.let_go();
        } else if (!body.waits_for_room() && !body.hold(1 + random() % body_max)) {
            waits[ix] += 1;
        }
        ASSERT_LE(budget.held_bytes(), 100 + body_max) << "seed " << seed << " step " << step;
        for (size_t i = 0; i < bodies.size(); ++i)
            ASSERT_EQ(waits[i], bodies[i].told_count + (bodies[i].waits_for_room() ? 1 : 0)) << "seed " << seed;
        const bool any_waits = std::ranges::any_of(bodies, &Body::waits_for_room);
        ASSERT_TRUE(!any_waits || budget.held_bytes() > 0) << "seed " << seed << " step " << step;
    }
    for (Body& body : bodies) body.let_go();
    EXPECT_EQ(budget.held_bytes(), 0u);
}

}  // namespace
}  // namespace loom::proxy
