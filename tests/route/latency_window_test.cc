#include "loom/route/latency_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

namespace loom::route {
namespace {

constexpr LatencyOptions minute{.window_ms = 60'000, .percentile = 95};

TEST(LatencyWindow, KnowsNothingAtFirst) {
    LatencyWindow window;
    EXPECT_EQ(window.score(minute, 1'000), 0u);
    EXPECT_EQ(window.idle_ms(1'000), UINT64_MAX);
}

TEST(LatencyWindow, TellsThePercentileWithinAQuarter) {
    LatencyWindow window;
    for (uint64_t i = 1; i <= 1'000; ++i) window.record(minute, 5'000, i * 1'000);
    for (const uint32_t which : {1u, 50u, 95u, 99u}) {
        const double wanted = which * 10'000.0;
        EXPECT_NEAR(static_cast<double>(window.percentile(minute, 5'000, which)), wanted, wanted / 4) << which;
    }
}

TEST(LatencyWindow, ForgetsWhatIsOlderThanItself) {
    LatencyWindow window;
    window.record(minute, 1'000, 900'000);
    EXPECT_GT(window.score(minute, 50'000), 600'000u);
    EXPECT_EQ(window.score(minute, 1'000 + 2 * minute.window_ms), 0u);
    window.record(minute, 200'000, 1'000);
    EXPECT_LT(window.score(minute, 250'000), 2'000u) << "the old slices hold nothing of before";
}

TEST(LatencyWindow, NoticesAPeakAtOnceAndForgivesItInTime) {
    LatencyWindow window;
    for (int i = 0; i < 1'000; ++i) window.record(minute, 10'000, 1'000);
    EXPECT_LT(window.score(minute, 10'200), 2'000u);
    window.record(minute, 10'300, 500'000);  // one in a thousand: no percentile tells
    EXPECT_GT(window.score(minute, 10'300), 400'000u);
    EXPECT_LT(window.score(minute, 10'300 + 5 * LatencyWindow::decay_ms), 2'000u);
}

TEST(LatencyWindow, SettlesOnAPercentileWhenItHasSeenEnough) {
    EXPECT_EQ(LatencyWindow::samples_for(50), 20u);
    EXPECT_EQ(LatencyWindow::samples_for(95), 20u);
    EXPECT_EQ(LatencyWindow::samples_for(99), 100u);
    for (const uint32_t which : {50u, 95u, 99u}) {
        LatencyWindow window;
        uint64_t now_ms = 1'000;
        for (uint64_t i = 1; i < LatencyWindow::samples_for(which); ++i) {
            window.record(minute, now_ms += 10, 100'000);
            EXPECT_EQ(window.settled(minute, now_ms, which), 0u) << which << ", " << i << " samples";
        }
        window.record(minute, now_ms, 100'000);
        now_ms += LatencyWindow::refresh_ms;
        EXPECT_NEAR(static_cast<double>(window.settled(minute, now_ms, which)), 100'000, 25'000);
        window.record(minute, now_ms + 1, 1'000);
        EXPECT_EQ(window.settled(minute, now_ms + 2 * minute.window_ms, which), 0u) << "all of it is history";
    }
}

/// Whoever is asked beside one that is slower than that is so for no more than the share that was meant, also where most
/// samples fall together: 5.4 ms are in the bucket from 5.1 to 6.1, whose middle is 5.6.
TEST(LatencyWindow, NoMoreThanTheirShareLieAboveWhatItSettlesOn) {
    for (const uint64_t most_us : {5'400u, 5'700u, 990u, 1'040u, 100'000u, 129'000u})
        for (const uint32_t which : {50u, 90u, 95u, 99u}) {
            LatencyWindow window;
            std::vector<uint64_t> samples;
            for (uint64_t i = 0; i < 1'000; ++i) {
                samples.push_back(i % 20 == 0 ? 500'000 : most_us + i % 7 * most_us / 50);
                window.record(minute, 5'000, samples.back());
            }
            const uint64_t settled = window.settled(minute, 5'000, which);
            const auto above = std::ranges::count_if(samples, [&](uint64_t us) { return us > settled; });
            EXPECT_LE(above, 10 * (100 - which)) << most_us << ", p" << which << ": " << settled;
        }
}

TEST(LatencyWindow, FallsWithFasterSamples) {
    LatencyWindow window;
    window.record(minute, 1'000, 100'000);
    uint64_t now_ms = 1'000;
    for (int i = 0; i < 200; ++i) window.record(minute, now_ms += 100, 1'000);
    EXPECT_LT(window.score(minute, now_ms + 1), 20'000u);
}

TEST(LatencyWindow, LosesNoSampleBetweenThreads) {
    const auto window = std::make_unique<LatencyWindow>();
    constexpr int each = 5'000;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                window->record(minute, 1'000 + static_cast<uint64_t>(i), t < 2 ? 1'000 : 1'000'000);
                (void)window->score(minute, 1'000 + static_cast<uint64_t>(i));
            }
        });
    for (std::thread& one : threads) one.join();
    // Half of them are fast: one lost or double would move the median.
    EXPECT_LT(window->percentile(minute, 7'000, 50), 2'000u);
    EXPECT_GT(window->percentile(minute, 7'000, 51), 500'000u);
}

}  // namespace
}  // namespace loom::route
