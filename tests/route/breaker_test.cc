// The breaker's state machine, by brute force against its rules told plainly, and by threads that share one.
#include "loom/route/breaker.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace loom::route {
namespace {

constexpr BreakerOptions small{.failure_threshold = 2, .success_threshold = 2, .timeout_ms = 10, .restore_ms = 8};

/// The rules once more, without words and eras: attempts are objects, and who began before an opening is forgotten.
struct Plain {
    struct Attempt {
        bool probe;
        bool counts = true;
    };
    enum { closed, open, half_open } phase = closed;
    uint32_t failures = 0, successes = 0, probes = 0;
    uint64_t since_ms = 0;
    std::vector<Attempt> attempts;

    void forget() {
        for (Attempt& one : attempts) one.counts = false;
        failures = successes = probes = 0;
    }
    bool enter(uint64_t now_ms) {
        const bool late = now_ms - since_ms >= small.timeout_ms;
        if (phase == open && !late) return false;
        if (phase == half_open && probes + successes >= small.success_threshold && !late) return false;
        if (phase == open) {
            forget();
            phase = half_open;
            since_ms = now_ms;
        } else if (phase == half_open && probes + successes >= small.success_threshold) {
            probes = 0;  // no longer waited for; how they end still counts
            since_ms = now_ms;
        }
        if (phase == half_open) probes += 1;
        attempts.push_back({.probe = phase == half_open});
        return true;
    }
    void leave(size_t which, uint64_t now_ms, BreakerOutcome outcome) {
        const Attempt attempt = attempts[which];
        attempts.erase(attempts.begin() + static_cast<ptrdiff_t>(which));
        if (!attempt.counts) return;
        if (attempt.probe && probes > 0) probes -= 1;
        if (outcome == BreakerOutcome::none) return;
        if (outcome == BreakerOutcome::failure) {
            failures += 1;
            if (!attempt.probe && failures < small.failure_threshold) return;
            forget();
            phase = open;
            since_ms = now_ms;
            return;
        }
        failures = 0;
        if (!attempt.probe || ++successes < small.success_threshold) return;
        forget();
        phase = closed;
        since_ms = now_ms;
    }
};

/// Every sequence of so many events: an attempt begins; the oldest or the newest ends well, badly or not at all; time
/// passes, a little or beyond the timeout.
class EverySequence {
  public:
    void walk(size_t events, const Plain& plain, const BreakerState& state, const std::vector<BreakerPass>& passes,
              uint64_t now_ms) {
        count += 1;
        const auto phase = state.phase == BreakerPhase::closed ? Plain::closed
                           : state.phase == BreakerPhase::open ? Plain::open
                                                               : Plain::half_open;
        ASSERT_EQ(phase, plain.phase) << trail;
        ASSERT_EQ(state.probes, plain.probes) << trail;
        ASSERT_LE(state.probes, small.success_threshold) << trail;
        ASSERT_EQ(Breaker::unpack(Breaker::pack(state)), state) << trail;
        if (events == 0 || testing::Test::HasFatalFailure()) return;
        begin(events, plain, state, passes, now_ms);
        for (const BreakerOutcome outcome : {BreakerOutcome::success, BreakerOutcome::failure, BreakerOutcome::none}) {
            if (!passes.empty()) end(events, plain, state, passes, now_ms, 0, outcome);
            if (passes.size() > 1) end(events, plain, state, passes, now_ms, passes.size() - 1, outcome);
        }
        for (const uint64_t step_ms : {uint64_t{4}, small.timeout_ms}) {
            trail += '0' + static_cast<char>(step_ms % 10);
            walk(events - 1, plain, state, passes, now_ms + step_ms);
            trail.pop_back();
        }
    }
    size_t count = 0;

