// The verdict can fail: each thing that a soak looks for, once there and once not.
#include "verdict.h"

#include <gtest/gtest.h>

namespace loom::soak {
namespace {

constexpr size_t mib = 1024 * 1024;

bool is_flat(size_t from, size_t per_sample) {
    ResidentSeries series;
    for (size_t i = 0; i < 300; ++i) series.add(from + i * per_sample);
    return series.is_flat();
}

TEST(ResidentSeries, IsFlatButForItsNoise) {
    EXPECT_TRUE(is_flat(40 * mib, 0));
    EXPECT_TRUE(is_flat(40 * mib, mib / 100));
    EXPECT_FALSE(is_flat(40 * mib, mib / 10)) << "10 MiB from third to third";
}

TEST(ResidentSeries, WarmUpMayGrowAndOnePeakIsNone) {
    ResidentSeries series;
    for (size_t i = 0; i < 300; ++i) series.add(i < 90 ? i * mib : (i == 250 ? 500 : 90) * mib);
    EXPECT_TRUE(series.is_flat());
}

TEST(FaultWindows, ExcuseWhatOverlapsThem) {
    FaultWindows windows;
    const Clock::time_point before = Clock::now();
    EXPECT_FALSE(windows.since(before));
    windows.open();
    EXPECT_TRUE(windows.since(Clock::now()));
    windows.close();
    EXPECT_TRUE(windows.since(before));
    EXPECT_FALSE(windows.since(Clock::now() + std::chrono::seconds(1)));
}

class Settlement : public testing::Test {
  protected:
    bool holds() {
        Verdict verdict;
        check_settlement(verdict, asked, metrics, log);
        return verdict.is_good();
    }
    // Seven asked; one left, and settled as 499; one saw 502.
    Ledger::Totals asked{.asked = 7, .by_status = {{0, 1}, {200, 5}, {502, 1}}};
    std::map<std::string, double> metrics = {{"loom_http_requests_total{code=\"200\"}", 5},
                                             {"loom_http_requests_total{code=\"499\"}", 1},
                                             {"loom_http_requests_total{code=\"502\"}", 1}};
    LogCount log{.lines = 7, .by_status = {{200, 5}, {499, 1}, {502, 1}}};
};

TEST_F(Settlement, HoldsWhereAllAgree) { EXPECT_TRUE(holds()); }

TEST_F(Settlement, AnExchangeThatSettledTwice) {
    metrics["loom_http_requests_total{code=\"200\"}"] += 1;
    log.lines += 1;
    log.by_status[200] += 1;
    EXPECT_FALSE(holds());
}

TEST_F(Settlement, ALineTooFewOrDropped) {
    log.lines -= 1;
    EXPECT_FALSE(holds());
    log.lines += 1;
    metrics["loom_access_log_dropped_total"] = 1;
    EXPECT_FALSE(holds());
}

TEST_F(Settlement, AStatusThatNoClientSaw) {
    metrics = {{"loom_http_requests_total{code=\"200\"}", 5},
               {"loom_http_requests_total{code=\"499\"}", 1},
               {"loom_http_requests_total{code=\"504\"}", 1}};
    log.by_status = {{200, 5}, {499, 1}, {504, 1}};
    EXPECT_FALSE(holds());
}

TEST_F(Settlement, AnErrorInPlaceOfAClientThatLeft) {
    metrics.erase("loom_http_requests_total{code=\"499\"}");
    metrics["loom_http_requests_total{code=\"500\"}"] = 1;
    log.by_status = {{200, 5}, {500, 1}, {502, 1}};
    EXPECT_FALSE(holds());
}

TEST_F(Settlement, MoreClientsLeftInTheLogThanLeft) {
    asked.by_status = {{200, 6}, {502, 1}};
    EXPECT_FALSE(holds());
}

}  // namespace
}  // namespace loom::soak
