// Who is asked: the strategies' distributions over seeded runs, and who stands in when somebody is unwell.
#include "loom/route/choose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace loom::route {
namespace {

constexpr BreakerOptions breaker{.failure_threshold = 2, .success_threshold = 1, .timeout_ms = 1'000, .restore_ms = 0};

/// A set of candidates with states, and a clock that the test turns.
class Choosing : public testing::Test {
  protected:
    void add(uint32_t weight = 1, const Price* price = nullptr) {
        Candidate one;
        one.provider_ix = static_cast<uint16_t>(candidates.size());
        one.weight = weight;
        one.price = price;
        one.provider_state = std::make_shared<TargetState>(false);
        one.model_state = std::make_shared<TargetState>(true);
        candidates.push_back(std::move(one));
        turn = Turn(candidates.size());
    }
    std::optional<Choice> choose_one() { return choose(options, terms, candidates, tried, turn, random); }
    /// How often each was chosen. Nobody's attempt lasts.
    std::map<size_t, int> choose_many(int count) {
        std::map<size_t, int> counts;
        for (int i = 0; i < count; ++i) {
            auto choice = choose_one();
            if (!choice) continue;
            counts[choice->index] += 1;
            leave(options, candidates[choice->index], terms.now_ms, choice->passage);
        }
        return counts;
    }
    void fail(size_t index, int times = 2) {
        for (int i = 0; i < times; ++i) {
            BreakerPass pass;
            Breaker& one = candidates[index].provider_state->breaker;
            if (one.enter(breaker, terms.now_ms, pass)) one.leave(breaker, terms.now_ms, pass, BreakerOutcome::failure);
        }
    }
    void took(size_t index, uint64_t us) {
        candidates[index].model_state->latency()->of(terms.stream).record(options.latency, terms.now_ms, us);
    }

    ChoiceOptions options{.breaker = breaker};
    ChoiceTerms terms{.now_ms = 10'000};
    std::vector<Candidate> candidates;
    Tried tried;
    Turn turn{0};
    Random random{42};
};

TEST_F(Choosing, PriorityAsksTheFirst) {
    for (int i = 0; i < 3; ++i) add();
    EXPECT_EQ(choose_many(100), (std::map<size_t, int>{{0, 100}}));
    tried.set(0);
    EXPECT_EQ(choose_one()->index, 1u);
    tried.set();
    EXPECT_FALSE(choose_one().has_value());
}

TEST_F(Choosing, ByARequestsOwnOrder) {
    for (int i = 0; i < 4; ++i) add();
    candidates[0].routed = true;
    const std::vector<uint16_t> order = {2, 0, 3, 1};
    terms.order = order;
    for (const Strategy one : {Strategy::priority, Strategy::complexity, Strategy::task}) {
        terms.strategy = one;
        EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{2, 10}})) << "before a model route, too";
    }
    fail(2);
    EXPECT_EQ(choose_one()->index, 0u);
    Tried unfit;
    unfit.set(0);
    terms.unfit = &unfit;
    EXPECT_EQ(choose_one()->index, 3u);
    terms.strategy = Strategy::round_robin;
    candidates[0].routed = false;
    EXPECT_EQ(choose_many(4), (std::map<size_t, int>{{1, 2}, {3, 2}})) << "the others know no order";
}

TEST_F(Choosing, RoundRobinIsEvenAndStaysSoWhileOneIsAway) {
    for (int i = 0; i < 4; ++i) add();
    terms.strategy = Strategy::round_robin;
    for (const auto& [index, count] : choose_many(400)) EXPECT_EQ(count, 100) << index;
    fail(2);
    const auto counts = choose_many(300);
    EXPECT_FALSE(counts.contains(2));
    EXPECT_EQ(counts.at(0), 100);
    EXPECT_EQ(counts.at(1), 100);
    EXPECT_EQ(counts.at(3), 100);
}