  private:
    void begin(size_t events, Plain plain, BreakerState state, std::vector<BreakerPass> passes, uint64_t now_ms) {
        BreakerPass pass;
        const bool would = state.admits(small, now_ms);
        const bool entered = state.enter(small, now_ms, pass);
        ASSERT_EQ(entered, would) << trail;
        ASSERT_EQ(entered, plain.enter(now_ms)) << trail;
        if (entered) passes.push_back(pass);
        trail += 'b';
        walk(events - 1, plain, state, passes, now_ms);
        trail.pop_back();
    }
    void end(size_t events, Plain plain, BreakerState state, std::vector<BreakerPass> passes, uint64_t now_ms,
             size_t which, BreakerOutcome outcome) {
        state.leave(small, now_ms, passes[which], outcome);
        plain.leave(which, now_ms, outcome);
        passes.erase(passes.begin() + static_cast<ptrdiff_t>(which));
        trail += outcome == BreakerOutcome::success ? 's' : outcome == BreakerOutcome::failure ? 'f' : 'n';
        walk(events - 1, plain, state, passes, now_ms);
        trail.pop_back();
    }
    std::string trail;
};

TEST(Breaker, FollowsItsRulesOverEverySequenceOfEvents) {
    // Near the wrap of 32 bits, where since_ms begins anew.
    EverySequence every;
    BreakerState state;
    const uint64_t from_ms = (uint64_t{1} << 32) - 20;
    Plain plain;
    plain.since_ms = from_ms;
    state.since_ms = static_cast<uint32_t>(from_ms);
    every.walk(7, plain, state, {}, from_ms);
    EXPECT_GT(every.count, 50'000u);
    // From open on: as far as probes that are written off and tell late how they ended.
    plain.phase = Plain::open;
    state.phase = BreakerPhase::open;
    every.walk(8, plain, state, {}, from_ms);
}

TEST(Breaker, OpensAfterFailuresInARowAndNotAfterAsManyApart) {
    Breaker breaker;
    const BreakerOptions options{.failure_threshold = 3};
    const auto attempt = [&](BreakerOutcome outcome) {
        BreakerPass pass;
        EXPECT_TRUE(breaker.enter(options, 1, pass));
        breaker.leave(options, 1, pass, outcome);
    };
    for (int i = 0; i < 5; ++i) {
        attempt(BreakerOutcome::failure);
        attempt(BreakerOutcome::failure);
        attempt(BreakerOutcome::success);
    }
    EXPECT_EQ(breaker.state().phase, BreakerPhase::closed);
    for (int i = 0; i < 3; ++i) attempt(BreakerOutcome::failure);
    EXPECT_EQ(breaker.state().phase, BreakerPhase::open);
    EXPECT_FALSE(breaker.admits(options, options.timeout_ms));
    EXPECT_TRUE(breaker.admits(options, options.timeout_ms + 1));
}

/// Eras are counted in eight bits. A probe that was out for 256 of them meets one of its own number.
TEST(Breaker, AProbeOfAnEraLongGoneTellsNothing) {
    const BreakerOptions options{.failure_threshold = 1, .success_threshold = 2, .timeout_ms = 10, .restore_ms = 0};
    BreakerState state;
    BreakerPass pass, old;
    uint64_t now_ms = 0;
    ASSERT_TRUE(state.enter(options, now_ms, pass));
    state.leave(options, now_ms, pass, BreakerOutcome::failure);
    now_ms += options.timeout_ms;
    ASSERT_TRUE(state.enter(options, now_ms, old));
    do {
        ASSERT_TRUE(state.enter(options, now_ms, pass));
        state.leave(options, now_ms, pass, BreakerOutcome::failure);
        ASSERT_EQ(state.phase, BreakerPhase::open);
        now_ms += options.timeout_ms;
        ASSERT_TRUE(state.enter(options, now_ms, pass)) << "the probe before was never told of";
    } while (state.era != old.era);
    state.leave(options, now_ms, pass, BreakerOutcome::none);
    const BreakerState before = state;
    state.leave(options, now_ms, old, BreakerOutcome::failure);
    EXPECT_EQ(state, before);
}

TEST(Breaker, AnswersThatTakeLongerThanTheTimeoutCloseIt) {
    BreakerState state{.phase = BreakerPhase::open, .since_ms = 0};
    std::vector<BreakerPass> out;
    uint64_t now_ms = 0;
    for (int i = 0; i < 2; ++i) {  // as many as may be out, and once more when they are waited for no longer
        now_ms += small.timeout_ms;
        for (uint32_t probe = 0; probe < small.success_threshold; ++probe)
            ASSERT_TRUE(state.enter(small, now_ms, out.emplace_back()));
        BreakerPass more;
        EXPECT_FALSE(state.enter(small, now_ms, more));
    }
    state.leave(small, now_ms, out[0], BreakerOutcome::success);
    EXPECT_EQ(state.phase, BreakerPhase::half_open);
    state.leave(small, now_ms, out[1], BreakerOutcome::success);
    EXPECT_EQ(state.phase, BreakerPhase::closed);
    for (const BreakerPass& late : {out[2], out[3]}) state.leave(small, now_ms, late, BreakerOutcome::failure);
    EXPECT_EQ(state.phase, BreakerPhase::closed) << "what is still out tells nothing of what comes now";
}

/// The clocks of two shards differ by a tick.
TEST(Breaker, AClockThatIsBehindSeesNoTimePass) {
    BreakerState state;
    BreakerPass pass;
    constexpr uint64_t now_ms = 1'000;
    for (uint32_t i = 0; i < small.failure_threshold; ++i) {
        ASSERT_TRUE(state.enter(small, now_ms, pass));
        state.leave(small, now_ms, pass, BreakerOutcome::failure);
    }
    ASSERT_EQ(state.phase, BreakerPhase::open);
    EXPECT_FALSE(state.admits(small, now_ms - 1));
    BreakerState healing{.phase = BreakerPhase::half_open, .successes = 1, .probes = 1};
    healing.leave(small, now_ms, {.probe = true, .entered = true}, BreakerOutcome::success);
    ASSERT_EQ(healing.phase, BreakerPhase::closed);
    EXPECT_EQ(healing.share(small, now_ms - 1), healing.share(small, now_ms));
    ASSERT_TRUE(healing.enter(small, now_ms - 1, pass));
    healing.leave(small, now_ms - 1, pass, BreakerOutcome::success);
    EXPECT_FALSE(healing.restored);
}

TEST(Breaker, OfThresholdZeroIsNone) {
    Breaker breaker;
    const BreakerOptions none{.failure_threshold = 0};
    for (int i = 0; i < 100; ++i) {
        BreakerPass pass;
        ASSERT_TRUE(breaker.enter(none, 1, pass));
        breaker.leave(none, 1, pass, BreakerOutcome::failure);
    }
    EXPECT_EQ(breaker.state(), BreakerState{});
}

TEST(Breaker, GivesItsTrafficBackBitByBit) {
    BreakerState state{.phase = BreakerPhase::half_open, .successes = 1, .probes = 1};
    state.leave(small, 100, {.probe = true, .entered = true}, BreakerOutcome::success);
    EXPECT_EQ(state.phase, BreakerPhase::closed);
    uint32_t before = 0;
    for (uint64_t now_ms = 100; now_ms < 108; ++now_ms) {
        const uint32_t share = state.share(small, now_ms);
        EXPECT_GT(share, before);
        EXPECT_LT(share, 256u);
        before = share;
    }
    EXPECT_EQ(state.share(small, 108), 256u);
}

TEST(Breaker, IsOneForAllThreads) {
    Breaker breaker;
    const BreakerOptions options{.failure_threshold = 50, .success_threshold = 4, .timeout_ms = 0, .restore_ms = 0};
    constexpr int rounds = 20'000;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            uint64_t random = static_cast<uint64_t>(t) + 1;
            for (int i = 0; i < rounds; ++i) {
                random = random * 6364136223846793005 + 1442695040888963407;
                BreakerPass pass;
                if (!breaker.enter(options, 1, pass)) continue;
                const bool good = random >> 63 != 0;
                breaker.leave(options, 1, pass, good ? BreakerOutcome::success : BreakerOutcome::failure);
                ASSERT_LE(breaker.state().probes, options.success_threshold);
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_EQ(breaker.state().probes, 0) << "every attempt has told how it ended";
}

}  // namespace
}  // namespace loom::route
