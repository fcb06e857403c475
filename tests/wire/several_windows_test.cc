// Limits in several windows at once (10/1s, 1000/1h): who is over one hears which, answers tell all of them, and on any
// number of shards and Looms none of them lets in more than it allows.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "fixture.h"
#include "sharing.h"

namespace loom::wire {
namespace {

using namespace std::chrono;

const std::string ten_tokens =
    R"({"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":)"
    R"({"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,)"
    R"("completion_tokens":9,"total_tokens":10}})";
/// Of one token by the estimate, and nine for its answer.
const std::string asking =
    chat_request(R"({"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})");

class SeveralWindows : public WireTest {
  protected:
    void begin() { start(answer_always(answer(ten_tokens))); }
    void expect_admitted() {
        const Message response = ask(asking);
        EXPECT_EQ(response.status(), 200) << response.raw();
    }
    Message expect_refused(std::string_view part) {
        Message response = ask(asking);
        expect_error(response, 429, "rate_limit_exceeded");
        EXPECT_TRUE(contains(response.body, part)) << response.body;
        return response;
    }
    static int retry_after(const Message& refused) { return std::stoi(std::string(refused.head.value("retry-after"))); }
    void expect_admitted_after(const Message& refused) {
        std::this_thread::sleep_for(milliseconds(std::stoi(std::string(refused.head.value("retry-after-ms")))));
        expect_admitted();
    }
    std::string limits() { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; }
};

TEST_F(SeveralWindows, OfRequests_WhoIsOverOneHearsWhichAndWhen) {
    conf.set("rate_limit.consumer.tester.request_rate", "2/3s, 3/1h");
    begin();
    expect_admitted();
    expect_admitted();
    const Message by_the_shorter = expect_refused("rate_limit.consumer.tester.request_rate is 2 requests in 3s");
    EXPECT_LE(retry_after(by_the_shorter), 4);
    EXPECT_EQ(by_the_shorter.head.value("ratelimit-policy"), R"("consumer-requests-3s";q=2;w=3)");
    EXPECT_EQ(by_the_shorter.head.value("x-ratelimit-limit-requests"), "2");
    EXPECT_EQ(by_the_shorter.head.value("x-ratelimit-remaining-requests"), "0");
    expect_admitted_after(by_the_shorter);
    const Message by_the_longer = expect_refused("rate_limit.consumer.tester.request_rate is 3 requests in 3600s");
    EXPECT_GE(retry_after(by_the_longer), 3'400);
    EXPECT_LE(retry_after(by_the_longer), 3'720);
    EXPECT_EQ(by_the_longer.head.value("ratelimit-policy"), R"("consumer-requests-1h";q=3;w=3600)");
    EXPECT_EQ(by_the_longer.head.value("ratelimit"),
              fmt::format(R"("consumer-requests-1h";r=0;t={})", retry_after(by_the_longer)));
    EXPECT_EQ(upstream().request_count(), 3u);
    EXPECT_EQ(loom().eventually("loom_ai_rate_limited_total{scope=\"consumer\"}"), 2);
}

TEST_F(SeveralWindows, OfTokens_SettledInEach) {
    conf.set("rate_limit.global.token_rate", "20/3s, 35/1h");
    begin();
    expect_admitted();
    expect_admitted();
    const Message by_the_shorter = expect_refused("rate_limit.global.token_rate is 20 tokens in 3s");
    expect_admitted_after(by_the_shorter);
    const Message by_the_longer = expect_refused("rate_limit.global.token_rate is 35 tokens in 3600s");
    EXPECT_GE(retry_after(by_the_longer), 3'400);
    EXPECT_TRUE(contains(limits(), R"("tokens":{"limit":20,"window_ms":3000,)")) << limits();
    EXPECT_TRUE(contains(limits(), R"({"limit":35,"window_ms":3600000,"key":"rate_limit.global.token_rate","used":30,)"
                                   R"("remaining":5,)"))
        << limits();
}

/// The shorter of two that are full would let nobody in.
TEST_F(SeveralWindows, OfTwoThatAreFullTheOneIsNamedThatHasRoomLast) {
    conf.set("rate_limit.request_rate.limit", "2/1m, 2/1h");
    begin();
    expect_admitted();
    expect_admitted();
    EXPECT_GE(retry_after(expect_refused("rate_limit.request_rate.limit is 2 requests in 3600s")), 3'400);
}

TEST_F(SeveralWindows, AnswersTellAllOfTheLimitThatIsNearest) {
    conf.set("rate_limit.consumer.tester.request_rate", "100/1m, 110/1h, 5000/1d")
        .set("rate_limit.ip.request_rate", "300");
    conf.set("rate_limit.consumer.tester.token_rate", "5000, 900/1s").set("rate_limit.token_rate.window", "90s");
    begin();
    const Message told = ask(asking);
    EXPECT_EQ(
        told.head.value("ratelimit-policy"),
        R"("consumer-requests-1m";q=100;w=60, "consumer-requests-1h";q=110;w=3600, )"
        R"("consumer-requests-1d";q=5000;w=86400, "consumer-tokens-1s";q=900;w=1, "consumer-tokens-90s";q=5000;w=90)");
    for (const char* const part : {R"("consumer-requests-1m";r=99;t=)", R"("consumer-requests-1h";r=109;t=)",
                                   R"("consumer-requests-1d";r=4999;t=)", R"("consumer-tokens-1s";r=890;t=)",
                                   R"("consumer-tokens-90s";r=4990;t=)"})
        EXPECT_TRUE(contains(told.head.value("ratelimit"), part)) << told.head.raw;
    EXPECT_EQ(told.head.value("x-ratelimit-limit-requests"), "100") << "the one with the least left";
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), "99");
    EXPECT_EQ(told.head.value("x-ratelimit-limit-tokens"), "900");
    conf.set("rate_limit.ip.request_rate", "50");
    loom().reload(conf.text());
    EXPECT_TRUE(
        contains(ask(asking).head.value("ratelimit-policy"), R"("ip-requests";q=50;w=60, "consumer-tokens-1s")"))
        << "of another that is nearer, none of these";
}

/// Nothing of them is left out, however long.
TEST_F(SeveralWindows, TheLongestLinesThereAre) {
    constexpr const char* four = "999999996/80001s, 999999997/80003s, 999999998/80007s, 999999999/86399s";
    conf.set("rate_limit.consumer.tester.request_rate", four).set("rate_limit.consumer.tester.token_rate", four);
    begin();
    const Message told = ask(asking);
    EXPECT_TRUE(contains(told.head.value("ratelimit-policy"), R"("consumer-tokens-86399s";q=999999999;w=86399)"));
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("consumer-tokens-86399s";r=999999989;t=)")) << told.head.raw;
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-tokens"), "999999986");
    EXPECT_TRUE(told.head.has("x-ratelimit-reset-tokens"));
}

TEST_F(SeveralWindows, OfAnAddress) {
    conf.set("rate_limit.ip.request_rate", "2/3s, 3/1h").set("rate_limit.ip.token_rate", "1000/3s, 2000/1h");
    begin();
    expect_admitted();
    expect_admitted();
    const Message by_the_shorter = expect_refused("rate_limit.ip.request_rate is 2 requests in 3s");
    EXPECT_EQ(RawClient(connect_loopback_from(2, loom().port())).ask(asking).status(), 200);
    std::this_thread::sleep_for(milliseconds(std::stoi(std::string(by_the_shorter.head.value("retry-after-ms")))));
    const Message told = ask(asking);
    EXPECT_EQ(told.head.value("ratelimit-policy"),
              R"("ip-requests-3s";q=2;w=3, "ip-requests-1h";q=3;w=3600, "ip-tokens-3s";q=1000;w=3, )"
              R"("ip-tokens-1h";q=2000;w=3600)");
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), "0");
    (void)expect_refused("rate_limit.ip.request_rate is 3 requests in 3600s");
    EXPECT_EQ(RawClient(connect_loopback_from(2, loom().port())).ask(asking).status(), 200);
}

