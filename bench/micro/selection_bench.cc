// What it costs to narrow a choice: rules, capabilities, regions and the estimate of a prompt, each with the choice
// that follows and beside the choice alone, by number of candidates. Every bench checks who is chosen before it is
// timed.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "loom/route/capability.h"
#include "loom/route/choose.h"
#include "loom/route/estimate.h"
#include "loom/route/residency.h"
#include "loom/route/rules.h"

namespace loom::route {
namespace {

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "selection_bench: wrong answer: %s\n", what);
    std::abort();
}

constexpr size_t rule_count = 10;
constexpr std::string_view prompt =
    "Our Go service holds p99 under 20 ms until GC kicks in at 30 GB heap. Find out which allocations survive, "
    "restructure the cache so that the collector has nothing to scan, and show how you would verify the gain.";

/// A request as the proxy has it.
struct Facts final : rule::Facts {
    rule::Value get(rule::Attribute attribute, std::string_view) const noexcept override {
        switch (attribute) {
            case rule::Attribute::model: return rule::Value::of_text("gpt-4o");
            case rule::Attribute::header: return rule::Value::of_text("legal");
            case rule::Attribute::prompt_tokens: return rule::Value::of_number(1200);
            default: return {};
        }
    }
};

/// Candidates of as many providers, of which the last alone may take the request.
struct World {
    explicit World(size_t count) : candidates(count), turn(count), last(count - 1) {
        std::vector<std::string> names, regions;
        for (size_t i = 0; i < count; ++i) {
            candidates[i].provider_ix = static_cast<uint16_t>(i);
            candidates[i].provider_state = std::make_shared<TargetState>(false);
            names.push_back("p" + std::to_string(i));
            regions.emplace_back(i == last ? "eu-west-1" : "us");
            capabilities.set_provider(i, {.can = i == last ? every_capability : CapabilitySet{0}});
        }
        std::vector<RoutingRuleOptions> options;
        for (size_t i = 0; i < rule_count; ++i) {
            const std::string team = i + 1 == rule_count ? "legal" : "team-" + std::to_string(i);
            options.push_back({"r" + std::to_string(i),
                               "header.x-team == \"" + team + "\" and prompt_tokens > 1k and model matches \"gpt-*\"",
                               {names.back()}});
        }
        auto built = RoutingRules::build(options, names);
        check(built.has_value(), "the rules");
        rules = std::move(*built);
        const std::vector<std::string> eu = {"eu"};
        region = RegionRequirement("eu", eu, regions);
    }
    size_t choose_but(const Tried& unfit) {
        terms.unfit = &unfit;
        auto choice = choose(options, terms, candidates, {}, turn, random);
        check(choice.has_value(), "nobody");
        leave(options, candidates[choice->index], terms.now_ms, choice->passage);
        return choice->index;
    }

    std::vector<Candidate> candidates;
    ChoiceOptions options{.breaker = {}};
    ChoiceTerms terms{.now_ms = 1'000};
    Turn turn;
    Random random{1};
    RoutingRules rules;
    Capabilities capabilities;
    RegionRequirement region;
    size_t last;
};

template <class Narrow>
void choosing(benchmark::State& state, Narrow narrow, bool narrows = true) {
    World world(static_cast<size_t>(state.range(0)));
    const auto once = [&] {
        Tried unfit;
        narrow(world, unfit);
        return world.choose_but(unfit);
    };
    check(once() == (narrows ? world.last : 0), "who is chosen");
    for (auto _ : state) benchmark::DoNotOptimize(once());
}

void BM_choice_alone(benchmark::State& state) {
    choosing(state, [](World&, Tried&) {}, false);
}
void BM_choice_by_rules(benchmark::State& state) {  // ten, of which the last holds
    choosing(state, [](World& world, Tried& unfit) {
        const auto found = world.rules.find(Facts());
        unfit = unfit_for(world.rules[*found], world.candidates);
    });
}
void BM_choice_by_capabilities(benchmark::State& state) {
    const Needs needs{.what = set_of(Capability::vision), .tokens = 1200};
    choosing(state, [&](World& world, Tried& unfit) {
        for (size_t i = 0; i < world.candidates.size(); ++i) {
            const uint16_t provider_ix = world.candidates[i].provider_ix;
            unfit[i] = world.capabilities.missing(needs, provider_ix, "gpt-4o") != 0 ||
                       !world.capabilities.fits_context(needs, provider_ix, "gpt-4o");
        }
    });
}
void BM_choice_by_region(benchmark::State& state) {
    choosing(state, [](World& world, Tried& unfit) {
        for (size_t i = 0; i < world.candidates.size(); ++i)
            unfit[i] = !world.region.admits(world.candidates[i].provider_ix);
    });
}
void BM_choice_by_estimate(benchmark::State& state) {
    choosing(
        state,
        [](World&, Tried&) {
            auto made = estimate({.text = prompt, .prompt_bytes = prompt.size()});
            benchmark::DoNotOptimize(made);
        },
        false);
}

BENCHMARK(BM_choice_alone)->Arg(2)->Arg(20)->Arg(200);
BENCHMARK(BM_choice_by_rules)->Arg(2)->Arg(20)->Arg(200);
BENCHMARK(BM_choice_by_capabilities)->Arg(2)->Arg(20)->Arg(200);
BENCHMARK(BM_choice_by_region)->Arg(2)->Arg(20)->Arg(200);
BENCHMARK(BM_choice_by_estimate)->Arg(2)->Arg(20);

}  // namespace
}  // namespace loom::route

BENCHMARK_MAIN();
