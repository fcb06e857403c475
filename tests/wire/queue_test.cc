// Requests that wait for a provider at its limit instead of a 429, and requests that an overloaded shard refuses.
#include <thread>

#include "fixture.h"

namespace loom::wire {
namespace {

/// Provider `mock` takes one request at once. Consumers: tester (5), low (1), critical (9).
class Queue : public WireTest {
  protected:
    Queue() {
        conf.set("provider.mock.rate_limit.concurrent_requests", "1");
        conf.set("routing.queue.max", "10").set("routing.queue.timeout", "60s");
        conf.set("consumer.low.api_key", "sk-low-0123456789").set("consumer.low.priority", "1");
        conf.set("consumer.critical.api_key", "sk-critical-0123456789").set("consumer.critical.priority", "9");
        allow_script_failures();
    }
    /// Each request is answered once the test says so.
    void start_held() {
        start([this](UpstreamConnection& connection) {
            while (connection.read_request()) {
                arrived_ += 1;
                wait_until("its turn", [this, mine = arrived_.load()] { return let_go_ >= mine; });
                connection.send(answer(chat_answer));
            }
        });
    }
    void hold_one() {
        holder_.emplace(client());
        holder_->send(chat_request(chat_body));
        wait_until("the provider is asked", [this] { return arrived_ == 1; });
    }
    static std::string request_of(std::string_view key, std::string_view body = chat_body) {
        return request("POST", "/v1/chat/completions",
                       "Authorization: Bearer " + std::string(key) + "\r\nContent-Type: application/json\r\n", body);
    }
    void wait_for_queue(double length) {
        wait_until("the queue's length", [&] { return loom().metric("loom_ai_queue_length") == length; });
    }
    void let_go(int count = 1) { let_go_ += count; }
    int arrived() const { return arrived_; }

    std::optional<RawClient> holder_;

