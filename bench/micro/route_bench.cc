// What choosing a provider costs, by strategy and number of candidates, breakers and latencies in use.
#include <benchmark/benchmark.h>

#include <array>

#include "loom/base/assert.h"
#include "loom/route/choose.h"
#include "loom/route/proximity.h"

namespace loom::route {
namespace {

/// Of every seventh candidate the same.
const Price& price_of(size_t index) {
    static const auto prices = [] {
        std::array<Price, 7> some;
        for (size_t i = 0; i < some.size(); ++i) some[i].rates = {.input = static_cast<Money>(i + 1), .output = 2};
        return some;
    }();
    return prices[index % prices.size()];
}

std::vector<Candidate> make_candidates(size_t count) {
    std::vector<Candidate> candidates(count);
    for (size_t i = 0; i < count; ++i) {
        Candidate& one = candidates[i];
        one.provider_ix = static_cast<uint16_t>(i);
        one.identity = affinity_key("provider-" + std::to_string(i));
        one.weight = 1 + static_cast<uint32_t>(i % 5);
        one.price = &price_of(i);
        one.provider_state = std::make_shared<TargetState>(false);
        one.model_state = std::make_shared<TargetState>(true);
        for (uint64_t sample = 0; sample < 50; ++sample)
            one.model_state->latency()->first_token.record({}, 1'000, 1'000 * (1 + (i + sample) % 90));
    }
    return candidates;
}

void choosing(benchmark::State& state, Strategy strategy, uint64_t affinity = 0) {
    const auto candidates = make_candidates(static_cast<size_t>(state.range(0)));
    const ChoiceOptions options{.breaker = {}, .counts_in_flight = affinity != 0};
    ChoiceTerms terms{.strategy = strategy,
                      .now_ms = 1'000,
                      .affinity = affinity,
                      .stream = true,
                      .input_tokens = 800,
                      .output_tokens_max = 300};
    Turn turn(candidates.size());
    Random random(1);
    uint64_t chosen = 0;
    for (auto _ : state) {
        auto choice = choose(options, terms, candidates, {}, turn, random);
        LOOM_ASSERT(choice && choice->index < candidates.size());
        chosen += choice->index;
        judge(options, candidates[choice->index], terms.now_ms, choice->passage,
              {.provider = BreakerOutcome::success, .model = BreakerOutcome::success});
        leave(options, candidates[choice->index], terms.now_ms, choice->passage);
    }
    benchmark::DoNotOptimize(chosen);
}

/// By class of region, each of three, and then in turn.
void choosing_near(benchmark::State& state) {
    const auto candidates = make_candidates(static_cast<size_t>(state.range(0)));
    const ChoiceOptions options{.breaker = {}};
    std::vector<std::shared_ptr<RegionState>> rows;
    for (size_t i = 0; i < candidates.size(); ++i) {
        rows.push_back(std::make_shared<RegionState>());
        rows.back()->note_connect(1'000, 1'000 + i % 3 * 50'000);
    }
    const RegionPreference preference(std::move(rows));
    std::vector<uint8_t> ranks(candidates.size());
    ChoiceTerms terms{.strategy = Strategy::round_robin, .now_ms = 1'000, .stream = true, .regions = ranks};
    Turn turn(candidates.size());
    Random random(1);
    for (auto _ : state) {
        preference.rank(candidates, {}, false, terms.now_ms, ranks);
        auto choice = choose(options, terms, candidates, {}, turn, random);
        LOOM_ASSERT(choice && choice->index % 3 == 0);
        leave(options, candidates[choice->index], terms.now_ms, choice->passage);
    }
}

/// What a request costs at a provider whose limit is learned: in, its time, out.
void learning(benchmark::State& state) {
    ProviderLimits limits{.adaptive = {.min = 1, .max = 1'000}, .state = std::make_shared<LimitState>()};
    TimeBaseline baseline;
    uint64_t now_ms = 1'000;
    for (auto _ : state) {
        LimitPass pass;
        LOOM_ASSERT(enter(limits, now_ms, 500, pass));
        limits.state->adaptive.record(limits.adaptive, ++now_ms, 200'000 + now_ms % 7 * 1'000, 1, baseline);
        leave(pass, now_ms, {.asked = true});
    }
}

void sampling(benchmark::State& state) {
    LatencyWindow window;
    uint64_t now_ms = 1'000, us = 1;
    for (auto _ : state) window.record({}, ++now_ms, us = us * 5 % 900'001 + 1);
}

constexpr std::array sizes = {2, 20, 200};

[[maybe_unused]] const bool registered = [] {
    for (const Strategy strategy :
         {Strategy::priority, Strategy::round_robin, Strategy::weighted, Strategy::random, Strategy::least_connections,
          Strategy::latency, Strategy::cost, Strategy::throughput, Strategy::complexity})
        for (const int size : sizes)
            benchmark::RegisterBenchmark(("choose_" + std::string(strategy_name(strategy))).c_str(),
                                         [strategy](benchmark::State& state) { choosing(state, strategy); })
                ->Arg(size);
    for (const int size : sizes)
        benchmark::RegisterBenchmark("choose_sticky", [](benchmark::State& state) {
            choosing(state, Strategy::round_robin, affinity_key("alice"));
        })->Arg(size);
    for (const int size : sizes) benchmark::RegisterBenchmark("choose_near", choosing_near)->Arg(size);
    benchmark::RegisterBenchmark("adaptive_limit", learning);
    benchmark::RegisterBenchmark("latency_sample", sampling);
    return true;
}();

}  // namespace
}  // namespace loom::route

BENCHMARK_MAIN();
