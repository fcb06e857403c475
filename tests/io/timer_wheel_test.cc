#include "loom/io/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace loom::io {
namespace {

struct Alarm : Timer {
    explicit Alarm(TimerWheel& w) : Timer(&Alarm::on_expiry), wheel(w) {}
    static void on_expiry(Timer& timer) noexcept {
        auto& alarm = static_cast<Alarm&>(timer);
        alarm.fired_at_ms.push_back(alarm.wheel.now_ms());
        if (alarm.then) alarm.then();
    }
    TimerWheel& wheel;
    std::vector<uint64_t> fired_at_ms;
    std::function<void()> then;
};

constexpr uint64_t start_ms = 1'234'567;

/// One millisecond at a time, so that a call can be told to the millisecond.
void walk(TimerWheel& wheel, uint64_t from_ms, uint64_t to_ms) {
    for (uint64_t now = from_ms + 1; now <= to_ms; ++now) wheel.expire(now);
}

TEST(TimerWheel, CallsATimerOnceAtItsTime) {
    for (const uint64_t delay : {1, 2, 63, 64, 65, 127, 128, 4'095, 4'096, 4'097, 262'143, 262'144, 300'000}) {
        TimerWheel wheel(start_ms);
        Alarm alarm(wheel);
        wheel.arm(alarm, delay);
        EXPECT_TRUE(alarm.armed());
        wheel.expire(start_ms + delay - 1);
        EXPECT_TRUE(alarm.fired_at_ms.empty()) << delay;
        wheel.expire(start_ms + delay);
        EXPECT_EQ(alarm.fired_at_ms.size(), 1u) << delay;
        EXPECT_FALSE(alarm.armed());
        wheel.expire(start_ms + delay * 3);
        EXPECT_EQ(alarm.fired_at_ms.size(), 1u) << delay;
    }
}

TEST(TimerWheel, ADelayOfZeroIsTheNextExpiry) {
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    wheel.arm(alarm, 0);
    wheel.expire(start_ms);
    EXPECT_TRUE(alarm.fired_at_ms.empty());
    wheel.expire(start_ms + 1);
    EXPECT_EQ(alarm.fired_at_ms.size(), 1u);
}

TEST(TimerWheel, DeadlinesBeyondTheLastLevelAreFiledAgainUntilTheyAreDue) {
    constexpr uint64_t day_ms = 86'400'000;
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    wheel.arm(alarm, 3 * day_ms);
    uint64_t now = start_ms;
    while (now + wheel.next_delay_ms() < start_ms + 3 * day_ms) {
        now += wheel.next_delay_ms();
        wheel.expire(now);
        ASSERT_TRUE(alarm.fired_at_ms.empty());
    }
    wheel.expire(start_ms + 3 * day_ms);
    EXPECT_EQ(alarm.fired_at_ms, std::vector{start_ms + 3 * day_ms});
}

TEST(TimerWheel, MovedAwayItIsFoundAtTheOldPlaceAndFiledAnew) {
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    wheel.arm(alarm, 10);
    for (uint64_t now = start_ms + 1; now <= start_ms + 500; ++now) {  // pushed back with every event
        wheel.expire(now);
        wheel.arm(alarm, 10);
    }
    EXPECT_TRUE(alarm.fired_at_ms.empty());
    walk(wheel, start_ms + 500, start_ms + 600);
    EXPECT_EQ(alarm.fired_at_ms, std::vector{start_ms + 510});
}

TEST(TimerWheel, MovedNearerItComesAtTheNewTime) {
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    wheel.arm(alarm, 100'000);
    wheel.arm(alarm, 5);
    walk(wheel, start_ms, start_ms + 10);
    EXPECT_EQ(alarm.fired_at_ms, std::vector{start_ms + 5});
}

TEST(TimerWheel, DisarmedItNeverComesAndMayBeArmedAgain) {
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    wheel.arm(alarm, 5);
    alarm.disarm();
    EXPECT_FALSE(alarm.armed());
    walk(wheel, start_ms, start_ms + 3);
    wheel.arm(alarm, 5);
    walk(wheel, start_ms + 3, start_ms + 20);
    EXPECT_EQ(alarm.fired_at_ms, std::vector{start_ms + 8});
}

TEST(TimerWheel, DeadlinesCountFromTheClockThatIsSetBeforeTheExpiry) {
    TimerWheel wheel(start_ms);
    Alarm early(wheel);
    Alarm late(wheel);
    wheel.arm(early, 30);
    wheel.set_clock(start_ms + 100);  // the loop slept; completions are handled before what is due is called
    wheel.arm(late, 50);
    EXPECT_EQ(wheel.now_ms(), start_ms + 100);
    wheel.expire(start_ms + 100);
    EXPECT_EQ(early.fired_at_ms.size(), 1u);
    EXPECT_TRUE(late.fired_at_ms.empty());
    walk(wheel, start_ms + 100, start_ms + 149);
    EXPECT_TRUE(late.fired_at_ms.empty());
    wheel.expire(start_ms + 150);
    EXPECT_EQ(late.fired_at_ms.size(), 1u);
}

TEST(TimerWheel, WhatIsDueInTheSameSlotMayBeDisarmedMovedOrFreedByTheFirst) {
    TimerWheel wheel(start_ms);
    Alarm first(wheel), disarmed(wheel), moved(wheel);
    auto freed = std::make_unique<Alarm>(wheel);
    for (Alarm* alarm : {&first, &disarmed, &moved, freed.get()}) wheel.arm(*alarm, 7);
    first.then = [&] {
        disarmed.disarm();
        wheel.arm(moved, 20);
        freed.reset();
    };
    walk(wheel, start_ms, start_ms + 7);
    EXPECT_EQ(first.fired_at_ms.size(), 1u);
    walk(wheel, start_ms + 7, start_ms + 100);
    EXPECT_TRUE(disarmed.fired_at_ms.empty());
    EXPECT_EQ(moved.fired_at_ms, std::vector{start_ms + 27});
}

TEST(TimerWheel, AHandlerMayArmItselfAgain) {
    TimerWheel wheel(start_ms);
    Alarm alarm(wheel);
    alarm.then = [&] {
        if (alarm.fired_at_ms.size() < 5) wheel.arm(alarm, 100);
    };
    wheel.arm(alarm, 100);
    walk(wheel, start_ms, start_ms + 2'000);
    std::vector<uint64_t> expected;
    for (uint64_t i = 1; i <= 5; ++i) expected.push_back(start_ms + i * 100);
    EXPECT_EQ(alarm.fired_at_ms, expected);
}

TEST(TimerWheel, AnEmptyWheelAsksForNoWaking) {
    TimerWheel wheel(start_ms);
    EXPECT_EQ(wheel.next_delay_ms(), TimerWheel::none);
    Alarm alarm(wheel);
    wheel.arm(alarm, 40);
    EXPECT_EQ(wheel.next_delay_ms(), 40u);
    wheel.expire(start_ms + 15);
    EXPECT_EQ(wheel.next_delay_ms(), 25u);
}

/// Every timer, each with a plain number beside it, through random lives; the wheel is woken as the shard wakes it (at
/// next_delay_ms at the latest, often earlier) or late, as a busy shard does.
class Model {
  public:
    explicit Model(unsigned seed) : random_(seed) {
        for (int i = 0; i < 40; ++i) {
            alarms_.push_back(std::make_unique<Alarm>(wheel_));
            deadlines_.push_back(never);
        }
    }

    void step() {
        const size_t i = random_() % alarms_.size();
        switch (random_() % 8) {
            case 0:
                alarms_[i]->disarm();
                deadlines_[i] = never;
                break;
            case 1:
            case 2:
            case 3: arm(i, delay()); break;
            case 4: arm(i, random_() % 3); break;
            case 5: {
                now_ms_ += random_() % 200;  // a busy shard: the clock is set, handlers arm, then what is due is called
                wheel_.set_clock(now_ms_);
                for (int more = 0; more < 3; ++more) arm(random_() % alarms_.size(), delay());
                expire();
                break;
            }
            default: {
                const uint64_t next = wheel_.next_delay_ms();
                now_ms_ += next == TimerWheel::none ? delay() : std::min(next, delay());
                expire();
            }
        }
    }

  private:
    static constexpr uint64_t never = UINT64_MAX;

    uint64_t delay() {
        const uint64_t span = uint64_t{1} << random_() % 26;
        return random_() % span;
    }
    void arm(size_t i, uint64_t delay_ms) {
        wheel_.arm(*alarms_[i], delay_ms);
        deadlines_[i] = std::max(now_ms_ + delay_ms, expired_ms_ + 1);
    }
    void expire() {
        wheel_.expire(now_ms_);
        expired_ms_ = now_ms_;
        for (size_t i = 0; i < alarms_.size(); ++i) {
            const bool due = deadlines_[i] <= now_ms_;
            ASSERT_EQ(alarms_[i]->fired_at_ms.size(), due ? 1u : 0u)
                << "deadline " << deadlines_[i] << " now " << now_ms_;
            ASSERT_EQ(alarms_[i]->armed(), !due && deadlines_[i] != never);
            alarms_[i]->fired_at_ms.clear();
            if (due) deadlines_[i] = never;
        }
        const uint64_t nearest = *std::min_element(deadlines_.begin(), deadlines_.end());
        if (nearest != never) {
            ASSERT_LE(now_ms_ + wheel_.next_delay_ms(), nearest) << "the shard would oversleep";
        }
    }

    std::mt19937_64 random_;
    uint64_t now_ms_ = start_ms;
    uint64_t expired_ms_ = start_ms;
    TimerWheel wheel_{start_ms};
    std::vector<std::unique_ptr<Alarm>> alarms_;
    std::vector<uint64_t> deadlines_;
};

TEST(TimerWheel, DoesWhatAListOfDeadlinesWouldDo) {
    const unsigned seed = std::random_device{}();
    for (unsigned run = 0; run < 20; ++run) {
        SCOPED_TRACE(seed + run);
        Model model(seed + run);
        for (int step = 0; step < 3'000 && !testing::Test::HasFatalFailure(); ++step) model.step();
    }
}

}  // namespace
}  // namespace loom::io