TEST_F(Choosing, WeightedIsExactAndSmooth) {
    add(5);
    add(1);
    add(1);
    terms.strategy = Strategy::weighted;
    std::string order;
    for (int i = 0; i < 14; ++i) order += static_cast<char>('a' + choose_one()->index);
    EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST_F(Choosing, WeightedIsExactForAnyWeights) {
    Random seeds(1);
    for (int run = 0; run < 50; ++run) {
        candidates.clear();
        uint32_t total = 0;
        const size_t count = 2 + seeds.next() % 9;
        for (size_t i = 0; i < count; ++i) {
            add(1 + static_cast<uint32_t>(seeds.next() % 40));
            total += candidates.back().weight;
        }
        terms.strategy = Strategy::weighted;
        for (const auto& [index, n] : choose_many(static_cast<int>(total)))
            EXPECT_EQ(static_cast<uint32_t>(n), candidates[index].weight) << "run " << run;
    }
}

TEST_F(Choosing, RandomGoesByWeight) {
    add(70);
    add(20);
    add(10);
    terms.strategy = Strategy::random;
    auto counts = choose_many(100'000);
    EXPECT_NEAR(counts[0], 70'000, 700);
    EXPECT_NEAR(counts[1], 20'000, 700);
    EXPECT_NEAR(counts[2], 10'000, 700);
}

TEST_F(Choosing, LeastConnectionsFillsWhoHasFewest) {
    add(1);
    add(1);
    add(2);
    terms.strategy = Strategy::least_connections;
    std::vector<Choice> open;
    for (int i = 0; i < 40; ++i) open.push_back(*choose_one());
    EXPECT_EQ(candidates[0].provider_state->in_flight.load(), 10);
    EXPECT_EQ(candidates[1].provider_state->in_flight.load(), 10);
    EXPECT_EQ(candidates[2].provider_state->in_flight.load(), 20);
    for (Choice& one : open) {
        leave(options, candidates[one.index], terms.now_ms, one.passage);
        leave(options, candidates[one.index], terms.now_ms, one.passage);  // again is nothing
    }
    for (const Candidate& one : candidates) EXPECT_EQ(one.provider_state->in_flight.load(), 0);
}

TEST_F(Choosing, LatencyAsksTheFastestOnceAllAreKnown) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::latency;
    took(0, 300'000);
    took(1, 100'000);
    took(2, 200'000);
    EXPECT_EQ(choose_many(100), (std::map<size_t, int>{{1, 100}}));
}

TEST_F(Choosing, LatencyLooksAtEachThatIsUnknownOnceAtATime) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::latency;
    took(0, 300'000);
    const auto counts = choose_many(100);
    EXPECT_EQ(counts, (std::map<size_t, int>{{0, 98}, {1, 1}, {2, 1}}));
}

TEST_F(Choosing, LatencyFindsOneThatHasRecovered) {
    add();
    add();
    terms.strategy = Strategy::latency;
    took(0, 100'000);
    took(1, 2'000'000);
    EXPECT_EQ(choose_many(100), (std::map<size_t, int>{{0, 100}}));
    // From now on it is the faster one; samples come of whoever is asked.
    int asked = 0;
    for (int second = 0; second < 1'200; ++second) {
        terms.now_ms += 1'000;
        const auto choice = choose_one();
        took(choice->index, choice->index == 1 ? 10'000 : 100'000);
        if (second >= 900 && choice->index == 1) asked += 1;
    }
    EXPECT_GT(asked, 280) << "but for looks at the other one, all of the last 300";
}

TEST_F(Choosing, LatencyOfStreamsAndOfWholeAnswersAreApart) {
    add();
    add();
    terms.strategy = Strategy::latency;
    took(0, 100);
    took(1, 200);
    terms.stream = true;
    took(0, 200);
    took(1, 100);
    EXPECT_EQ(choose_one()->index, 1u);
    terms.stream = false;
    EXPECT_EQ(choose_one()->index, 0u);
}

/// A minute of streams, each at its own pace: who is fastest gets all but a look at the others now and then.
TEST_F(Choosing, ThroughputAsksWhoseTokensComeFastest) {
    const uint64_t ns_per_token[] = {20'000'000, 5'000'000, 10'000'000};
    for (size_t i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::throughput;
    terms.stream = true;
    std::map<size_t, int> counts;
    for (int i = 0; i < 6'000; ++i) {
        const size_t index = choose_one()->index;
        counts[index] += 1;
        candidates[index].model_state->latency()->per_token.record(options.throughput, terms.now_ms,
                                                                   ns_per_token[index]);
        terms.now_ms += 10;
    }
    EXPECT_GE(counts[1], 5'900);
    EXPECT_GE(counts[0], 1);
    EXPECT_GE(counts[2], 1);
}

TEST_F(Choosing, ThroughputFindsOneThatHasBecomeTheFastest) {
    add();
    add();
    terms.strategy = Strategy::throughput;
    uint64_t second_ns = 50'000'000;
    const auto ask = [&] {
        const size_t index = choose_one()->index;
        candidates[index].model_state->latency()->per_token.record(options.throughput, terms.now_ms,
                                                                   index == 0 ? 10'000'000 : second_ns);
        terms.now_ms += 100;
        return index;
    };
    for (int i = 0; i < 100; ++i) (void)ask();
    EXPECT_EQ(ask(), 0u);
    second_ns = 1'000'000;
    uint64_t waited_ms = 0;
    while (ask() == 0 || ask() == 0) {
        waited_ms += 200;
        ASSERT_LE(waited_ms, 4 * options.throughput.window_ms) << "it was never found again";
    }
}

TEST_F(Choosing, ThroughputWithoutAnyMeasureTakesTurns) {
    for (size_t i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::throughput;
    terms.now_ms = 10'000;
    for (int i = 0; i < 3; ++i) (void)choose_one();  // a look at each
    EXPECT_EQ(choose_many(30), (std::map<size_t, int>{{0, 10}, {1, 10}, {2, 10}}));
}

TEST_F(Choosing, CostGoesByWhatThisRequestWouldTake) {
    const Price short_answers{.rates = {.input = 1, .output = 10}};
    const Price long_answers{.rates = {.input = 3, .output = 3}};
    add(1, &short_answers);
    add(1, &long_answers);
    add();
    terms.strategy = Strategy::cost;
    terms.input_tokens = 10'000;
    terms.output_tokens_max = 100;
    EXPECT_EQ(choose_one()->index, 0u);
    terms.input_tokens = 100;
    terms.output_tokens_max = 10'000;
    EXPECT_EQ(choose_one()->index, 1u);
    tried.set(0);
    tried.set(1);
    EXPECT_EQ(choose_one()->index, 2u) << "who has no price comes last";
}

TEST_F(Choosing, CostCountsWhatARequestCostsBesideItsTokens) {
    const Price by_request{.rates = {.input = 1, .output = 1}, .per_request = 5'000};
    const Price by_tokens{.rates = {.input = 4, .output = 4}};
    add(1, &by_request);
    add(1, &by_tokens);
    terms.strategy = Strategy::cost;
    terms.output_tokens_max = 100;
    terms.input_tokens = 1'000;
    EXPECT_EQ(choose_one()->index, 1u);
    terms.input_tokens = 10'000;
    EXPECT_EQ(choose_one()->index, 0u);
}

TEST_F(Choosing, CostExpectsAnswersAsLongAsTheModelsHaveBeen) {
    const Price terse{.rates = {.input = 1, .output = 10}};
    const Price wordy{.rates = {.input = 1, .output = 4}};
    add(1, &terse);
    add(1, &wordy);
    terms.strategy = Strategy::cost;
    terms.input_tokens = 100;
    EXPECT_EQ(choose_one()->index, 1u) << "before anything is known both answer alike";
    candidates[0].model_state->output_tokens.record(50);
    candidates[1].model_state->output_tokens.record(2'000);
    EXPECT_EQ(choose_one()->index, 0u);
    terms.output_tokens_max = 20;  // which holds both to the same
    EXPECT_EQ(choose_one()->index, 1u);
    terms.output_tokens_max = 4'000;
    EXPECT_EQ(choose_one()->index, 0u) << "a bound that no answer comes near says nothing";
}

TEST_F(Choosing, CostAsksForThePriceOfTheNameThatIsAskedFor) {
    PriceList small, large;
    small.set("m-1", {.rates = {.input = 2}});
    large.set("m-1", {.rates = {.input = 3}});
    large.set("m-2", {.rates = {.input = 1}});
    small.set("m-2", {.rates = {.input = 2}});
    const ProviderPrices first{.table = &small}, second{.table = &large};
    add();
    add();
    candidates[0].prices = &first;
    candidates[1].prices = &second;
    terms.strategy = Strategy::cost;
    terms.input_tokens = 100;
    terms.model = "m-1";
    EXPECT_EQ(choose_one()->index, 0u);
    terms.model = "m-2-2026-01-31";
    EXPECT_EQ(choose_one()->index, 1u);
}

TEST_F(Choosing, AModelRouteGoesBeforeTheStrategy) {
    for (int i = 0; i < 3; ++i) add();
    candidates[0].routed = true;
    terms.strategy = Strategy::round_robin;
    EXPECT_EQ(choose_many(30), (std::map<size_t, int>{{0, 30}}));
    tried.set(0);
    EXPECT_EQ(choose_many(30), (std::map<size_t, int>{{1, 15}, {2, 15}}));
}

TEST_F(Choosing, AnOpenBreakerIsPassedOverAndProbedAfterItsTimeout) {
    add();
    add();
    fail(0);
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{1, 10}}));
    terms.now_ms += breaker.timeout_ms;
    auto probe = choose_one();
    EXPECT_EQ(probe->index, 0u);
    EXPECT_EQ(choose_one()->index, 1u) << "one probe at a time";
    judge(options, candidates[0], terms.now_ms, probe->passage, {.provider = BreakerOutcome::success});
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{0, 10}}));
}

TEST_F(Choosing, AModelsBreakerLeavesTheProvidersOtherModelsAlone) {
    add();
    add();
    Candidate other = candidates[0];
    other.model_state = std::make_shared<TargetState>(true);
    for (int i = 0; i < 2; ++i) {
        auto choice = choose_one();
        judge(options, candidates[0], terms.now_ms, choice->passage,
              {.provider = BreakerOutcome::success, .model = BreakerOutcome::failure});
    }
    EXPECT_EQ(choose_one()->index, 1u);
    candidates[0] = other;
    EXPECT_EQ(choose_one()->index, 0u);
}

TEST_F(Choosing, WhenAllAreOpenSomebodyIsAskedAllTheSame) {
    add();
    add();
    fail(0);
    fail(1);
    const auto choice = choose_one();
    ASSERT_TRUE(choice.has_value());
    EXPECT_EQ(choice->reason, ChoiceReason::last_resort);
    tried.set(choice->index);
    EXPECT_TRUE(choose_one().has_value());
}

TEST_F(Choosing, OneThatIsOpenIsNoRefugeFromOneThatJustFailed) {
    add();
    add();
    fail(1);
    tried.set(0);
    EXPECT_FALSE(choose_one().has_value());
}

TEST_F(Choosing, WhoAskedForRestComesAfterThoseWhoDidNot) {
    add();
    add();
    candidates[0].provider_state->rest_until(terms.now_ms + 500);
    EXPECT_EQ(choose_one()->index, 1u);
    candidates[1].model_state->rest_until(terms.now_ms + 500);
    EXPECT_EQ(choose_one()->reason, ChoiceReason::unrested);
    terms.now_ms += 500;
    EXPECT_EQ(choose_one()->index, 0u);
}

TEST_F(Choosing, TheFallbackComesWhenTheOthersAreOutAndAsItsPolicySays) {
    add();
    add();
    candidates[1].fallback = true;
    terms.strategy = Strategy::round_robin;
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{0, 10}})) << "it takes no turns";
    candidates[0].provider_state->rest_until(terms.now_ms + 500);
    EXPECT_EQ(choose_one()->index, 1u);
    options.fallback_on_rate_limit = false;
    EXPECT_EQ(choose_one()->index, 0u);
    fail(0);
    EXPECT_EQ(choose_one()->reason, ChoiceReason::fallback);
    options.fallback_on_error = false;
    EXPECT_EQ(choose_one()->reason, ChoiceReason::last_resort) << "somebody has to be asked";
    EXPECT_EQ(choose_one()->index, 0u);
    tried.set(0);
    terms.trouble = Trouble::error;
    terms.fallback_only = true;
    EXPECT_FALSE(choose_one().has_value());
    options.fallback_on_error = true;
    EXPECT_EQ(choose_one()->index, 1u);
}

TEST_F(Choosing, WhoCannotTakeSuchARequestIsNobody) {
    for (int i = 0; i < 3; ++i) add();
    const Tried unfit = [] {
        Tried one;
        one.set(0);
        return one;
    }();
    terms.unfit = &unfit;
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{1, 10}}));
    terms.strategy = Strategy::round_robin;
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{1, 5}, {2, 5}}));
    fail(1);
    fail(2);
    EXPECT_EQ(choose_one()->reason, ChoiceReason::last_resort) << "the first is well, and no refuge";
    EXPECT_NE(choose_one()->index, 0u);
}

