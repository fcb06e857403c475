// What keys of hedged requests must say, and how it is told where they could do nothing.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"
#include "plan/hedge.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = openai\n"
    "provider.a.api_key = k\nprovider.b.type = openai\nprovider.b.api_key = k\nrouting.failover.enabled = on\n";

/// Behind the seven lines that two providers with failover need.
std::string more(const std::string& text, const std::string& before = base) {
    auto loaded = config::load_text(before + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}

TEST(CheckHedge, WhenItBegins) {
    for (const char* const good : {"p50", "p99", "p1", "800ms", "2s", "off"})
        EXPECT_EQ(more("routing.hedge.after = " + std::string(good) + "\n"), "") << good;
    for (const char* const bad : {"p0", "p100", "p", "p9x", "95", "on", "0", "10us", "-1s"})
        EXPECT_EQ(more("routing.hedge.after = " + std::string(bad) + "\n"),
                  "loom.conf:8:23: routing.hedge.after: expected off, a duration from 1ms on such as 800ms, or a "
                  "percentile from p1 to p99\n")
            << bad;
    EXPECT_EQ(parse_hedge_after("p95")->percentile, 95u);
    EXPECT_EQ(parse_hedge_after("1.5s")->ms, 1'500u);
    EXPECT_TRUE(parse_hedge_after("off")->off());
}

TEST(CheckHedge, WhatItNeeds) {
    const std::string without = base.substr(0, base.find("routing.failover"));
    EXPECT_EQ(
        more("routing.hedge.after = p95\n", without),
        "loom.conf:7:23: routing.hedge.after: needs routing.failover.enabled = on: an answer's start is held there "
        "until its first content\n");
    EXPECT_EQ(more("routing.hedge.after = p95\nprovider.b.weight = 0\n"),
              "loom.conf:8:23: warning: routing.hedge.after: nobody is there to be asked beside the one provider\n");
    EXPECT_EQ(more("routing.hedge.after = p95\nrouting.fallback.provider = b\n"),
              "loom.conf:8:23: warning: routing.hedge.after: nobody is there to be asked beside the one provider\n")
        << "who is asked last is not asked first";
    EXPECT_EQ(more("routing.hedge.after = p95\nrouting.failover.retry_sent = off\n"),
              "loom.conf:8:23: warning: routing.hedge.after: sends requests twice, which routing.failover.retry_sent = "
              "off is to keep them from\n");
}

TEST(CheckHedge, WhatNeverComes) {
    EXPECT_EQ(more("routing.hedge.after = 5s\nrouting.failover.timeout = 3s\n"),
              "loom.conf:8:23: warning: routing.hedge.after: never comes: routing.failover.timeout ends the attempt "
              "before\n");
    EXPECT_EQ(more("routing.hedge.after = 2m\n"),
              "loom.conf:8:23: warning: routing.hedge.after: never comes: timeout.response_header ends the attempt "
              "before\n");
    EXPECT_EQ(more("routing.hedge.after = 5s\nroute.ai.keepalive = 2s\n"),
              "loom.conf:8:23: warning: routing.hedge.after: never comes to the streams that route.ai.keepalive opens "
              "before\n");
    EXPECT_EQ(more("routing.hedge.after = 1s\nroute.ai.keepalive = 2s\n"), "");
    EXPECT_EQ(more("routing.hedge.budget = 5%\n"),
              "loom.conf:8:24: warning: routing.hedge.budget: means nothing without routing.hedge.after\n");
    EXPECT_EQ(more("routing.hedge.after = p95\nrouting.hedge.budget = 0%\n"),
              "loom.conf:9:24: warning: routing.hedge.budget: 0 leaves nothing to hedge\n");
}

}  // namespace
}  // namespace loom::app
