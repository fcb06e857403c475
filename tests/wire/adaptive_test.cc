// A provider whose limit nobody has written down: Loom finds it out, keeps to it, and lets others take what is beyond.
#include <atomic>
#include <thread>
#include <vector>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr const char* limit_of_mock = R"(loom_ai_provider_concurrency_limit{provider="mock"})";

/// Provider `mock` has a limit that is learned; provider `spare` takes whatever comes.
class Adaptive : public WireTest {
  protected:
    Adaptive() : spare_(answer_always(answer(chat_answer))) {
        conf.set("provider.mock.rate_limit.adaptive", "on").set("provider.mock.priority", "1");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
        conf.set("provider.spare.priority", "2");
        allow_script_failures();
    }
    /// `mock` answers so many at once, each after 20 ms, and refuses the others.
    void start_with_room_for(int count) {
        room_ = count;
        start([this](UpstreamConnection& connection) {
            while (connection.read_request()) {
                const int under_way = ++under_way_;
                int most = most_.load();
                while (most < under_way && !most_.compare_exchange_weak(most, under_way)) {
                }
                const bool refused = under_way > room_;
                if (refused) refused_ += 1;
                if (!refused) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the work itself
                under_way_ -= 1;
                connection.send(refused ? answer(R"({"error":{"message":"slow down"}})", "429 Too Many Requests",
                                                 "retry-after-ms: 1\r\n")
                                        : answer(chat_answer));
            }
        });
    }
    /// So many clients, each asking one after the other.
    void ask_by(int clients, int each) {
        std::vector<std::thread> threads;
        for (int t = 0; t < clients; ++t)
            threads.emplace_back([this, each] {
                RawClient one = client();
                for (int i = 0; i < each; ++i) {
                    one.send(chat_request(chat_body));
                    const Message response = one.read_response();
                    (response.status() == 200 ? answered_ : failed_) += 1;
                    if (response.head.value("x-loom-provider") == "mock") of_mock_ += 1;
                }
            });
        for (std::thread& thread : threads) thread.join();
    }

    std::atomic<int> room_ = 0, under_way_ = 0, most_ = 0, refused_ = 0;
    std::atomic<int> answered_ = 0, failed_ = 0, of_mock_ = 0;

  private:
    ScriptedUpstream spare_;
};

TEST_F(Adaptive, WhoRefusesWhatIsTooMuchIsAskedNoMoreThanItTakes) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.retry_budget", "100%").set("loop.shards", "2");
    start_with_room_for(4);
    EXPECT_EQ(loom().eventually(limit_of_mock), 10) << "what it begins with";
    ask_by(16, 40);
    EXPECT_EQ(failed_, 0) << "what mock refuses or is not asked, the spare answers";
    EXPECT_EQ(answered_, 640);
    const double learned = loom().metric(limit_of_mock);
    EXPECT_GE(learned, 1);
    EXPECT_LE(learned, 5);
    EXPECT_GE(of_mock_, 20) << "it has not been given up";
    EXPECT_LE(refused_, 60) << "a round of those that were under way, and one more now and then";
    std::string list;
    wait_until("the last to be counted out", [&] {
        list = ask_once(loom().admin_port(), get("/ai/providers")).body;
        return contains(list, R"("concurrency":{"in_flight":0,"limit":)");
    });
    EXPECT_TRUE(contains(list, R"("adaptive":true})")) << list;
}

TEST_F(Adaptive, ItGrowsWhereThereIsRoom) {
    start_with_room_for(1'000);
    ask_by(24, 40);
    EXPECT_EQ(failed_, 0);
    EXPECT_EQ(refused_, 0);
    EXPECT_GT(loom().metric(limit_of_mock), 10);
}

TEST_F(Adaptive, NeverBeyondWhatIsConfigured_NorBelow) {
    conf.set("provider.mock.rate_limit.concurrent_requests", "3").set("provider.mock.rate_limit.adaptive_min", "2");
    start_with_room_for(1);
    EXPECT_EQ(loom().eventually(limit_of_mock), 3);
    ask_by(8, 20);
    EXPECT_LE(most_, 3);
    EXPECT_GE(loom().metric(limit_of_mock), 2);
}

TEST_F(Adaptive, WhereNobodyElseIsLeftRequestsWaitInLine) {
    conf.set("provider.spare.models", "another").set("routing.queue.max", "100").set("routing.queue.timeout", "60s");
    start_with_room_for(1'000);
    ask_by(16, 10);
    EXPECT_EQ(failed_, 0);
    EXPECT_EQ(answered_, 160);
    EXPECT_EQ(of_mock_, 160);
    EXPECT_EQ(under_way_, 0);
}

TEST_F(Adaptive, ATimeoutIsARefusal) {
    conf.set("provider.mock.timeout.response_header", "50ms");
    start([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.wait_closed();
    });
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 504);
    EXPECT_EQ(loom().eventually(limit_of_mock), 7)
        << "three quarters of ten: one that fails tells nothing of how many do";
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 504) << "it is asked all the same";
}

TEST_F(Adaptive, ASpentQuotaIsNoWordOnConcurrency) {
    start(answer_always(answer(R"({"error":{"message":"slow down"}})", "429 Too Many Requests",
                               "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 10ms\r\n")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 429);
    EXPECT_EQ(loom().eventually(limit_of_mock), 10);
}

TEST_F(Adaptive, AKeyOfSeveralThatIsRefusedIsNoWordOnTheOthers) {
    conf.set("provider.mock.api_key", "sk-one\nprovider.mock.api_key = sk-two");
    conf.set("routing.failover.enabled", "on").set("routing.failover.retry_budget", "100%");
    start(answer_with([](const Message& asked) {
        return asked.head.value("Authorization") == "Bearer sk-one"
                   ? answer("{}", "429 Too Many Requests", "retry-after-ms: 1\r\n")
                   : answer(chat_answer);
    }));
    for (int i = 0; i < 30; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_GE(loom().metric(limit_of_mock), 10);
}

TEST_F(Adaptive, AReloadKeepsWhatWasLearned) {
    start_with_room_for(0);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 429);
    EXPECT_EQ(loom().eventually(limit_of_mock), 7);
    loom().reload(conf.set("provider.mock.header.X-Generation", "2").text());
    EXPECT_EQ(loom().eventually(limit_of_mock), 7);
    loom().reload(conf.set("provider.mock.rate_limit.adaptive", "off").text());
    EXPECT_EQ(loom().metrics().count(limit_of_mock), 0u) << "there is no limit any more";
}

}  // namespace
}  // namespace loom::wire