TEST_F(Choosing, AFallbackThatAloneCanTakeARequestIsNone) {
    for (int i = 0; i < 2; ++i) add();
    candidates[1].fallback = true;
    options.fallback_on_error = options.fallback_on_rate_limit = false;
    Tried unfit;
    unfit.set(0);
    terms.unfit = &unfit;
    const auto choice = choose_one();
    ASSERT_TRUE(choice.has_value());
    EXPECT_EQ(choice->index, 1u);
    EXPECT_EQ(choice->reason, ChoiceReason::strategy);
}

TEST_F(Choosing, ARecoveredOneGetsItsTrafficBackBitByBit) {
    add();
    add();
    options.breaker.restore_ms = 10'000;
    terms.strategy = Strategy::round_robin;
    fail(0);
    terms.now_ms += breaker.timeout_ms;
    for (;;) {  // whose turn it is
        auto probe = choose_one();
        judge(options, candidates[probe->index], terms.now_ms, probe->passage, {.provider = BreakerOutcome::success});
        if (probe->index == 0) break;
    }
    terms.now_ms += 1;
    const int early = choose_many(1'000)[0];
    EXPECT_GT(early, 20);
    EXPECT_LT(early, 180);
    terms.now_ms += 5'000;
    const int later = choose_many(1'000)[0];
    EXPECT_GT(later, early + 100);
    terms.now_ms += 5'000;
    EXPECT_EQ(choose_many(1'000)[0], 500);
}

/// The candidates have a limit of requests each.
class ChoosingWithinLimits : public Choosing {
  protected:
    void add_limited(uint64_t requests_per_minute) {
        add();
        candidates.back().limits = std::make_shared<const ProviderLimits>(
            ProviderLimits{.requests = BucketTerms::per_minute(requests_per_minute, 60'000),
                           .tokens = BucketTerms::per_minute(requests_per_minute * 1'000, 60'000),
                           .state = std::make_shared<LimitState>()});
    }
    /// The request was sent, and took what was expected.
    void spend(Choice& choice) { leave(choice.passage.limits, terms.now_ms, {.asked = true}); }
};

TEST_F(ChoosingWithinLimits, TheNextTakesItAtTheLimit_AndNobodyWhenAllAre) {
    add_limited(2);
    add_limited(1);
    std::vector<size_t> asked;
    while (auto choice = choose_one()) {
        asked.push_back(choice->index);
        EXPECT_EQ(choice->reason, ChoiceReason::strategy);
        spend(*choice);
    }
    EXPECT_EQ(asked, (std::vector<size_t>{0, 0, 1}));
    EXPECT_EQ(limited_ms(terms, candidates), 30'000u) << "the first that has room again";
    terms.now_ms += 29'999;
    EXPECT_FALSE(choose_one().has_value());
    terms.now_ms += 1;
    EXPECT_EQ(choose_one()->index, 0u);
}

TEST_F(ChoosingWithinLimits, WhoeverChooses) {
    for (const Strategy strategy : {Strategy::priority, Strategy::round_robin, Strategy::weighted, Strategy::random,
                                    Strategy::least_connections, Strategy::latency, Strategy::cost}) {
        SCOPED_TRACE(strategy_name(strategy));
        candidates.clear();
        for (const uint64_t limit : {5, 7, 11}) add_limited(limit);
        terms.strategy = strategy;
        std::map<size_t, int> counts;
        while (auto choice = choose_one()) {
            counts[choice->index] += 1;
            spend(*choice);
        }
        EXPECT_EQ(counts, (std::map<size_t, int>{{0, 5}, {1, 7}, {2, 11}}));
    }
}

TEST_F(ChoosingWithinLimits, WhatWasNotAskedIsNotCounted) {
    add_limited(3);
    EXPECT_EQ(choose_many(100), (std::map<size_t, int>{{0, 100}}));
}

TEST_F(ChoosingWithinLimits, TooFewTokensForThisRequest) {
    add_limited(1);
    add_limited(10);
    terms.input_tokens = 600;
    auto first = choose_one();
    EXPECT_EQ(first->index, 0u);
    leave(first->passage.limits, terms.now_ms, {});
    terms.output_tokens = 500;  // more than it ever holds: when it is full
    auto large = choose_one();
    EXPECT_EQ(large->index, 0u);
    leave(large->passage.limits, terms.now_ms, {.asked = true, .tokens = 600});
    terms.now_ms += 60'000 - 24'000 - 1;  // a request has come in, and 999 tokens have not
    EXPECT_EQ(choose_one()->index, 1u);
}

TEST_F(ChoosingWithinLimits, OneThatIsBrokenIsNotAskedForAnothersLimit) {
    add_limited(1);
    add_limited(100);
    fail(1);
    auto choice = choose_one();
    EXPECT_EQ(choice->index, 0u);
    spend(*choice);
    EXPECT_FALSE(choose_one().has_value()) << "the first is well, and will have room";
    EXPECT_EQ(limited_ms(terms, candidates), 60'000u);
    fail(0);
    EXPECT_EQ(choose_one()->index, 1u) << "all are broken; the first is at its limit beside";
}

TEST_F(ChoosingWithinLimits, TheFallbackStandsInAsForAnyRateLimit) {
    add_limited(1);
    add();
    candidates[1].fallback = true;
    auto choice = choose_one();
    spend(*choice);
    EXPECT_EQ(choose_one()->reason, ChoiceReason::fallback);
    options.fallback_on_rate_limit = false;
    EXPECT_FALSE(choose_one().has_value());
}

TEST(TargetTable, LimitsAreAnAccountsWhateverItsAddress) {
    TargetTable table;
    const auto one = table.limits("openai");
    EXPECT_EQ(table.limits("openai"), one) << "over a reload";
    EXPECT_NE(table.limits("azure"), one);
}

/// Sets of candidates with places for keys.
class Sticking : public Choosing {
  protected:
    void add(uint32_t weight = 1, const Price* price = nullptr, int32_t priority = 0) {
        Choosing::add(weight, price);
        candidates.back().identity = affinity_key("provider-" + std::to_string(candidates.size()));
        candidates.back().priority = priority;
        terms.affinity = affinity_key("alice");
        options.counts_in_flight = true;
    }
    /// Where this key goes; nobody's attempt lasts.
    std::pair<size_t, ChoiceReason> choose_for(int key) {
        terms.affinity = affinity_key("user-" + std::to_string(key));
        auto choice = choose_one();
        leave(options, candidates[choice->index], terms.now_ms, choice->passage);
        return {choice->index, choice->reason};
    }
};

TEST_F(Sticking, AKeyGoesToOneUnderEachStrategyThatSpreads) {
    for (int i = 0; i < 5; ++i) add(1 + i % 2);
    for (const Strategy strategy : {Strategy::priority, Strategy::round_robin, Strategy::weighted, Strategy::random,
                                    Strategy::least_connections}) {
        terms.strategy = strategy;
        std::map<size_t, int> counts;
        for (int key = 0; key < 300; ++key) {
            const auto first = choose_for(key);
            EXPECT_EQ(first.second, ChoiceReason::sticky);
            for (int n = 0; n < 3; ++n) EXPECT_EQ(choose_for(key), first);
            counts[first.first] += 1;
        }
        EXPECT_EQ(counts.size(), 5u) << strategy_name(strategy);
    }
}

TEST_F(Sticking, WithoutAKeyTheStrategyDecides) {
    add();
    add();
    terms.affinity = 0;
    terms.strategy = Strategy::round_robin;
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{0, 5}, {1, 5}}));
}

TEST_F(Sticking, PriorityGoesBeforeIt) {
    add(1, nullptr, 1);
    add(1, nullptr, 1);
    add(1, nullptr, 2);
    add(1, nullptr, 2);
    for (int key = 0; key < 100; ++key) EXPECT_LT(choose_for(key).first, 2u);
    fail(0);
    for (int key = 0; key < 100; ++key) EXPECT_EQ(choose_for(key).first, 1u);
    fail(1);
    std::map<size_t, int> counts;
    for (int key = 0; key < 100; ++key) {
        const auto [index, reason] = choose_for(key);
        EXPECT_EQ(reason, ChoiceReason::moved);
        counts[index] += 1;
    }
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_FALSE(counts.contains(0) || counts.contains(1));
}

TEST_F(Sticking, OneThatIsUnwellLosesItsKeysAloneAndHasThemBack) {
    for (int i = 0; i < 4; ++i) add();
    terms.strategy = Strategy::round_robin;
    std::map<int, size_t> homes;
    for (int key = 0; key < 400; ++key) homes[key] = choose_for(key).first;
    fail(2);
    for (int key = 0; key < 400; ++key) {
        const auto [index, reason] = choose_for(key);
        EXPECT_EQ(index == homes[key], homes[key] != 2);
        EXPECT_EQ(reason, homes[key] == 2 ? ChoiceReason::moved : ChoiceReason::sticky);
    }
    terms.now_ms += breaker.timeout_ms;
    for (int key = 0; key < 400; ++key) {
        if (homes[key] != 2) continue;
        terms.affinity = affinity_key("user-" + std::to_string(key));
        auto probe = choose_one();
        ASSERT_EQ(probe->index, 2u);
        judge(options, candidates[2], terms.now_ms, probe->passage, {.provider = BreakerOutcome::success});
        leave(options, candidates[2], terms.now_ms, probe->passage);
    }
    for (int key = 0; key < 400; ++key) EXPECT_EQ(choose_for(key).first, homes[key]);
}

TEST_F(Sticking, WhoHasItsLoadIsPassedOver) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::round_robin;
    std::vector<Choice> open;
    for (int i = 0; i < 300; ++i) open.push_back(*choose_one());
    for (const Candidate& one : candidates) EXPECT_LE(one.provider_state->in_flight.load(), 125);
    EXPECT_EQ(candidates[open[0].index].provider_state->in_flight.load(), 125) << "as much as it may of one key";
    EXPECT_EQ(open[0].reason, ChoiceReason::sticky);
    EXPECT_EQ(open.back().reason, ChoiceReason::moved);
    for (Choice& one : open) leave(options, candidates[one.index], terms.now_ms, one.passage);
    for (const Candidate& one : candidates) EXPECT_EQ(one.provider_state->in_flight.load(), 0);
}

TEST_F(Sticking, CostDecidesAndTheKeyAmongEquals) {
    const Price low{.rates = {.input = 1, .output = 1}}, high{.rates = {.input = 2, .output = 2}};
    add(1, &low);
    add(1, &low);
    add(1, &high);
    add();
    terms.strategy = Strategy::cost;
    terms.input_tokens = terms.output_tokens_max = 100;
    std::map<size_t, int> counts;
    for (int key = 0; key < 200; ++key) counts[choose_for(key).first] += 1;
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_TRUE(counts.contains(0) && counts.contains(1));
}

TEST_F(Sticking, LatencyLeavesThoseThatAreNearlyTheFastest) {
    for (int i = 0; i < 4; ++i) add();
    terms.strategy = Strategy::latency;
    took(0, 100'000);
    took(1, 120'000);
    took(2, 400'000);
    took(3, 110'000);
    std::map<size_t, int> counts;
    for (int key = 0; key < 200; ++key) counts[choose_for(key).first] += 1;
    EXPECT_EQ(counts.size(), 3u);
    EXPECT_FALSE(counts.contains(2));
}

TEST_F(Sticking, ThroughputLeavesThoseThatAreNearlyTheFastest) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::throughput;
    const auto streamed = [&](size_t index, uint64_t ns) {
        candidates[index].model_state->latency()->per_token.record(options.throughput, terms.now_ms, ns);
    };
    streamed(0, 40'000);
    streamed(1, 10'000);
    streamed(2, 12'000);
    std::map<size_t, int> counts;
    for (int key = 0; key < 200; ++key) counts[choose_for(key).first] += 1;
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_FALSE(counts.contains(0));
}

TEST_F(Sticking, ARequestsOwnOrderGoesBeforeIt) {
    for (int i = 0; i < 4; ++i) add();
    const std::vector<uint16_t> order = {2, 0, 3, 1};
    terms.order = order;
    for (const Strategy one : {Strategy::priority, Strategy::complexity, Strategy::task}) {
        terms.strategy = one;
        for (int key = 0; key < 50; ++key) EXPECT_EQ(choose_for(key), std::pair(size_t{2}, ChoiceReason::sticky));
    }
    fail(2);
    for (int key = 0; key < 50; ++key) EXPECT_EQ(choose_for(key), std::pair(size_t{0}, ChoiceReason::moved));
}

TEST_F(Sticking, OnlyThoseThatCanTakeItHavePlaces) {
    for (int i = 0; i < 4; ++i) add();
    terms.strategy = Strategy::round_robin;
    Tried unfit;
    unfit.set(1).set(3);
    terms.unfit = &unfit;
    std::map<size_t, int> counts;
    for (int key = 0; key < 200; ++key) {
        const auto [index, reason] = choose_for(key);
        EXPECT_EQ(reason, ChoiceReason::sticky) << "its place is among those that can";
        counts[index] += 1;
    }
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_TRUE(counts.contains(0) && counts.contains(2));
}

TEST_F(Sticking, AtItsLimitItIsMovedAndComesBack) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::round_robin;
    const size_t home = choose_for(1).first;
    candidates[home].limits = std::make_shared<const ProviderLimits>(
        ProviderLimits{.requests = BucketTerms::per_minute(1, 60'000), .state = std::make_shared<LimitState>()});
    auto first = choose_one();
    EXPECT_EQ(first->index, home);
    leave(first->passage.limits, terms.now_ms, {.asked = true});
    leave(options, candidates[home], terms.now_ms, first->passage);
    const auto [index, reason] = choose_for(1);
    EXPECT_NE(index, home);
    EXPECT_EQ(reason, ChoiceReason::moved);
    terms.now_ms += 60'000;
    EXPECT_EQ(choose_for(1), std::pair(home, ChoiceReason::sticky));
}

TEST_F(Sticking, WhatTheStrategyRanksOtherwiseHasNotMovedAKey) {
    const Price cheap{.rates = {.input = 1, .output = 1}}, dear{.rates = {.input = 2, .output = 2}};
    for (int i = 0; i < 4; ++i) add(1, i < 2 ? &cheap : &dear);
    terms.strategy = Strategy::cost;
    for (int key = 0; key < 100; ++key) {
        const auto [index, reason] = choose_for(key);
        EXPECT_LT(index, 2u);
        EXPECT_EQ(reason, ChoiceReason::sticky) << "that another's place would be higher, were it as cheap, is nothing";
    }
    fail(0);
    std::map<ChoiceReason, int> reasons;
    for (int key = 0; key < 100; ++key) reasons[choose_for(key).second] += 1;
    EXPECT_GT(reasons[ChoiceReason::sticky], 20) << "keys of 1";
    EXPECT_GT(reasons[ChoiceReason::moved], 20) << "keys of 0";
}

TEST_F(Sticking, TheFastestOfAnotherTimeIsNoHome) {
    for (int i = 0; i < 3; ++i) add();
    terms.strategy = Strategy::latency;
    took(0, 100'000), took(1, 100'000), took(2, 1'000'000);
    for (int key = 0; key < 60; ++key) {
        const auto [index, reason] = choose_for(key);
        EXPECT_LT(index, 2u);
        EXPECT_EQ(reason, ChoiceReason::sticky);
    }
    fail(1);
    std::map<ChoiceReason, int> reasons;
    for (int key = 0; key < 60; ++key) reasons[choose_for(key).second] += 1;
    EXPECT_GT(reasons[ChoiceReason::sticky], 10);
    EXPECT_GT(reasons[ChoiceReason::moved], 10) << "health moved them";
}

TEST_F(Choosing, TheNearestRegionThatIsWellGoesFirst_ThenTheStrategy) {
    for (int i = 0; i < 4; ++i) add();
    const std::array<uint8_t, 4> regions = {2, 1, 1, 3};
    terms.regions = regions;
    terms.strategy = Strategy::round_robin;
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{1, 5}, {2, 5}}));
    fail(1);
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{2, 10}}));
    fail(2);
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{0, 10}}));
    fail(0);
    EXPECT_EQ(choose_many(10), (std::map<size_t, int>{{3, 10}}));
    terms.strategy = Strategy::priority;
    EXPECT_EQ(choose_many(4), (std::map<size_t, int>{{3, 4}}));
}

TEST_F(Sticking, AModelRouteGoesBeforeIt) {
    for (int i = 0; i < 3; ++i) add();
    candidates[0].routed = true;
    terms.strategy = Strategy::round_robin;
    for (int key = 0; key < 50; ++key) EXPECT_EQ(choose_for(key), std::pair(size_t{0}, ChoiceReason::strategy));
    fail(0);
    for (int key = 0; key < 50; ++key) EXPECT_EQ(choose_for(key).second, ChoiceReason::moved);
}

TEST(TargetTable, FindsARowAgainAsLongAsSomebodyNamesIt) {
    TargetTable table;
    auto one = table.row("openai\nhttps://a", false);
    one->rest_until(7);
    EXPECT_EQ(table.row("openai\nhttps://a", false), one) << "over a reload";
    EXPECT_NE(table.row("openai\nhttps://b", false), one);
    EXPECT_NE(table.row("openai\nhttps://a", true)->latency(), nullptr);
    EXPECT_EQ(table.row("openai\nhttps://a", true), one) << "its breaker is that of before";
    one.reset();
    EXPECT_EQ(table.row("openai\nhttps://a", false)->rests_until_ms(), 0u);
    EXPECT_LE(table.size(), 2u) << "what nobody names is gone";
}

}  // namespace
}  // namespace loom::route
