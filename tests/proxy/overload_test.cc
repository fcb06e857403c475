// When a shard refuses requests, in simulated time: a loop that is slow, and one that recovers.
#include "overload.h"

#include <gtest/gtest.h>

namespace loom::proxy {
namespace {

class OverloadOfAShard : public testing::Test {
  protected:
    OverloadOfAShard() { overload.set_plan({.lag_ms = 100}); }
    /// The loop turns for so long without a pause between its turns, or sleeps as long as each takes.
    void turn(uint64_t turn_ms, uint64_t for_ms, bool sleeps = false) {
        for (uint64_t passed = 0; passed < for_ms;) {
            now_ms += turn_ms * (sleeps ? 2 : 1);
            overload.on_turn(turn_ms * 1'000'000, now_ms, load);
            passed += turn_ms * (sleeps ? 2 : 1);
        }
    }
    double share_shed(uint8_t priority) {
        int shed = 0;
        for (int i = 0; i < 1'000; ++i) shed += overload.sheds(priority, now_ms, random);
        return shed / 1'000.0;
    }

    uint64_t now_ms = 10'000;
    Overload overload{now_ms};
    route::Random random{7};
    ShardLoad load;
};

TEST_F(OverloadOfAShard, AQuickLoopServesEverybody) {
    turn(1, 10'000);
    turn(40, 10'000);
    EXPECT_EQ(overload.level(), 0u);
    EXPECT_EQ(share_shed(0), 0);
}

TEST_F(OverloadOfAShard, ASlowOneRefusesTheLowestClassFirst_TheHighestLast) {
    turn(150, 300);
    EXPECT_NEAR(share_shed(0), 0.5, 0.1) << "a part of them at first";
    EXPECT_EQ(share_shed(1), 0);
    turn(150, 150 * 20);
    EXPECT_EQ(share_shed(0), 1);
    EXPECT_EQ(share_shed(4), 1);
    EXPECT_NEAR(share_shed(5), 0.5, 0.1);
    EXPECT_EQ(share_shed(9), 0) << "critical";
    turn(150, 150 * 100);
    EXPECT_EQ(overload.level(), Overload::level_max);
    EXPECT_EQ(share_shed(9), 1) << "at last";
}

TEST_F(OverloadOfAShard, AWorseOneRefusesMoreAtOnce) {
    turn(300, 300 * 6);
    EXPECT_EQ(share_shed(5), 1);
    EXPECT_EQ(share_shed(6), 0);
}

TEST_F(OverloadOfAShard, BetweenTheThresholdsItStays) {
    turn(150, 150 * 10);
    const uint32_t level = overload.level();
    EXPECT_GT(level, 0u);
    turn(70, 7'000);
    EXPECT_EQ(overload.level(), level) << "neither more nor fewer: it would swing";
    turn(10, 400);
    EXPECT_LT(overload.level(), level);
    turn(10, 10'000);
    EXPECT_EQ(overload.level(), 0u) << "it has recovered";
}

TEST_F(OverloadOfAShard, LongTurnsWithPausesBetweenAreHalfAsBad) {
    turn(150, 3'000, true);
    EXPECT_EQ(overload.level(), 0u);
    turn(250, 5'000, true);
    EXPECT_GT(overload.level(), 0u);
}

TEST_F(OverloadOfAShard, ALoopThatSleepsHasRecovered) {
    turn(300, 300 * 6);
    EXPECT_EQ(share_shed(0), 1);
    now_ms += 60'000;
    EXPECT_EQ(share_shed(0), 0) << "nobody had to tell it";
}

TEST_F(OverloadOfAShard, WhatItHoldsIsALoadToo) {
    overload.set_plan({.exchanges = 100, .bodies_share = 0.9});
    load = {.exchanges = 90, .body_bytes = 800, .body_bytes_part = 1'000};
    turn(1, 1'000);
    EXPECT_EQ(overload.level(), 0u);
    load.exchanges = 120;
    turn(1, 1'000);
    EXPECT_GT(overload.level(), 0u);
    load.exchanges = 10;
    load.body_bytes = 300;
    turn(1, 5'000);
    EXPECT_EQ(overload.level(), 0u);
    load.body_bytes = 950;
    turn(1, 1'000);
    EXPECT_GT(overload.level(), 0u);
}

TEST_F(OverloadOfAShard, SwitchedOffItForgets) {
    turn(300, 3'000);
    overload.set_plan({});
    EXPECT_EQ(share_shed(0), 0);
    turn(1'000, 10'000);
    EXPECT_EQ(overload.level(), 0u);
}

}  // namespace
}  // namespace loom::proxy