  private:
    std::atomic<int> arrived_ = 0;
    std::atomic<int> let_go_ = 0;
};

TEST_F(Queue, ARequestWaitsForItsProvider) {
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    wait_for_queue(1);
    EXPECT_EQ(arrived(), 1);
    let_go(2);
    EXPECT_EQ(holder_->read_response().body, chat_answer);
    EXPECT_EQ(waiting.read_response().body, chat_answer);
    EXPECT_EQ(loom().eventually("loom_ai_queue_length"), 0);
    EXPECT_EQ(loom().eventually("loom_ai_queue_wait_seconds_count"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_limited_total"), 0);
}

TEST_F(Queue, TheHigherClassIsServedFirst) {
    start_held();
    hold_one();
    RawClient low = client(), normal = client(), critical = client();
    low.send(request_of("sk-low-0123456789",
                        R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"x_who":"low"})"));
    wait_for_queue(1);
    normal.send(
        request_of(client_key, R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"x_who":"normal"})"));
    wait_for_queue(2);
    critical.send(request_of("sk-critical-0123456789",
                             R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"x_who":"critical"})"));
    wait_for_queue(3);
    let_go(4);
    for (RawClient* one : {&low, &normal, &critical}) EXPECT_EQ(one->read_response().status(), 200);
    EXPECT_EQ(json_text(upstream().request(1).body, "x_who"), "critical");
    EXPECT_EQ(json_text(upstream().request(2).body, "x_who"), "normal");
    EXPECT_EQ(json_text(upstream().request(3).body, "x_who"), "low");
}

TEST_F(Queue, WhoCannotBeServedInTimeIsRefused) {
    conf.set("routing.queue.timeout", "50ms");
    start_held();
    hold_one();
    const Message refused = ask(chat_request(chat_body));
    expect_error(refused, 429, "rate_limit_exceeded");
    EXPECT_EQ(refused.head.value("retry-after"), "1");
    EXPECT_EQ(loom().eventually("loom_ai_queue_timeouts_total"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_limited_total"), 1);
    let_go();
    EXPECT_EQ(holder_->read_response().status(), 200);
}

TEST_F(Queue, WhoWouldWaitLongerThanItMayIsNotKeptWaiting) {
    conf.set("provider.mock.rate_limit.concurrent_requests", "").set("routing.queue.timeout", "20s");
    conf.set("provider.mock.rate_limit.requests_per_minute", "1");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const Message refused = ask(chat_request(chat_body));
    expect_error(refused, 429, "rate_limit_exceeded");
    EXPECT_GT(std::stoi(std::string(refused.head.value("retry-after"))), 20);
}

TEST_F(Queue, WhoWaitsKeepsNobodyFromWhereItMayNotGoItself) {
    conf.set("provider.second.type", "echo").set("provider.second.models", "gpt-4o");
    conf.set("provider.second.priority", "200").set("provider.second.rate_limit.concurrent_requests", "5");
    conf.set("routing.rule.own.when", "has(header.x-own)").set("routing.rule.own.use", "mock");
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body, "x-own: 1\r\n"));
    wait_for_queue(1);
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "second");
    let_go(2);
    EXPECT_EQ(holder_->read_response().status(), 200);
    EXPECT_EQ(waiting.read_response().head.value("x-loom-provider"), "mock");
}

// The candidates of another model were looked at, in the order of the one that was meant.
TEST_F(Queue, WhoseModelIsChosenByThePromptWaitsForThatOnes) {
    conf.set("provider.second.type", "echo").set("provider.second.models", "large");
    conf.set("provider.third.type", "echo").set("provider.third.models", "large, small");
    conf.set("model_mapping.small.mock", "gpt-4o");
    conf.set("routing.model.large.strategy", "complexity").set("routing.complexity.small", "small");
    conf.set("routing.rule.all.when", "model == \"large\"").set("routing.rule.all.use", "mock, second");
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(R"({"model":"large","messages":[{"role":"user","content":"Hi"}]})"));
    wait_for_queue(1);
    let_go(2);
    EXPECT_EQ(holder_->read_response().status(), 200);
    const Message served = waiting.read_response();
    EXPECT_EQ(served.head.value("x-loom-model"), "small") << served.raw();
    EXPECT_EQ(served.head.value("x-loom-provider"), "mock");
}

TEST_F(Queue, AFullOneIsA429AtOnce) {
    conf.set("routing.queue.max", "1");
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    wait_for_queue(1);
    expect_error(ask(chat_request(chat_body)), 429, "rate_limit_exceeded");
    EXPECT_EQ(loom().eventually("loom_ai_queue_full_total"), 1);
    RawClient critical = client();
    critical.send(request_of("sk-critical-0123456789"));
    expect_error(waiting.read_response(), 429, "rate_limit_exceeded");
    let_go(2);
    EXPECT_EQ(critical.read_response().status(), 200) << "in place of the other";
}

TEST_F(Queue, AClientThatLeavesIsInNobodysWay) {
    start_held();
    hold_one();
    RawClient leaving = client(), staying = client();
    leaving.send(chat_request(chat_body));
    wait_for_queue(1);
    staying.send(chat_request(chat_body));
    wait_for_queue(2);
    leaving.reset();
    wait_for_queue(1);
    let_go(2);
    EXPECT_EQ(staying.read_response().status(), 200);
    EXPECT_EQ(upstream().request_count(), 2u) << "nobody was asked for who has left";
}

TEST_F(Queue, AtAShutdownNobodyIsKeptWaiting) {
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    wait_for_queue(1);
    loom().signal(SIGTERM);
    expect_error(waiting.read_response(), 503);
    let_go();
    EXPECT_EQ(holder_->read_response().status(), 200);
}

TEST_F(Queue, AReloadFindsThemWaiting) {
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    wait_for_queue(1);
    loom().reload(conf.set("provider.mock.header.X-Generation", "2").set("routing.queue.max", "").text());
    let_go(2);
    EXPECT_EQ(waiting.read_response().status(), 200);
}

TEST_F(Queue, WhoComesLaterDoesNotPassOnAnotherShard) {
    conf.set("loop.shards", "3").set("routing.queue.max", "300");
    start_held();
    hold_one();
    std::vector<RawClient> waiting;
    for (int i = 0; i < 12; ++i) {
        waiting.push_back(client());
        waiting.back().send(
            request_of("sk-critical-0123456789",
                       R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"x_who":"critical"})"));
    }
    wait_for_queue(12);
    std::vector<RawClient> later;
    for (int i = 0; i < 12; ++i) {
        later.push_back(client());
        later.back().send(request_of(
            "sk-low-0123456789", R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"x_who":"low"})"));
    }
    wait_for_queue(24);
    let_go(25);
    for (RawClient& one : waiting) EXPECT_EQ(one.read_response().status(), 200);
    for (RawClient& one : later) EXPECT_EQ(one.read_response().status(), 200);
    for (size_t i = 1; i <= 12; ++i) EXPECT_EQ(json_text(upstream().request(i).body, "x_who"), "critical") << i;
}

TEST_F(Queue, ARouteThatNamesItsProviderWaitsForIt) {
    conf.set("route.ai.provider", "mock");
    start_held();
    hold_one();
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    wait_for_queue(1);
    let_go(2);
    EXPECT_EQ(waiting.read_response().body, chat_answer);
}

/// A shard that may have three exchanges is overloaded for as long as there are seven streams.
TEST_F(Queue, AnOverloadedShardRefusesUntilItHasRecovered) {
    conf.set("provider.mock.rate_limit.concurrent_requests", "").set("routing.queue.max", "");
    conf.set("overload.exchanges", "3");
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            if (!contains(asked->body, "\"stream\":true")) {
                connection.send(answer(chat_answer));
                continue;
            }
            connection.send(sse_head + chunk(delta_event("Hi")));
            gate.wait(Deadline::in(std::chrono::seconds(60)));
            connection.send(chunk(usage_event + done_event) + std::string(last_chunk));
        }
    });
    std::vector<RawClient> streams;
    for (int i = 0; i < 7; ++i) {
        streams.push_back(client());
        streams.back().send(request_of("sk-critical-0123456789", stream_body));
        streams.back().reader().start_response();
    }
    Message refused;
    wait_until("it refuses", [&] { return (refused = ask(chat_request(chat_body))).status() == 503; });
    expect_error(refused, 503, "overloaded");
    EXPECT_GE(std::stoi(std::string(refused.head.value("retry-after"))), 1);
    EXPECT_GE(loom().metric("loom_shed_total"), 1);
    EXPECT_GT(loom().metric("loom_overload_level"), 0);
    EXPECT_EQ(ask(request("GET", "/healthz")).status(), 200);
    gate.open();
    for (RawClient& one : streams) EXPECT_TRUE(one.reader().read_rest().is_whole());
    wait_until("it has recovered", [&] { return ask(chat_request(chat_body)).status() == 200; });
}

}  // namespace
}  // namespace loom::wire
