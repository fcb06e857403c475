// A limit that is learned: against simulated providers of known capacity it ends where the header says, whatever their
// times are like; it comes down when they get worse and up when they recover; and never so low that nobody may ask.
#include "loom/route/adaptive_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace loom::route {
namespace {

/// A provider that serves so many at once, each for a time of its own, and lets others queue or refuses them; and
/// clients that always have more to ask, as far as the limit lets them.
class Simulation {
  public:
    Simulation(uint64_t seed, uint32_t capacity, bool refuses = false)
        : capacity(capacity), random_(seed), refuses_(refuses) {}

    void run_for(uint64_t ms) {
        for (const uint64_t end_ms = now_ms_ + ms; now_ms_ < end_ms; ++now_ms_) {
            finish();
            begin();
            least = std::min(least, limit.limit(terms));
            sum_ += limit.limit(terms);
            ticks_ += 1;
        }
    }
    void forget() { sum_ = ticks_ = refused = served = 0, least = UINT32_MAX; }
    [[nodiscard]] double mean() const { return static_cast<double>(sum_) / static_cast<double>(ticks_); }
    [[nodiscard]] uint64_t now_ms() const { return now_ms_; }

    AdaptiveTerms terms{.min = 1, .max = 1'000};
    AdaptiveLimit limit;
    TimeBaseline baseline;
    uint32_t capacity;
    uint32_t demand = UINT32_MAX;
    double service_ms = 200;
    uint64_t hold_ms = 0;  // a stream goes on so long after its first content
    double spread = 0.5;   // standard deviation by mean
    uint64_t served = 0, refused = 0;
    uint32_t least = UINT32_MAX;

  private:
    struct Request {
        uint64_t began_ms = 0;
        bool refused = false;
        bool begun = false;  // its sample was taken
    };
    uint64_t draw_ms() {
        const double sigma = std::sqrt(std::log(1 + spread * spread));
        std::lognormal_distribution<double> of(std::log(service_ms) - sigma * sigma / 2, sigma);
        return std::max<uint64_t>(1, static_cast<uint64_t>(of(random_)));
    }
    [[nodiscard]] uint32_t under_way() const {
        return in_service_ + in_refusal_ + static_cast<uint32_t>(queue_.size());
    }
    void serve(uint64_t began_ms) {
        in_service_ += 1;
        ends_.emplace(now_ms_ + draw_ms(), Request{.began_ms = began_ms});
    }
    void begin() {
        while (under_way() < std::min(limit.limit(terms), demand)) {
            if (in_service_ < capacity)
                serve(now_ms_);
            else if (!refuses_)
                queue_.push_back(now_ms_);
            else
                in_refusal_ += 1, ends_.emplace(now_ms_ + 5, Request{.began_ms = now_ms_, .refused = true});
        }
    }
    void finish() {
        while (!ends_.empty() && ends_.begin()->first <= now_ms_) {
            const Request one = ends_.extract(ends_.begin()).mapped();
            if (one.refused)
                limit.refuse(terms, now_ms_, one.began_ms, under_way());
            else if (!one.begun)
                limit.record(terms, now_ms_, (now_ms_ - one.began_ms) * 1'000, under_way(), baseline);
            if (!one.refused && !one.begun && hold_ms != 0) {
                ends_.emplace(now_ms_ + hold_ms, Request{.began_ms = one.began_ms, .begun = true});
                continue;
            }
            (one.refused ? refused : served) += 1;
            (one.refused ? in_refusal_ : in_service_) -= 1;
            for (; !queue_.empty() && in_service_ < capacity; queue_.pop_front()) serve(queue_.front());
        }
    }

    std::mt19937_64 random_;
    bool refuses_;
    uint64_t now_ms_ = 1'000'000;
    std::multimap<uint64_t, Request> ends_;  // by when
    std::deque<uint64_t> queue_;             // when they began
    uint32_t in_service_ = 0, in_refusal_ = 0;
    uint64_t sum_ = 0, ticks_ = 0;
};

constexpr uint64_t minute_ms = 60'000;

void expect_band(const Simulation& s) {
    EXPECT_GE(s.mean(), 0.9 * s.capacity);
    EXPECT_LE(s.mean(), s.spread < 1 ? 2.25 * s.capacity + 6 : 3.0 * s.capacity + 15);
    EXPECT_GE(s.least, 1u);
}

void expect_end(uint64_t seed, uint32_t capacity, double spread) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " capacity " << capacity << " spread " << spread);
    Simulation s(seed, capacity);
    s.spread = spread;
    s.run_for(2 * minute_ms);
    s.forget();
    s.run_for(2 * minute_ms);
    expect_band(s);
    const double possible = s.capacity * 2.0 * minute_ms / s.service_ms;
    EXPECT_GE(static_cast<double>(s.served), 0.85 * possible) << "the provider has always had enough to do";
}

TEST(AdaptiveLimit, EndsWhereTheProviderHasEnoughToDoAndNoLongQueue) {
    for (uint64_t seed = 1; seed <= 3; ++seed)
        for (const uint32_t capacity : {1u, 2u, 4u, 16u, 50u, 200u})
            for (const double spread : {0.0, 0.5, 1.0}) expect_end(seed, capacity, spread);
}

TEST(AdaptiveLimit, WhoRefusesWhatIsBeyondItIsAskedThatMuch_AndSeldomMore) {
    for (const uint32_t capacity : {1u, 2u, 8u, 50u}) {
        SCOPED_TRACE(capacity);
        Simulation s(capacity, capacity, true);
        s.run_for(minute_ms);
        s.forget();
        s.run_for(2 * minute_ms);
        EXPECT_GE(s.mean(), 0.5 * capacity);
        EXPECT_LE(s.mean(), capacity + 1.0);
        EXPECT_LE(s.refused, s.served / 20 + 12 * 2 * 2) << s.served;  // twelve ten seconds, a few each time
        const double possible = capacity * 2.0 * minute_ms / s.service_ms;
        EXPECT_GE(static_cast<double>(s.served), 0.7 * possible);
    }
}

TEST(AdaptiveLimit, FollowsACapacityDownAndUpAgain) {
    Simulation s(7, 40);
    s.run_for(2 * minute_ms);
    s.capacity = 8;
    s.run_for(minute_ms);
    s.forget();
    s.run_for(minute_ms);
    expect_band(s);
    s.capacity = 40;
    s.run_for(minute_ms);
    s.forget();
    s.run_for(minute_ms);
    expect_band(s);
}

TEST(AdaptiveLimit, ASlowdownThatIsNotOfOurMakingIsLearned_AndForgotten) {
    Simulation s(8, 20);
    s.run_for(2 * minute_ms);
    s.service_ms = 1'000;  // longer prompts, a larger model: each takes more, as many go at once
    s.run_for(2 * minute_ms);
    s.forget();
    s.run_for(minute_ms);
    expect_band(s);
    s.service_ms = 200;
    s.run_for(minute_ms);
    s.forget();
    s.run_for(minute_ms);
    expect_band(s);
}

TEST(AdaptiveLimit, GrowsNoFurtherThanItIsUsed) {
    Simulation s(9, 1'000);
    s.demand = 6;
    s.run_for(5 * minute_ms);
    EXPECT_LE(s.limit.limit(s.terms), 20u) << "of what few requests tell, nothing follows for many";
}

TEST(AdaptiveLimit, StaysWithinItsBounds_WhateverComes) {
    std::mt19937_64 random(11);
    for (int run = 0; run < 200; ++run) {
        const auto min = static_cast<uint32_t>(1 + random() % 20);
        const AdaptiveTerms terms{.min = min, .max = static_cast<uint32_t>(min + random() % 100)};
        AdaptiveLimit limit;
        TimeBaseline baseline;
        uint64_t now_ms = 5'000;
        for (int i = 0; i < 2'000; ++i) {
            now_ms += random() % 400;
            const auto under_way = static_cast<uint32_t>(random() % 300);
            if (random() % 50 == 0)
                limit.refuse(terms, now_ms, now_ms - random() % 1'000, under_way);
            else
                limit.record(terms, now_ms, random() >> (random() % 64), under_way, baseline);
            ASSERT_GE(limit.limit(terms), terms.min);
            ASSERT_LE(limit.limit(terms), terms.max);
        }
    }
}

TEST(AdaptiveLimit, ManyRefusalsOfOneRoundAreOneCut) {
    AdaptiveLimit limit;
    const AdaptiveTerms terms{.min = 1, .max = 100};
    for (uint32_t i = 0; i < 10; ++i) limit.refuse(terms, 2'000 + i, 1'900 + i, 10 - i);
    EXPECT_EQ(limit.limit(terms), 7u) << "three quarters of ten, once";
    limit.refuse(terms, 2'200, 2'100, 7);
    EXPECT_EQ(limit.limit(terms), 5u);
    for (int i = 0; i < 100; ++i) limit.refuse(terms, 3'000 + i * 10, 2'999 + i * 10, 1);
    EXPECT_EQ(limit.limit(terms), 1u) << "who is refused for ever is asked one at a time";
}

TEST(AdaptiveLimit, AfterAnOutageItRecovers) {
    Simulation s(12, 30);
    s.run_for(minute_ms);
    for (int i = 0; i < 100; ++i) s.limit.refuse(s.terms, s.now_ms() + i * 10, s.now_ms() + i * 10 - 1, 1);
    EXPECT_EQ(s.limit.limit(s.terms), 1u);
    s.run_for(minute_ms);
    s.forget();
    s.run_for(minute_ms);
    expect_band(s);
}

TEST(AdaptiveLimit, AnswersThatTakeMinutesAreLearnedFromToo) {
    Simulation s(14, 6);
    s.service_ms = 90'000;
    s.limit.refuse(s.terms, s.now_ms(), s.now_ms() - 1, 1);
    s.run_for(180 * minute_ms);
    s.forget();
    s.run_for(60 * minute_ms);
    expect_band(s);
}

TEST(AdaptiveLimit, StreamsThatHoldTheirPlaceForLongAreNoReasonToStay) {
    for (const uint64_t hold_ms : {20'000u, 100'000u, 400'000u}) {
        SCOPED_TRACE(hold_ms);
        Simulation s(15, 1'000);
        s.demand = 12;
        s.service_ms = 1'000;
        s.hold_ms = hold_ms;
        for (int i = 0; i < 50; ++i) s.limit.refuse(s.terms, s.now_ms() + i * 10, s.now_ms() + i * 10 - 1, 1);
        ASSERT_EQ(s.limit.limit(s.terms), 1u);
        s.run_for(20 * minute_ms + 20 * hold_ms);
        s.forget();
        s.run_for(20 * hold_ms);
        EXPECT_GE(s.mean(), 10) << "twelve are asked for, and nothing resists";
    }
}

TEST(AdaptiveLimit, FewAnswersAMinuteAreEnough) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 1, .max = 100};
    uint64_t now_ms = 1'000;
    for (uint32_t i = 0; i < 50; ++i, now_ms += 10) limit.refuse(terms, now_ms, now_ms - 1, 1);
    ASSERT_EQ(limit.limit(terms), 1u);
    for (int i = 0; i < 200; ++i) limit.record(terms, now_ms += 20'000, 900'000, limit.limit(terms), baseline);
    EXPECT_GE(limit.limit(terms), 10u);
}

TEST(AdaptiveLimit, OneFailureAtNightTakesAQuarter) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 1, .max = 200};
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 20'000; ++i) limit.record(terms, now_ms += 10, 100'000, limit.limit(terms), baseline);
    ASSERT_EQ(limit.limit(terms), 200u);
    limit.refuse(terms, now_ms + 1'000, now_ms, 1);
    EXPECT_EQ(limit.limit(terms), 150u);
}

TEST(AdaptiveLimit, AfterAPauseItBeginsAsAtFirst) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 1, .max = 100};
    for (uint32_t i = 0; i < 50; ++i) limit.refuse(terms, 1'000 + i * 10, 999 + i * 10, 1);
    for (uint64_t i = 0; i < 4; ++i) limit.record(terms, 2'000 + i * 200, 100'000, 1, baseline);
    ASSERT_EQ(limit.limit(terms), 1u);
    limit.record(terms, 28'800'000, 100'000, 1, baseline);
    EXPECT_EQ(limit.limit(terms), AdaptiveLimit::initial);
}

TEST(AdaptiveLimit, WhereNothingResistsNobodyIsRefusedForAMeasurement) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 1, .max = 10};
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 6'000; ++i) {
        const bool noisy = i / 30 % 20 == 0;  // a second now and then
        limit.record(terms, now_ms += 100, noisy ? 1'900'000 : 1'000'000, 6, baseline);
        ASSERT_GE(limit.limit(terms), 6u) << i;
    }
}

