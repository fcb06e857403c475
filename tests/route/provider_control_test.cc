// What an operator says of a provider, beside the conf.
#include "loom/route/provider_control.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "loom/route/choose.h"
#include "loom/route/target_state.h"

namespace loom::route {
namespace {

TEST(ProviderControl, DrainingAndDisablingTakeTheWeightAwayAndGiveItBack) {
    ProviderControl control(5);
    EXPECT_EQ(control.weight(), 5u);
    EXPECT_EQ(control.set_drained(true).weight(), 0u);
    EXPECT_EQ(control.set_disabled(true).weight(), 0u);
    EXPECT_EQ(control.set_drained(false).weight(), 0u) << "disabled still";
    EXPECT_EQ(control.set_disabled(false).weight(), 5u);
    control.set_drained(true);
    EXPECT_EQ(control.set_weight(7).weight(), 0u) << "a weight is no end of a drain";
    EXPECT_EQ(control.terms().wanted_weight(), 7u);
    EXPECT_EQ(control.set_drained(false).weight(), 7u);
}

TEST(ProviderControl, TheConfHasTheLastWordOnceItChanges) {
    ProviderControl control(5);
    control.set_weight(9);
    control.set_drained(true);
    control.configure(5);
    EXPECT_EQ(control.terms(), (ProviderTerms{.configured = 5, .given = 9, .is_given = true, .drained = true}));
    control.configure(6);
    EXPECT_EQ(control.terms(), ProviderTerms{.configured = 6});
    control.set_disabled(true);
    control.configure(0);
    EXPECT_EQ(control.terms(), ProviderTerms{.configured = 0});
}

TEST(ProviderControl, EveryWeightOfTheRangeIsKept) {
    for (const uint32_t weight : {0u, 1u, 65'536u, ProviderControl::weight_max}) {
        ProviderControl control(weight);
        EXPECT_EQ(control.weight(), weight);
        control.set_weight(ProviderControl::weight_max - weight);
        EXPECT_EQ(control.weight(), ProviderControl::weight_max - weight);
        EXPECT_EQ(control.terms().configured, weight);
    }
}

TEST(ProviderControl, ThreadsThatSayDifferentThingsAllHaveTheirWay) {
    ProviderControl control(1);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        for (uint32_t i = 0; i <= 10'000; ++i) control.set_weight(i);
    });
    threads.emplace_back([&] {
        for (int i = 0; i <= 10'000; ++i) control.set_drained(i % 2 == 0);
    });
    threads.emplace_back([&] {
        for (int i = 0; i <= 10'000; ++i) control.set_disabled(i % 2 == 1);
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(control.terms(), (ProviderTerms{.configured = 1, .given = 10'000, .is_given = true, .drained = true}));
}

TEST(ProviderControl, AReloadFindsItByTheProvidersName) {
    TargetTable table;
    auto first = table.control("openai", 3);
    first->set_drained(true);
    EXPECT_EQ(table.control("openai", 4), first) << "the new weight is for configure()";
    EXPECT_NE(table.control("azure", 3), first);
    first.reset();
    EXPECT_EQ(table.control("openai", 4)->weight(), 4u) << "no configuration named it: it begins anew";
}

/// Candidates that an operator controls.
class Controlled : public testing::Test {
  protected:
    Controlled() {
        for (uint16_t i = 0; i < 3; ++i) {
            controls.push_back(std::make_shared<ProviderControl>(1));
            candidates.push_back({.provider_ix = i, .control = controls.back()});
        }
    }
    std::optional<size_t> choose_one(Strategy strategy) {
        const auto choice = choose({}, {.strategy = strategy, .now_ms = 1}, candidates, {}, turn, random);
        return choice ? std::optional(choice->index) : std::nullopt;
    }
    std::vector<std::shared_ptr<ProviderControl>> controls;
    std::vector<Candidate> candidates;
    Turn turn{3};
    Random random{7};
};

TEST_F(Controlled, EveryStrategyPassesOverWhoIsDrained) {
    controls[0]->set_drained(true);
    controls[2]->set_weight(0);
    for (const Strategy one : {Strategy::priority, Strategy::round_robin, Strategy::weighted, Strategy::random,
                               Strategy::least_connections, Strategy::latency, Strategy::cost})
        for (int n = 0; n < 20; ++n) EXPECT_EQ(choose_one(one), 1u) << strategy_name(one);
    controls[1]->set_disabled(true);
    EXPECT_EQ(choose_one(Strategy::priority), std::nullopt) << "not even as a last resort";
}

TEST_F(Controlled, AWeightActsOnTheNextChoice) {
    for (const Strategy one : {Strategy::weighted, Strategy::random}) {
        controls[0]->set_weight(8);
        size_t first = 0;
        for (int n = 0; n < 1000; ++n) first += choose_one(one) == 0u ? 1 : 0;
        EXPECT_NEAR(static_cast<double>(first), 800, 60) << strategy_name(one);
        controls[0]->set_weight(1);
    }
}

TEST_F(Controlled, TheFallbackStandsInForThoseWhoAreDrained) {
    candidates[2].fallback = true;
    EXPECT_EQ(choose_one(Strategy::priority), 0u);
    controls[0]->set_drained(true);
    controls[1]->set_drained(true);
    EXPECT_EQ(choose_one(Strategy::priority), 2u);
    controls[2]->set_drained(true);
    EXPECT_EQ(choose_one(Strategy::priority), std::nullopt);
    controls[0]->set_drained(false);
    EXPECT_EQ(choose_one(Strategy::priority), 0u);
}

}  // namespace
}  // namespace loom::route
