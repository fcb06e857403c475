// Sudden changes in simulated weeks: none of the harmless tables is told, each of the harmful is told within its bound.
#include "loom/tenant/anomaly.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numbers>
#include <random>
#include <set>

namespace loom::tenant {
namespace {

constexpr int64_t hour_s = 3'600, day_s = 86'400, week_s = 7 * day_s;
constexpr int64_t begin_s = 1'767'571'200;  // 2026-01-05T00:00:00Z, a Monday
constexpr int64_t learned_s = begin_s + 5 * week_s;
constexpr Money dollar = 1'000'000'000'000;

IpBytes v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}

struct Ask {
    std::string consumer = "app";
    double tokens = 1'000;  // the middle of them
    double spread = 0.8;    // of their logarithm
    double client_errors = 0.01, provider_errors = 0.002;
    std::string model = "gpt-4o";
    IpBytes ip = v4(10, 0, 0, 1);
};

/// Hours of a world in which consumers work.
class World {
  public:
    explicit World(AnomalyOptions options = {}, uint64_t seed = 1)
        : options_(options),
          detector(std::make_unique<AnomalyDetector>(options, [this](const Alert& alert) { told.push_back(alert); })),
          random(seed) {}

    void ask(const Ask& how) {
        Activity activity;
        activity.consumer = std::string_view(how.consumer);
        activity.model = std::string_view(how.model);
        activity.tokens = static_cast<uint64_t>(how.tokens * std::exp(how.spread * normal()));
        activity.cost = static_cast<Money>(activity.tokens) * (dollar / 100'000);  // $10 for a million
        activity.ip = how.ip;
        activity.has_ip = activity.identified = true;
        activity.client_error = uniform() < how.client_errors;
        activity.provider_error = !activity.client_error && uniform() < how.provider_errors;
        if (activity.client_error || activity.provider_error) activity.tokens = 0, activity.cost = 0;
        detector->note(activity);
    }
    /// So many, by chance, in the hour at hand.
    void some(double rate, const Ask& how = {}) {
        const auto count = std::poisson_distribution<int>(std::max(rate, 1e-9))(random);
        for (int i = 0; i < count; ++i) ask(how);
    }
    /// Each hour until then, by what is done in one.
    template <class Hour>
    void until(int64_t end_s, Hour hour) {
        for (; now_s < end_s; now_s += hour_s) {
            detector->pass(now_s);
            hour(now_s);
        }
    }
    void restart() {
        std::map<std::string, std::string> kept;
        detector->save_changed([&](const std::string& name, std::string_view bytes) { kept[name] = bytes; });
        detector = std::make_unique<AnomalyDetector>(options_, [this](const Alert& alert) { told.push_back(alert); });
        for (const auto& [name, bytes] : kept) EXPECT_TRUE(detector->restore(name, bytes));
    }
    [[nodiscard]] double uniform() { return std::uniform_real_distribution<>(0, 1)(random); }
    [[nodiscard]] double normal() { return std::normal_distribution<>(0, 1)(random); }
    [[nodiscard]] std::vector<Alert> told_of(AlertType type, LimitScope scope = LimitScope::consumer) const {
        std::vector<Alert> found;
        for (const Alert& one : told)
            if (one.type == type && one.scope == scope) found.push_back(one);
        return found;
    }
    [[nodiscard]] std::string all_told() const {
        std::string text;
        for (const Alert& one : told)
            text += fmt::format("{} {} '{}' {} at week {:.2f}: {} (usual {}) of {}\n", alert_type_name(one.type),
                                limit_scope_name(one.scope), one.name.view(), one.anomaly.subject.view(),
                                static_cast<double>(one.unix_s - begin_s) / week_s, one.anomaly.value,
                                one.anomaly.usual, one.anomaly.requests);
        return text;
    }

    AnomalyOptions options_;
    std::vector<Alert> told;
    std::unique_ptr<AnomalyDetector> detector;
    std::mt19937_64 random;
    int64_t now_s = begin_s;
};

/// More of them say more: LOOM_SIMULATED_SEEDS.
uint64_t seeds() {
    const char* const text = std::getenv("LOOM_SIMULATED_SEEDS");
    return text == nullptr ? 2 : std::strtoull(text, nullptr, 10);
}

int hour_of(int64_t now_s) { return static_cast<int>(now_s / hour_s % 24); }
int day_of(int64_t now_s) { return static_cast<int>((now_s - begin_s) / day_s % 7); }  // 0 is Monday

double steady(int64_t) { return 200; }
double daily(int64_t now_s) { return 200 * (1 + 0.9 * std::sin(2 * std::numbers::pi * (hour_of(now_s) - 8) / 24)); }
double office(int64_t now_s) {
    const int hour = hour_of(now_s);
    return day_of(now_s) < 5 && hour >= 8 && hour < 18 ? 150 : 0;
}

struct Harmless {
    const char* name;
    std::function<void(World&, int64_t)> hour;
};
void PrintTo(const Harmless& one, std::ostream* out) { *out << one.name; }

/// Comes back to it in sessions.
void developer(World& world, double sessions_a_day, const Ask& how = {}) {
    if (world.uniform() < sessions_a_day / 24) world.some(60 * std::exp(0.7 * world.normal()), how);
}

const std::vector<Harmless> harmless = {
    {"steady", [](World& w, int64_t now) { w.some(steady(now)); }},
    {"small", [](World& w, int64_t) { w.some(3.0 / 24); }},
    {"daily_rhythm", [](World& w, int64_t now) { w.some(daily(now)); }},
    {"weekend", [](World& w, int64_t now) { w.some(office(now)); }},
    {"growth_of_20_percent_a_week",
     [](World& w, int64_t now) { w.some(daily(now) * std::pow(1.2, double(now - begin_s) / week_s)); }},
    {"shrinks", [](World& w, int64_t now) { w.some(daily(now) * std::pow(0.8, double(now - begin_s) / week_s)); }},
    {"sessions_at_any_hour", [](World& w, int64_t) { developer(w, 4); }},
    {"sessions_of_large_requests", [](World& w, int64_t) { developer(w, 4, {.tokens = 20'000}); }},
    {"one_huge_request",
     [](World& w, int64_t now) {
         w.some(daily(now));
         if (now == learned_s + 30 * hour_s) w.ask({.tokens = 5'000'000, .client_errors = 0});
     }},
    {"new_consumer",
     [](World& w, int64_t now) {
         w.some(daily(now));
         if (now >= learned_s) w.some(2 * daily(now), {.consumer = "newcomer", .ip = v4(10, 9, 9, 9)});
     }},
    {"nightly_batch",
     [](World& w, int64_t now) {
         if (hour_of(now) == 3) w.some(500, {.tokens = 5'000});
     }},
    {"weekly_report",
     [](World& w, int64_t now) {
         w.some(office(now));
         if (hour_of(now) == 9 && day_of(now) == 0) w.some(1'000);
     }},
    {"often_another_network",
     [](World& w, int64_t now) {
         const auto net = static_cast<uint8_t>((now - begin_s) / (8 * hour_s) % 251);
         w.some(office(now), {.ip = v4(100, 64, net, 7)});
     }},
    {"an_address_of_its_own_network",
     [](World& w, int64_t now) { w.some(office(now), {.ip = v4(192, 0, 2, static_cast<uint8_t>(now / day_s))}); }},
    {"fails_often",
     [](World& w, int64_t now) { w.some(daily(now), {.client_errors = 0.25, .provider_errors = 0.05}); }},
    {"one_hour_later_in_summer", [](World& w, int64_t now) { w.some(office(now >= learned_s ? now - hour_s : now)); }},
    {"a_model_that_is_new_to_everybody",
     [](World& w, int64_t now) {
         // One consumer is told of as the first.
         for (const char* const name : {"app", "b", "c", "d"})
             w.some(20, {.consumer = name, .model = now >= learned_s && *name != 'a' ? "gpt-6" : "gpt-4o"});
     }},
};

class HarmlessWeeks : public testing::TestWithParam<Harmless> {};

TEST_P(HarmlessWeeks, AreNotTold) {
    const bool one_model = std::string_view(GetParam().name) == "a_model_that_is_new_to_everybody";
    for (uint64_t seed = 1; seed <= seeds(); ++seed) {
        World world({}, seed);
        world.until(begin_s + 14 * week_s, [&](int64_t now) { GetParam().hour(world, now); });
        EXPECT_EQ(world.told.size(), one_model ? 1u : 0u) << "seed " << seed << "\n" << world.all_told();
    }
}
INSTANTIATE_TEST_SUITE_P(Of, HarmlessWeeks, testing::ValuesIn(harmless),
                         [](const auto& one) { return std::string(one.param.name); });

struct Harmful {
    const char* name;
    AlertType type;
    int64_t within_s;  // of its beginning, at learned_s
    std::function<void(World&, int64_t)> hour;
    size_t told_max = 1;
};
void PrintTo(const Harmful& one, std::ostream* out) { *out << one.name; }

const std::vector<Harmful> harmful = {
    {"burst_of_ten_times", AlertType::spend_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(steady(now) * (now == learned_s ? 10 : 1)); }},
    {"five_times_and_stays", AlertType::spend_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(steady(now) * (now >= learned_s ? 5 : 1)); }},
    {"a_small_one_becomes_large", AlertType::spend_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(now >= learned_s ? 1'000 : 5); }},
    {"dearer_requests_as_many", AlertType::spend_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(200, {.tokens = now >= learned_s ? 10'000.0 : 1'000.0}); }},
    {"the_day_at_night", AlertType::spend_anomaly, 2 * hour_s,
     [](World& w, int64_t now) { w.some(now == learned_s + hour_s ? 1'500 : daily(now)); }},
    {"half_of_it_fails", AlertType::client_errors_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(100, {.client_errors = now >= learned_s ? 0.5 : 0.01}); }},
    {"more_fails_than_often", AlertType::client_errors_anomaly, hour_s,
     [](World& w, int64_t now) { w.some(200, {.client_errors = now >= learned_s ? 0.8 : 0.2}); }},
    {"another_network", AlertType::new_address, hour_s,
     [](World& w, int64_t now) {
         w.some(50);
         if (now >= learned_s) w.ask({.ip = v4(203, 0, 113, 66)});
     }},
    {"another_model", AlertType::new_model, hour_s,
     [](World& w, int64_t now) {
         w.some(50);
         w.some(50, {.consumer = "other", .model = "o3-pro"});
         if (now >= learned_s) w.ask({.model = "o3-pro"});
     }},
    {"at_night", AlertType::unusual_hours, 2 * hour_s,
     [](World& w, int64_t now) { w.some(now == learned_s + hour_s ? 40 : office(now)); }},
};

class HarmfulWeeks : public testing::TestWithParam<Harmful> {};

TEST_P(HarmfulWeeks, AreToldWithinTheirBoundAndOnce) {
    for (uint64_t seed = 1; seed <= seeds(); ++seed) {
        World world({}, seed);
        world.until(learned_s + week_s, [&](int64_t now) { GetParam().hour(world, now); });
        const auto told = world.told_of(GetParam().type);
        ASSERT_GE(told.size(), 1u) << "seed " << seed << "\n" << world.all_told();
        EXPECT_GE(told[0].unix_s, learned_s);
        EXPECT_LT(told[0].unix_s, learned_s + GetParam().within_s) << world.all_told();
        EXPECT_LE(told.size(), GetParam().told_max) << "a new usual becomes one\n" << world.all_told();
        for (const Alert& one : told) EXPECT_EQ(one.name.view(), "app");
    }
}
INSTANTIATE_TEST_SUITE_P(Of, HarmfulWeeks, testing::ValuesIn(harmful),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Anomaly, AnOutageIsToldOfAllTogether_NotOfEach) {
    World world;
    world.until(learned_s + 2 * hour_s, [&](int64_t now) {
        for (int i = 0; i < 20; ++i)
            world.some(40, {.consumer = fmt::format("c{}", i), .provider_errors = now == learned_s ? 0.6 : 0.002});
    });
    ASSERT_EQ(world.told.size(), 1u) << world.all_told();
    EXPECT_EQ(world.told[0].type, AlertType::provider_errors_anomaly);
    EXPECT_EQ(world.told[0].scope, LimitScope::global);
    EXPECT_EQ(world.told[0].name.view(), "");
}

/// All together are not told of again yet, and so nobody is.
TEST(Anomaly, ASecondOutageWithinTheRepeatIsNotToldOfEach) {
    World world;
    world.until(learned_s + 7 * hour_s, [&](int64_t now) {
        const bool is_out = now == learned_s || now == learned_s + 5 * hour_s;
        for (int i = 0; i < 20; ++i)
            world.some(40, {.consumer = fmt::format("c{}", i), .provider_errors = is_out ? 0.6 : 0.002});
    });
    ASSERT_EQ(world.told.size(), 1u) << world.all_told();
    EXPECT_EQ(world.told[0].scope, LimitScope::global);
}

TEST(Anomaly, NothingIsToldWhileItLearns) {
    World world;
    world.until(begin_s + 2 * week_s, [&](int64_t now) {
        const auto day = static_cast<uint8_t>((now - begin_s) / day_s);
        world.some(
            now - begin_s > week_s ? 2'000 : 20,
            {.client_errors = day % 2 == 0 ? 0.0 : 0.9, .model = fmt::format("m{}", day), .ip = v4(day, 1, 1, 1)});
    });
    EXPECT_EQ(world.told.size(), 0u) << world.all_told();
    EXPECT_EQ(world.detector->learned_count(), 0u);
}

TEST(Anomaly, WhatItTells) {
    World world;
    world.until(learned_s, [&](int64_t now) { world.some(steady(now)); });
    EXPECT_EQ(world.detector->learned_count(), 1u);
    world.until(learned_s + hour_s, [&](int64_t) {
        world.some(3'000, {.client_errors = 0.5, .model = "o3-pro", .ip = v4(203, 0, 113, 66)});
    });
    EXPECT_EQ(world.told_of(AlertType::new_address).at(0).anomaly.subject.view(), "203.0.113.0/24");
    EXPECT_EQ(world.told_of(AlertType::new_model).at(0).anomaly.subject.view(), "o3-pro");
    const Alert spend = world.told_of(AlertType::spend_anomaly).at(0);
    EXPECT_EQ(spend.anomaly.window_s, 3'600u);
    EXPECT_GT(spend.anomaly.value, 3 * spend.anomaly.usual);
    EXPECT_GT(spend.anomaly.usual, 150'000u) << "of 275 000 or so an hour";
    const Alert errors = world.told_of(AlertType::client_errors_anomaly).at(0);
    EXPECT_GE(errors.anomaly.requests, 20u);
    EXPECT_LT(errors.anomaly.usual, 80u) << "thousandths";
    EXPECT_GT(errors.anomaly.value * 10, errors.anomaly.requests);
}

/// Days of trouble: told of each day again, at the earliest.
TEST(Anomaly, TheSameIsToldAgainADayLaterAtTheEarliest_AndOnlyIfItWasOver) {
    World world;
    const auto on_and_off = [&](int64_t now) { world.some(steady(now) * (hour_of(now) % 6 == 0 ? 30 : 1)); };
    world.until(learned_s, [&](int64_t now) { world.some(steady(now)); });
    world.until(learned_s + day_s, on_and_off);
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 1u) << world.all_told();
    world.until(learned_s + 2 * day_s, on_and_off);
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 2u) << world.all_told();
    World stays;
    stays.until(learned_s, [&](int64_t now) { stays.some(steady(now)); });
    stays.until(learned_s + 3 * week_s, [&](int64_t now) { stays.some(20 * steady(now)); });
    EXPECT_EQ(stays.told_of(AlertType::spend_anomaly).size(), 1u) << stays.all_told();
}

/// Its usual alone is above half of what is told.
TEST(Anomaly, WhatIsUsualIsOver_WithALowFactorAndWhereMostFails) {
    const auto is_bad = [](int64_t now) { return now == learned_s || now == learned_s + 2 * day_s; };
    World spends({.factor = 1.5});
    spends.until(learned_s + 3 * day_s, [&](int64_t now) {  // never less than usual
        for (int i = 0; i < (is_bad(now) ? 2'000 : 200); ++i)
            spends.ask({.spread = 0, .client_errors = 0, .provider_errors = 0});
    });
    EXPECT_EQ(spends.told_of(AlertType::spend_anomaly).size(), 2u) << spends.all_told();
    World fails;
    fails.until(learned_s + 3 * day_s,
                [&](int64_t now) { fails.some(200, {.client_errors = is_bad(now) ? 1.0 : 0.6}); });
    EXPECT_EQ(fails.told_of(AlertType::client_errors_anomaly).size(), 2u) << fails.all_told();
}

TEST(Anomaly, AClockThatIsSetTeachesNothing_AndTellsNothing) {
    for (const int64_t by_s : {-3 * hour_s, -40 * week_s, 40 * week_s, 7 * hour_s}) {
        World world;
        world.until(learned_s, [&](int64_t now) { world.some(daily(now)); });
        world.now_s += by_s;  // wrong for a while: its rhythm goes on by the hour that it is
        const int64_t wrong_until_s = world.now_s + 5 * hour_s;
        world.until(wrong_until_s, [&](int64_t now) { world.some(daily(now - by_s)); });
        world.now_s -= by_s;
        world.until(learned_s + 4 * week_s, [&](int64_t now) { world.some(daily(now)); });
        EXPECT_EQ(world.told.size(), 0u) << by_s << "\n" << world.all_told();
        world.until(learned_s + 4 * week_s + hour_s, [&](int64_t now) { world.some(20 * daily(now)); });
        EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 1u) << by_s << ": and it still tells";
    }
}

TEST(Anomaly, WhatIsLearnedSurvivesARestart_AndAWeekWithoutLoom) {
    World world;
    world.until(learned_s, [&](int64_t now) { world.some(office(now)); });
    world.restart();
    EXPECT_EQ(world.detector->learned_count(), 1u);
    world.until(learned_s + week_s, [&](int64_t now) { world.some(office(now)); });
    world.restart();
    world.now_s += week_s;
    world.until(world.now_s + week_s, [&](int64_t now) { world.some(office(now)); });
    EXPECT_EQ(world.told.size(), 0u) << world.all_told();
    world.restart();
    world.until(world.now_s + hour_s, [&](int64_t) { world.some(3'000); });
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 1u) << world.all_told();
    world.restart();
    world.until(world.now_s + hour_s, [&](int64_t) { world.some(3'000); });
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 1u) << "it knows what it has told";
}

TEST(Anomaly, WhatIsNoProfileIsLearnedAnew) {
    World world;
    world.until(learned_s, [&](int64_t now) { world.some(steady(now)); });
    std::string kept;
    world.detector->save_changed([&](const std::string& name, std::string_view bytes) {
        if (name == "app") kept = bytes;
    });
    AnomalyDetector fresh({}, [](const Alert&) {});
    size_t refused = 0;
    for (size_t size = 0; size < kept.size(); size += 7, ++refused)
        EXPECT_FALSE(fresh.restore("app", std::string_view(kept).substr(0, size))) << size;
    std::string other = kept;
    other[0] = 99;
    EXPECT_FALSE(fresh.restore("app", other)) << "another version";
    std::string wild = kept;
    std::memset(wild.data() + 64, 0xff, 64);
    EXPECT_FALSE(fresh.restore("app", wild)) << "numbers that are none";
    AnomalyDetector minutes({.window_s = 60}, [](const Alert&) {});
    EXPECT_FALSE(minutes.restore("app", kept)) << "of other windows";
    EXPECT_EQ(minutes.take_forgotten(), std::vector<std::string>{"app"}) << "nobody will read it";
    EXPECT_EQ(fresh.take_forgotten().size(), refused + 2);
    EXPECT_TRUE(fresh.restore("app", kept));
    EXPECT_EQ(fresh.learned_count(), 1u);
    EXPECT_EQ(fresh.take_forgotten().size(), 0u);
    AnomalyDetector full({.consumers_max = 0}, [](const Alert&) {});
    EXPECT_FALSE(full.restore("app", kept));
    EXPECT_EQ(full.take_forgotten().size(), 0u) << "there may be a place for it another time";
}

/// Whatever bytes are on the disk, nothing breaks that reads them.
TEST(Anomaly, RandomBytesAreRefusedOrTaken) {
    World world;
    world.until(learned_s, [&](int64_t now) { world.some(steady(now)); });
    std::string kept;
    world.detector->save_changed([&](const std::string& name, std::string_view bytes) {
        if (name == "app") kept = bytes;
    });
    int taken = 0, refused = 0;
    for (int round = 0; round < 2'000; ++round) {
        std::string damaged = kept;
        for (int i = 0; i < 4; ++i)
            damaged[8 + world.random() % (damaged.size() - 8)] = static_cast<char>(world.random());
        AnomalyDetector detector({}, [](const Alert&) {});
        if (!detector.restore("app", damaged)) {
            refused += 1;
            EXPECT_EQ(detector.consumer_count(), 0u);
            continue;
        }
        taken += 1;
        detector.pass(learned_s);
        Activity activity;
        activity.consumer = std::string_view("app");
        activity.model = std::string_view("m");
        activity.tokens = 1'000'000;
        activity.has_ip = activity.identified = true;
        for (int i = 0; i < 30; ++i) detector.note(activity);
        detector.pass(learned_s + hour_s);
        detector.pass(learned_s + 2 * hour_s);
        // What was made of it is numbers still, and is taken again.
        AnomalyDetector next({}, [](const Alert&) {});
        detector.save_changed([&](const std::string& name, std::string_view bytes) {
            EXPECT_TRUE(next.restore(name, bytes)) << "round " << round << ", '" << name << "'";
        });
        EXPECT_EQ(next.consumer_count(), detector.consumer_count());  // who is idle for long is forgotten
    }
    EXPECT_GT(taken, 100);
    EXPECT_GT(refused, 100);
}

TEST(Anomaly, ConsumersBeyondTheBoundAreCounted_AndOldOnesMakeRoom) {
    World world({.consumers_max = 3});
    world.until(begin_s + day_s, [&](int64_t) {
        for (const char* const name : {"a", "b", "c", "d"}) world.ask({.consumer = name});
    });
    EXPECT_EQ(world.detector->consumer_count(), 3u);
    EXPECT_EQ(world.detector->unwatched(), 24u);
    world.until(begin_s + 92 * day_s, [&](int64_t) { world.ask({.consumer = "b"}); });
    EXPECT_EQ(world.detector->consumer_count(), 1u);
    EXPECT_EQ(world.detector->take_forgotten().size(), 2u);
    world.ask({.consumer = "d"});
    EXPECT_EQ(world.detector->consumer_count(), 2u);
    EXPECT_LT(AnomalyDetector::profile_bytes, 8'192u);
}

/// Who can make tokens makes as many names as he likes.
TEST(Anomaly, WhoIsListedTakesThePlaceOfTheLongestIdleWhomOnlyATokenKnows) {
    World world({.consumers_max = 3});
    world.until(begin_s + 10 * hour_s, [&](int64_t now_s) {
        world.ask({.consumer = "token/issuer/a"});
        if (now_s < begin_s + 3 * hour_s) world.ask({.consumer = "token/issuer/b"});
        world.ask({.consumer = "token/issuer/c"});
    });
    const uint64_t before = world.detector->unwatched();
    world.ask({.consumer = "token/issuer/d"});
    EXPECT_EQ(world.detector->unwatched(), before + 1) << "they take each other's places not";
    world.ask({.consumer = "app"});
    EXPECT_EQ(world.detector->take_forgotten(), std::vector<std::string>{"token/issuer/b"});
    world.ask({.consumer = "other"});
    world.ask({.consumer = "third"});
    EXPECT_EQ(world.detector->take_forgotten().size(), 2u);
    EXPECT_EQ(world.detector->unwatched(), before + 1);
    world.ask({.consumer = "fourth"});
    EXPECT_EQ(world.detector->unwatched(), before + 2) << "who is listed gives way to nobody";
    EXPECT_EQ(world.detector->consumer_count(), 3u);
}

/// What could not be read at the start.
TEST(Anomaly, WhatIsReadLateIsTakenWhereItWasLearnedForLonger) {
    World world, late;
    world.until(begin_s + week_s, [&](int64_t) { world.ask({.consumer = "app"}); });
    std::map<std::string, std::string> kept;
    world.detector->save_changed([&](const std::string& name, std::string_view bytes) { kept[name] = bytes; });
    late.until(begin_s + day_s, [&](int64_t) { late.ask({.consumer = "app"}); });
    const auto saved = [&] {
        std::string found;
        late.ask({.consumer = "app"});
        late.detector->save_changed([&](const std::string& name, std::string_view bytes) {
            if (name == "app") found = bytes;
        });
        return found;
    };
    const std::string own = saved();
    for (const auto& [name, bytes] : kept) EXPECT_TRUE(late.detector->restore(name, bytes));
    const std::string longer = saved();
    EXPECT_NE(longer.substr(0, 24), own.substr(0, 24));
    EXPECT_EQ(longer.substr(0, 24), kept["app"].substr(0, 24));
    EXPECT_TRUE(late.detector->restore("app", own));
    EXPECT_EQ(saved().substr(0, 24), longer.substr(0, 24)) << "what is shorter replaces nothing";
    EXPECT_EQ(late.detector->consumer_count(), 1u);
}

TEST(Anomaly, TextsAreCutBetweenCharacters) {
    for (const std::string character : {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
        for (size_t before = 0; before < 8; ++before) {
            std::string text(before, 'x');
            while (text.size() < 200) text += character;
            const ShortText<128> cut{std::string_view(text)};
            EXPECT_EQ((cut.view().size() - before) % character.size(), 0u);
            EXPECT_GT(cut.view().size(), 128 - character.size());
            EXPECT_TRUE(text.starts_with(cut.view()));
        }
    EXPECT_EQ(ShortText<128>(std::string_view(std::string(200, '\x80'))).view().size(), 128u);
}

TEST(Anomaly, NumbersStayNumbersWhereNothingIsSpentAndNoFloorIsSet) {
    World world({.tokens_floor = 0, .money_floor = 0, .requests_floor = 1});
    world.until(begin_s + 3 * week_s, [&](int64_t) { world.some(2, {.tokens = 0}); });
    world.restart();
    EXPECT_EQ(world.detector->learned_count(), 1u);
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 0u);
    world.until(world.now_s + hour_s, [&](int64_t) { world.some(50); });
    EXPECT_EQ(world.told_of(AlertType::spend_anomaly).size(), 1u);
}

TEST(Anomaly, KindsThatAreNotWantedAreNotTold) {
    World world({.spend = false, .errors = false, .addresses = false, .models = false, .hours = false});
    world.until(learned_s, [&](int64_t now) { world.some(office(now)); });
    world.until(learned_s + 2 * hour_s,
                [&](int64_t) { world.some(3'000, {.client_errors = 0.5, .model = "o3", .ip = v4(203, 0, 113, 66)}); });
    EXPECT_EQ(world.told.size(), 0u);
}

/// Who adds a kind is not told of all that is there as if it were new.
TEST(Anomaly, KindsThatWereNotWantedAreKnownOnceTheyAre) {
    World world({.spend = false, .errors = false, .addresses = false, .models = false, .hours = false});
    const auto hour = [&](int64_t now) {
        world.some(office(now));
        world.some(office(now), {.model = "o3", .ip = v4(203, 0, 113, 66)});
    };
    world.until(learned_s, hour);
    world.options_ = {};
    world.restart();
    world.until(learned_s + 2 * week_s, hour);
    EXPECT_EQ(world.told.size(), 0u) << world.all_told();
}

TEST(Anomaly, NetworksAreNamedAsTheyAreWritten) {
    EXPECT_EQ(anomaly_network(v4(203, 0, 113, 66)), "203.0.113.0/24");
    EXPECT_EQ(anomaly_network(parse_ip("2001:db8:1:2:3:4:5:6").value()), "2001:db8:1:2::/64");
    EXPECT_EQ(anomaly_network(parse_ip("2001:db8::1").value()), "2001:db8::/64");
    EXPECT_EQ(anomaly_network(parse_ip("::1").value()), "::/64");
    for (const char* const text : {"2001:db8:1:2::/64", "2001:db8::/64", "::/64"})
        EXPECT_TRUE(IpNetwork::parse(text)) << text;
}

/// What a team of a hundred consumers of all harmless kinds is told in half a year in which nothing happens.
TEST(Anomaly, FalseAlarmsInSimulatedMonths) {
    World world({}, 40 + seeds());
    const int count = seeds() > 2 ? 100 : 40;
    constexpr int weeks = 26;
    world.until(begin_s + weeks * week_s, [&](int64_t now) {
        for (int i = 0; i < count; ++i) {
            const double size = 0.05 * std::pow(1.6, i / 10);  // from ten requests a busy hour to a thousand or so
            Ask how{.consumer = fmt::format("c{}", i),
                    .tokens = i % 3 == 0 ? 8'000.0 : 1'000.0,
                    .spread = i % 2 == 0 ? 0.8 : 1.3,
                    .ip = v4(10, 1, static_cast<uint8_t>(i), 1)};
            if (i % 10 == 9) how.ip = v4(100, 64, static_cast<uint8_t>(now / week_s), 1);  // another each week
            const double noise = std::exp(0.3 * world.normal());
            switch (i % 5) {
                case 0: world.some(size * noise * daily(now), how); break;
                case 1: world.some(size * noise * office(now), how); break;
                case 2: developer(world, 2 + 4 * size, how); break;
                case 3:
                    world.some(size * noise * steady(now) * std::pow(1.03, double(now - begin_s) / week_s), how);
                    break;
                case 4:
                    if (hour_of(now) >= 8 && hour_of(now) < 19) developer(world, 12, how);
                    break;
            }
        }
    });
    std::map<std::string, int> by_type;
    for (const Alert& one : world.told) by_type[std::string(alert_type_name(one.type))] += 1;
    const double months = count * (weeks - 2) * 7.0 / 30.4;
    std::string text;
    for (const auto& [type, told] : by_type)
        text += fmt::format("{}: {} in {:.0f} consumer-months, {:.4f} a month\n", type, told, months, told / months);
    fmt::print("{}", text);
    RecordProperty("false_alarms", text);
    EXPECT_LT(static_cast<double>(world.told.size()) / months, 0.05) << text << world.all_told();
}

}  // namespace
}  // namespace loom::tenant