TEST(AdaptiveLimit, AMeasurementLeavesHalfOfWhatIsAskedFor) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 1, .max = 10};
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 6'000; ++i) {
        const uint32_t under_way = std::min(6u, limit.limit(terms));
        limit.record(terms, now_ms += 100, i % 300 < 100 ? 1'600'000 : 1'000'000, under_way, baseline);
        ASSERT_GE(limit.limit(terms), 3u) << i;
    }
}

TEST(AdaptiveLimit, WhatManyModelsTakeIsLearnedAnew) {
    AdaptiveLimit limit;
    std::array<TimeBaseline, 4> baselines;
    const AdaptiveTerms terms{.min = 1, .max = 40};
    uint64_t now_ms = 1'000;
    const auto run = [&](uint64_t us) {
        for (size_t i = 0; i < 20'000; ++i)
            limit.record(terms, now_ms += 50, us, limit.limit(terms), baselines[i % baselines.size()]);
    };
    run(200'000);
    ASSERT_EQ(limit.limit(terms), 40u);
    run(1'000'000);
    EXPECT_EQ(limit.limit(terms), 40u) << "longer prompts, however many are under way";
}

TEST(AdaptiveLimit, OneOutlierMovesLittle) {
    Simulation s(13, 16);
    s.run_for(2 * minute_ms);
    const uint32_t before = s.limit.limit(s.terms);
    s.limit.record(s.terms, s.now_ms(), 600'000'000, before, s.baseline);
    s.run_for(1'000);
    EXPECT_GE(s.limit.limit(s.terms), before / 4) << "in two windows at most a half each";
}

TEST(AdaptiveLimit, ModelsOfDifferentTimesShareIt) {
    AdaptiveLimit limit;
    const AdaptiveTerms terms{.min = 1, .max = 100};
    TimeBaseline quick, slow;
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 2'000; ++i) {
        now_ms += 50;
        limit.record(terms, now_ms, 100'000, limit.limit(terms), quick);
        limit.record(terms, now_ms, 5'000'000, limit.limit(terms), slow);
    }
    EXPECT_EQ(limit.limit(terms), 100u) << "a model that takes long is not one that queues";
}

TEST(TimeBaseline, IsTheMeanWhereNothingElseGoesOn) {
    TimeBaseline baseline;
    for (uint32_t i = 1; i < TimeBaseline::samples; ++i) EXPECT_FALSE(baseline.record(1'000, true)) << i;
    (void)baseline.record(1'000, true);
    EXPECT_EQ(baseline.value_us(), 1'000u);
    EXPECT_EQ(baseline.record(3'000, false), 3.0);
    for (int i = 0; i < 1'000; ++i) (void)baseline.record(9'000, false);
    EXPECT_EQ(baseline.value_us(), 1'000u) << "a queue is no baseline";
    for (uint32_t i = 0; i < 10 * TimeBaseline::samples; ++i) (void)baseline.record(2'000, true);
    EXPECT_NEAR(static_cast<double>(baseline.value_us()), 2'000, 2);
}

TEST(AdaptiveLimitThreads, LoseNothingThatMatters) {
    AdaptiveLimit limit;
    TimeBaseline baseline;
    const AdaptiveTerms terms{.min = 2, .max = 50};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (uint64_t i = 0; i < 50'000; ++i) {
                const uint64_t now_ms = 1'000 + i;
                if (t == 0 && i % 1'000 == 999) limit.refuse(terms, now_ms, now_ms - 1, limit.limit(terms));
                limit.record(terms, now_ms, 1'000 + i % 7, limit.limit(terms), baseline);
                const uint32_t now = limit.limit(terms);
                if (now < terms.min || now > terms.max) ADD_FAILURE() << now;
            }
        });
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace loom::route
