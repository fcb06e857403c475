// Runs of whole worlds. A run that fails is named by its seed, and LOOM_SIM_SEED=N build-release/tests/sim/sim_test
// replays it. LOOM_SIM_FIRST and LOOM_SIM_WORLDS choose others than the suite's.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "seeds.h"
#include "world.h"

namespace loom::sim {
namespace {

constexpr uint64_t worlds_usual = is_sanitized ? 140 : 2'800;

std::string replay(uint64_t seed) {
    return fmt::format("replay: LOOM_SIM_SEED={} build-release/tests/sim/sim_test", seed);
}

// An assertion of the product's ends the process: the seed has to be told before.
volatile uint64_t seed_at_hand = 0;
void tell_seed(int) {
    char text[64];
    char* at = text + sizeof text;
    *--at = '\n';
    uint64_t number = seed_at_hand;
    do *--at = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    constexpr std::string_view what = "the world of this seed died; LOOM_SIM_SEED=";
    (void)!::write(STDERR_FILENO, what.data(), what.size());
    (void)!::write(STDERR_FILENO, at, static_cast<size_t>(text + sizeof text - at));
    ::signal(SIGABRT, SIG_DFL);
}

WorldResult run_seed(uint64_t seed) {
    seed_at_hand = seed;
    World world(draw_world(seed));
    WorldResult result = world.run();
    for (const std::string& what : result.complaints) ADD_FAILURE() << what << "\n" << replay(seed);
    return result;
}

TEST(Simulation, HoldsForEverySeed) {
    ::signal(SIGABRT, tell_seed);
    if (const uint64_t seed = env_number("LOOM_SIM_SEED", 0); seed != 0) {
        const WorldResult result = run_seed(seed);
        fmt::print("{}\n", describe(draw_world(seed)));
        fmt::print("seed {}: {} exchanges, {} completions, {} turns, fingerprint {:x}\n", seed, result.exchange_count,
                   result.completion_count, result.turn_count, result.fingerprint);
        return;
    }
    const uint64_t first = env_number("LOOM_SIM_FIRST", 1);
    const uint64_t worlds = env_number("LOOM_SIM_WORLDS", worlds_usual);
    const auto begun = std::chrono::steady_clock::now();
    uint64_t exchanges = 0;
    uint64_t hedges = 0;
    uint64_t completions = 0;
    uint64_t turns = 0;
    int failed = 0;
    for (uint64_t seed = first; seed < first + worlds && failed < 5; ++seed) {
        const WorldResult result = run_seed(seed);
        exchanges += result.exchange_count;
        hedges += result.hedge_count;
        completions += result.completion_count;
        turns += result.turn_count;
        failed += result.complaints.empty() ? 0 : 1;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    fmt::print("{} worlds, {} exchanges ({} hedged), {} completions, {} turns in {:.1f} s: {:.0f} exchanges a second\n",
               worlds, exchanges, hedges, completions, turns, took.count(),
               static_cast<double>(exchanges) / took.count());
}

}  // namespace
}  // namespace loom::sim
