// More than a year of a Loom's spending, in seconds. A run that fails is named by its seed, and LOOM_MONTHS_SEED=N
// build-release/tests/months/months_test replays it. LOOM_MONTHS_FIRST and LOOM_MONTHS_WORLDS choose others than the
// suite's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "seeds.h"
#include "world.h"

namespace loom::months {
namespace {

constexpr uint64_t requests_usual = sim::is_sanitized ? 12'000 : 70'000;
constexpr uint64_t worlds_usual = 3;  // one of them under leases
constexpr int days = 440;             // from 2023-12-18: two New Years, a February of 29 days and one of 28

using sim::env_number;

TEST(Months, NothingIsLostAndNothingCountsTwice) {
    const uint64_t one = env_number("LOOM_MONTHS_SEED", 0);
    const uint64_t first = one != 0 ? one : env_number("LOOM_MONTHS_FIRST", 1);
    const uint64_t worlds = one != 0 ? 1 : env_number("LOOM_MONTHS_WORLDS", worlds_usual);
    const uint64_t requests = env_number("LOOM_MONTHS_REQUESTS", requests_usual);
    int failed = 0;
    for (uint64_t seed = first; seed < first + worlds && failed < 3; ++seed) {
        const auto begun = std::chrono::steady_clock::now();
        const WorldResult result = World(seed, requests, days).run();
        for (const std::string& what : result.complaints)
            ADD_FAILURE() << what << "\nreplay: LOOM_MONTHS_SEED=" << seed << " build-release/tests/months/months_test";
        failed += result.complaints.empty() ? 0 : 1;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
        fmt::print(
            "seed {}: {} days, {} requests ({} refused, {} stopped, {} over midnight), {} attempts, {} extensions, {} "
            "overdrawn; {} kills ({} writes torn), {} restarts, {} lost, {} reloads, {} checks, {:.1f} s\n",
            seed, result.days, result.requests, result.refused, result.stopped, result.over_midnight, result.attempts,
            result.extensions, result.overdrawn, result.kills, result.torn, result.restarts, result.lost,
            result.reloads, result.checks, took.count());
        EXPECT_GT(result.requests, requests / 2);
        EXPECT_GT(result.over_midnight, 0u);
        if (requests < requests_usual || sim::is_sanitized) continue;  // rare ones need many
        EXPECT_GT(result.kills, 0u);
        EXPECT_GT(result.torn, 0u);
        EXPECT_GT(result.reloads, 0u);
        EXPECT_GT(result.overdrawn, 0u);
    }
}

TEST(Calendar, CountsAsTheRealOneDoes) {
    const Calendar calendar;
    for (int64_t day = 19'700; day < 20'250; ++day)
        for (const int64_t second : {int64_t{0}, int64_t{86'399}})
            for (int period = 0; period < 3; ++period) {
                const auto real =
                    tenant::period_span(tenant::budget_periods[static_cast<size_t>(period)], day * day_s + second);
                const auto [from, to] = calendar.span(period, day * day_s + second);
                ASSERT_EQ(real.begin_s, from * day_s) << day << " " << period;
                ASSERT_EQ(real.end_s, (to + 1) * day_s) << day << " " << period;
            }
}

}  // namespace
}  // namespace loom::months
