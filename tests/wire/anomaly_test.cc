// Sudden changes, told by the binary itself: with windows of a second, learned in four.
#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

std::string learned = R"(loom_anomaly_consumers{state="learned"})";
std::string told_metric(const std::string& type) {
    return fmt::format(R"(loom_anomaly_alerts_total{{type="{}"}})", type);
}

std::string usage_answer(uint64_t tokens) {
    return answer(fmt::format(
        R"({{"id":"c","object":"chat.completion","model":"gpt-4o","choices":[{{"index":0,"message":{{"role":"assistant","content":"Hi"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{0},"completion_tokens":1,"total_tokens":{1}}}}})",
        tokens, tokens + 1));
}

class Anomalies : public WireTest {
  protected:
    Anomalies() : webhook_(answer_always(answer("ok"))) {
        conf.set("alerts.anomaly.enabled", "on").set("alerts.anomaly.window", "1s");
        conf.set("alerts.anomaly.learning", "4s").set("state.directory", state.path());
        conf.set("alerts.webhook.url", webhook_.origin() + "/hooks").set("forwarded.trust", "127.0.0.0/8");
        conf.set("provider.mock.models", "gpt-4o, gpt-4o-mini").set("loop.shards", "2");
    }
    ~Anomalies() override { webhook_.end_connections(); }
    int ask_from(const std::string& address, const std::string& model = "gpt-4o") {
        return ask(chat_request(fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"Hi"}}]}})", model),
                                fmt::format("X-Forwarded-For: {}\r\n", address)))
            .status();
    }
    int ask_as_usual() { return ask_from("198.51.100.7"); }
    void begin() {
        start(answer_with([this](const Message&) {
            if (fails_) return answer("{}", "500 Internal Server Error");
            return usage_answer(tokens_);
        }));
    }
    void learn() {
        wait_until("what is usual to be known", [&] {
            EXPECT_EQ(ask_as_usual(), 200);
            return loom().metric(learned) == 1;
        });
    }
    /// The document of an event of this type, once it is told.
    std::string told(const std::string& type, size_t nth = 0) {
        std::string found;
        wait_until(type, [&] {
            size_t seen = 0;
            for (const Message& one : webhook_.requests())
                if (json_text(one.body, "type") == type && seen++ == nth) found = one.body;
            return !found.empty();
        });
        return found;
    }
    ScriptedUpstream& webhook() { return webhook_; }

    StateDirectory state;
    std::atomic<uint64_t> tokens_ = 10;
    std::atomic<bool> fails_ = false;

  private:
    ScriptedUpstream webhook_;
};

TEST_F(Anomalies, ANewNetworkAndANewModelAreToldOnce) {
    begin();
    learn();
    EXPECT_EQ(ask_from("203.0.113.66"), 200);
    const std::string network = told("anomaly.new_address");
    EXPECT_TRUE(contains(network, R"("data":{"scope":"consumer","consumer":"tester","network":"203.0.113.0/24"}})"))
        << network;
    EXPECT_EQ(json_text(network, "text"), "consumer tester: a request from 203.0.113.0/24, from where it never came");
    EXPECT_TRUE(json_text(network, "id").starts_with("evt_"));
    EXPECT_EQ(ask_from("198.51.100.7", "gpt-4o-mini"), 200);
    const std::string model = told("anomaly.new_model");
    EXPECT_TRUE(contains(model, R"("consumer":"tester","model":"gpt-4o-mini"}})")) << model;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask_from("203.0.113.80", "gpt-4o-mini"), 200) << "of the same network";
    EXPECT_EQ(ask_from("192.0.2.1"), 200);
    EXPECT_TRUE(contains(told("anomaly.new_address", 1), "192.0.2.0/24"));
    EXPECT_EQ(loom().eventually(told_metric("new_address")), 2);
    EXPECT_EQ(loom().eventually(told_metric("new_model")), 1);
    EXPECT_EQ(loom().eventually("loom_anomaly_lost_total"), 0);
    for (const Message& one : webhook().requests()) {
        EXPECT_FALSE(contains(one.body, client_key));
        EXPECT_FALSE(contains(one.body, "203.0.113.66")) << "of an address, its network is told";
    }
    EXPECT_TRUE(contains(loom().log(), "alerts.anomaly: consumer tester: a request from 203.0.113.0/24"));
}