TEST_F(SeveralWindows, ABurstIsOfTheShortest) {
    conf.set("rate_limit.consumer.tester.request_rate", "100/1h, 10/10s").set("rate_limit.consumer.tester.burst", "2");
    begin();
    expect_admitted();
    expect_admitted();
    const Message refused = expect_refused("rate_limit.consumer.tester.burst is 2 requests at once, and 10 in 10s");
    EXPECT_LE(retry_after(refused), 1);
    expect_admitted_after(refused);
}

TEST_F(SeveralWindows, AReloadKeepsEachByItsLength) {
    conf.set("rate_limit.consumer.tester.request_rate", "50/1m, 5/1h");
    begin();
    for (int i = 0; i < 3; ++i) expect_admitted();
    conf.set("rate_limit.consumer.tester.request_rate", "5/1h, 500/1d");
    loom().reload(conf.text());
    const std::string told = limits();
    EXPECT_TRUE(contains(told, R"("limit":5,"window_ms":3600000,"key":"rate_limit.consumer.tester.request_rate",)"
                               R"("used":3,"remaining":2,)"))
        << told;
    EXPECT_TRUE(contains(told, R"("longer":[{"limit":500,"window_ms":86400000,)"
                               R"("key":"rate_limit.consumer.tester.request_rate","used":3,"remaining":497,)"))
        << "a new one has what the longest has counted: " << told;
    expect_admitted();
    expect_admitted();
    (void)expect_refused("5 requests in 3600s");
    conf.set("rate_limit.consumer.tester.request_rate", "5").set("rate_limit.request_rate.window", "2h");
    loom().reload(conf.text());
    (void)expect_refused("5 requests in 7200s");
}

/// When a request was sent and when it had its answer: in between it was let in.
struct Admitted {
    steady_clock::time_point sent, answered;
};

/// Of those that were surely within any such span, no more than the limit.
void expect_within(const std::vector<Admitted>& all, steady_clock::duration window, size_t limit) {
    for (const Admitted& first : all) {
        const size_t count = static_cast<size_t>(std::ranges::count_if(
            all, [&](const Admitted& one) { return one.sent >= first.sent && one.answered <= first.sent + window; }));
        ASSERT_LE(count, limit);
    }
}

class SeveralWindowsOnShards : public SeveralWindows, public testing::WithParamInterface<int> {
  protected:
    SeveralWindowsOnShards() { conf.set("loop.shards", std::to_string(GetParam())); }
    /// Eight clients who always have something to send, each request on a connection of its own.
    void expect_lawful(size_t in_two_seconds, size_t in_all) {
        std::vector<Admitted> admitted;
        std::mutex mutex;
        const auto ask_on = [&](steady_clock::time_point end) {
            while (steady_clock::now() < end) {
                const auto sent = steady_clock::now();
                const int status = ask(asking).status();
                if (status != 200 && status != 429) ADD_FAILURE() << status;
                const std::lock_guard lock(mutex);
                if (status == 200) admitted.push_back({sent, steady_clock::now()});
                if (admitted.size() >= in_all) end = std::min(end, steady_clock::now() + milliseconds(300));
            }
        };
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 8; ++thread)
            threads.emplace_back([&] {
                try {
                    ask_on(steady_clock::now() + seconds(20));
                } catch (const WireError& error) {
                    ADD_FAILURE() << error.what();
                }
            });
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(upstream().request_count(), admitted.size());
        EXPECT_EQ(admitted.size(), in_all);
        expect_within(admitted, seconds(2), in_two_seconds);
        EXPECT_EQ(ask(asking).status(), 429);
    }
};

TEST_P(SeveralWindowsOnShards, OfRequests) {
    conf.set("rate_limit.consumer.tester.request_rate", "40/2s, 100/1h");
    begin();
    expect_lawful(40, 100);
}

TEST_P(SeveralWindowsOnShards, OfTokens_BesideThoseOfOthers) {
    conf.set("rate_limit.consumer.tester.token_rate", "400/2s, 1000/1h, 2000/1d");
    conf.set("rate_limit.global.token_rate", "450/2s, 3000/1h")
        .set("rate_limit.route.ai.request_rate", "1000/2s, 9999/1h");
    begin();
    expect_lawful(40, 100);
}

INSTANTIATE_TEST_SUITE_P(Each, SeveralWindowsOnShards, testing::Values(1, 2, 8));

struct TwoWindowsSharer : SharingLoom {
    TwoWindowsSharer(uint16_t upstream_port, const std::string& address) : SharingLoom(upstream_port, address) {
        conf.set("rate_limit.consumer.tester.request_rate", "16/5s, 30/1h");
        conf.set("rate_limit.on_store_lost", "fail_closed");
        start();
    }
};

class SharedWindows : public SharingTest<TwoWindowsSharer> {
  protected:
    SharedWindows() : SharingTest(ten_tokens) {
        // As one that has known all leases for long.
        EXPECT_EQ(redis.run({"EVAL",
                             "return redis.call('SET', KEYS[1], '1 ' .. string.match(redis.call('INFO', 'server'), "
                             "'run_id:(%w+)'))",
                             "1", "loom:tokens:{loom}leases:since"}),
                  "+OK\r\n");
    }
};

TEST_F(SharedWindows, EachIsThatOfBothLooms) {
    for (int i = 0; i < 2; ++i) (void)add_one(redis.address());
    std::vector<Admitted> admitted;
    for (const auto end = steady_clock::now() + seconds(40); admitted.size() < 30 && steady_clock::now() < end;)
        for (auto& one : looms) {
            const auto sent = steady_clock::now();
            if (ask_once(one->loom->port(), asking).status() == 200)
                admitted.push_back({sent, steady_clock::now()});
            else
                std::this_thread::sleep_for(milliseconds(20));
        }
    EXPECT_EQ(admitted.size(), 30u);
    expect_within(admitted, seconds(5), 16);
    for (auto& one : looms)
        for (int i = 0; i < 10; ++i) EXPECT_EQ(ask_once(one->loom->port(), asking).status(), 429);
    EXPECT_EQ(upstream.request_count(), 30u);
    EXPECT_EQ(looms.front()->loom->metric("loom_ai_shared_limits"), 2) << "a lease for each window";
}

}  // namespace
}  // namespace loom::wire