TEST_F(Anomalies, SpendingIsToldOfTheConsumerAndOfAll) {
    conf.set("price.gpt-4o.input_per_1m", "1").set("price.gpt-4o.output_per_1m", "1");
    conf.set("token_accounting.enabled", "on");
    begin();
    learn();
    tokens_ = 2'000'000;
    for (int i = 0; i < 8; ++i) EXPECT_EQ(ask_as_usual(), 200);
    const std::string event = told("anomaly.spend");
    EXPECT_TRUE(contains(event, R"("unit":"tokens","spent":)")) << event;
    EXPECT_TRUE(contains(event, R"("window_s":1)")) << event;
    const std::string both = event + told("anomaly.spend", 1);
    EXPECT_TRUE(contains(both, R"("scope":"consumer","consumer":"tester")")) << both;
    EXPECT_TRUE(contains(both, R"("scope":"global")")) << both;
    EXPECT_EQ(loom().eventually(told_metric("spend")), 2) << "money is no other change than tokens";
}

TEST_F(Anomalies, FailuresOfAProviderAreToldOfAll) {
    conf.set("routing.failover.enabled", "off");
    begin();
    learn();
    fails_ = true;
    wait_until("the failures to be told", [&] {
        for (int i = 0; i < 30; ++i) EXPECT_GE(ask_as_usual(), 500);
        return loom().metric(told_metric("provider_errors")) >= 1;
    });
    const std::string event = told("anomaly.provider_errors");
    EXPECT_TRUE(contains(event, R"("data":{"scope":"global","errors":)")) << event;
    EXPECT_TRUE(contains(event, R"("usual_share":0.0)")) << event;
    EXPECT_EQ(loom().eventually(told_metric("client_errors")), 0);
}

TEST_F(Anomalies, WhatIsLearnedSurvivesARestart_Encrypted) {
    conf.set("state.encryption_key", std::string(64, 'a'));
    begin();
    learn();
    loom().stop_cleanly();
    const std::string file = read_file(state.path() + "/anomaly.db");
    EXPECT_FALSE(file.empty());
    EXPECT_FALSE(file.starts_with("SQLite"));
    EXPECT_FALSE(contains(file, "tester"));
    LoomProcess again(conf.text());
    wait_until("what was known", [&] { return again.metric(learned) == 1; });
}

TEST_F(Anomalies, ADamagedFileIsSetAsideAndLearnedAnew) {
    std::ofstream(state.path() + "/anomaly.db") << std::string(20'000, 'x');
    begin();
    learn();
    EXPECT_TRUE(contains(loom().log(), "is damaged")) << loom().log();
    EXPECT_EQ(read_file(state.path() + "/anomaly.db.corrupt"), std::string(20'000, 'x'));
}

TEST_F(Anomalies, OfWhatIsOffNothingIsSaidOrKept) {
    conf.set("alerts.anomaly.enabled", "").set("alerts.anomaly.window", "").set("alerts.anomaly.learning", "");
    conf.set("alerts.webhook.url", "");
    begin();
    EXPECT_EQ(ask_as_usual(), 200);
    for (const auto& [name, value] : loom().metrics()) EXPECT_FALSE(name.starts_with("loom_anomaly")) << name;
    struct stat found{};
    EXPECT_NE(::stat((state.path() + "/anomaly.db").c_str(), &found), 0);
}

TEST_F(Anomalies, WithoutADirectoryOrAWebhookItIsInTheLogAndTheMetrics) {
    conf.set("state.directory", "").set("alerts.webhook.url", "");
    begin();
    learn();
    EXPECT_EQ(ask_from("203.0.113.66"), 200);
    EXPECT_EQ(loom().eventually(told_metric("new_address")), 1);
    wait_until("the line", [&] { return contains(loom().log(), "alerts.anomaly: consumer tester: a request from"); });
}

}  // namespace
}  // namespace loom::wire
