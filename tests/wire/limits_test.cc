// How much a provider may be asked: the next one takes what is over its limits, and where there is none the client
// hears when to come again.
#include <thread>

#include "fixture.h"

namespace loom::wire {
namespace {

const std::string spare_answer = R"({"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"gpt-4o",)"
                                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"from the spare"},)"
                                 R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
                                 R"("total_tokens":12}})";
const std::string of_one_provider = R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})";

/// Provider `mock` has a limit and is asked first; provider `spare` has none, and takes gpt-4o alone.
class ProviderLimits : public WireTest {
  protected:
    ProviderLimits() : spare_(answer_always(answer(spare_answer))) {
        conf.set("provider.mock.priority", "1");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
        allow_script_failures();
    }
    std::string asked(std::string_view body = chat_body) {
        const Message response = ask(chat_request(body));
        EXPECT_EQ(response.status(), 200) << response.raw();
        return std::string(response.head.value("x-loom-provider"));
    }
    ScriptedUpstream& spare() { return spare_; }

  private:
    ScriptedUpstream spare_;
};

TEST_F(ProviderLimits, AtTheLimitOfRequestsTheNextTakesThem) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "2");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "mock");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(asked(), "spare");
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(ProviderLimits, WhereAllAreAtTheirLimitTheClientHearsWhenToComeAgain) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(of_one_provider)).status(), 200);
    const Message refused = ask(chat_request(of_one_provider));
    expect_error(refused, 429, "rate_limit_exceeded");
    EXPECT_TRUE(contains(refused.body, "provider.NAME.rate_limit")) << refused.body;
    const int ms = std::stoi(std::string(refused.head.value("retry-after-ms")));
    EXPECT_GT(ms, 30'000);
    EXPECT_LE(ms, 60'000);
    EXPECT_EQ(refused.head.value("retry-after"), std::to_string((ms + 999) / 1000));
    const Message anthropic =
        ask(request("POST", "/v1/messages", auth_header() + "Content-Type: application/json\r\n",
                    R"({"model":"gpt-4o-mini","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]})"));
    EXPECT_EQ(anthropic.status(), 429);
    EXPECT_TRUE(contains(anthropic.body, "rate_limit_error")) << anthropic.body;
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(loom().eventually("loom_ai_limited_total"), 2);
}

TEST_F(ProviderLimits, TokensAreReservedAsExpectedAndSettledAsUsed) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "600");  // one request reserves 512 and some
    start(answer_always(answer(chat_answer)));                      // and takes 21
    int of_mock = 0;
    while (of_mock < 20 && asked() == "mock") of_mock += 1;
    EXPECT_GE(of_mock, 5) << "then 105 are spent, and what is left is less than what the next may take";
    EXPECT_LT(of_mock, 20);
    const std::string modest = R"({"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})";
    EXPECT_EQ(asked(modest), "mock");
}

TEST_F(ProviderLimits, AnswersThatTookMoreThanExpectedAreCounted) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "5000");
    start(answer_always(
        answer(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9000,"total_tokens":9009}})")));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "spare");
}

TEST_F(ProviderLimits, WhatPassesWithoutAModelIsCountedByWhatItsAnswerTells) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "5000").set("route.ai.passthrough", "moderations");
    start(answer_always(
        answer(R"({"results":[],"usage":{"prompt_tokens":9000,"completion_tokens":0,"total_tokens":9000}})")));
    const std::string unnamed =
        request("POST", "/v1/moderations", auth_header() + "Content-Type: application/json\r\n", R"({"input":"x"})");
    EXPECT_EQ(ask(unnamed).status(), 200);
    EXPECT_EQ(asked(), "spare") << "nothing was reserved, and 9000 were used";
}

TEST_F(ProviderLimits, WhatABatchTookIsNotTakenByWhoCancelsIt) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "5000").set("route.ai.passthrough", "batches");
    conf.set("consumer.tester.api_key", "").set("route.ai.auth.type", "none");
    start(answer_always(answer(
        R"({"id":"batch-1","object":"batch","usage":{"input_tokens":9000,"output_tokens":0,"total_tokens":9000}})")));
    EXPECT_EQ(ask(request("POST", "/v1/batches/batch-1/cancel", "Content-Type: application/json\r\n", "{}")).status(),
              200);
    EXPECT_EQ(asked(), "mock");
}

TEST_F(ProviderLimits, StreamsAreSettledByTheUsageTheyReport) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "600");
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked(stream_body), "mock") << i;
}

TEST_F(ProviderLimits, AnErrorIsARequestAndTakesNoTokens) {
    conf.set("provider.mock.rate_limit.tokens_per_minute", "600");
    start(answer_always(answer(R"({"error":{"message":"no"}})", "400 Bad Request")));
    for (int i = 0; i < 3; ++i) {
        const Message response = ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 400);
        EXPECT_EQ(response.head.value("x-loom-provider"), "mock") << i;
    }
}

TEST_F(ProviderLimits, WhoHasNotHeardOfARequestHasNotBeenAsked) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1").set("routing.failover.enabled", "on");
    conf.set("routing.failover.retry_budget", "100%");
    start(answer_always(answer(chat_answer)));
    upstream().stop_listening();
    for (int i = 0; i < 3; ++i) {
        const Message response = ask(chat_request(chat_body));
        EXPECT_EQ(response.head.value("x-loom-failover"), "mock=connect") << i;
        EXPECT_EQ(response.body, spare_answer);
    }
}

TEST_F(ProviderLimits, EachAttemptCounts) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "2").set("routing.failover.enabled", "on");
    start(answer_always(answer("{}", "500 Internal Server Error")));
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-failover"), "mock=status:500");
    EXPECT_FALSE(ask(chat_request(chat_body)).head.has("x-loom-failover")) << "the spare is asked at once";
}

TEST_F(ProviderLimits, AsManyAtOnce_AStreamUntilItsEnd) {
    conf.set("provider.mock.rate_limit.concurrent_requests", "1");
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(sse_head + chunk(delta_event("Hi")));
            gate.wait();
            connection.send(chunk(usage_event + done_event) + std::string(last_chunk));
        }
    });
    RawClient holder = client();
    holder.send(chat_request(stream_body));
    EXPECT_EQ(holder.reader().start_response().head.value("x-loom-provider"), "mock");
    EXPECT_EQ(asked(), "spare");
    const Message refused = ask(chat_request(of_one_provider));
    expect_error(refused, 429, "rate_limit_exceeded");
    EXPECT_EQ(refused.head.value("retry-after"), "1");
    gate.open();
    EXPECT_TRUE(holder.reader().read_rest().is_whole());
    EXPECT_EQ(asked(stream_body), "mock") << "the place is free again";
}

TEST_F(ProviderLimits, AClientThatLeavesFreesItsPlace) {
    conf.set("provider.mock.rate_limit.concurrent_requests", "1");
    start([&](UpstreamConnection& connection) {
        while (const auto request = connection.read_request()) {
            if (!contains(request->body, "\"stream\":true")) {
                connection.send(answer(chat_answer));
                continue;
            }
            connection.send(sse_head + chunk(delta_event("Hi")));
            connection.wait_closed();
            return;
        }
    });
    RawClient holder = client();
    holder.send(chat_request(stream_body));
    holder.reader().start_response();
    EXPECT_EQ(asked(), "spare");
    holder.reset();
    wait_until("the place is free", [&] { return asked() == "mock"; });
}

TEST_F(ProviderLimits, AReloadKeepsWhatWasTaken) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "2");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "mock");
    loom().reload(conf.set("provider.mock.header.X-Generation", "2").text());
    EXPECT_EQ(asked(), "spare");
    loom().reload(conf.set("provider.mock.rate_limit.requests_per_minute", "").text());
    EXPECT_EQ(ask(chat_request(of_one_provider)).status(), 200) << "the limit is gone";
}

TEST_F(ProviderLimits, ARouteThatNamesItsProviderHasNoOther) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1").set("route.ai.provider", "mock");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    expect_error(ask(chat_request(chat_body)), 429, "rate_limit_exceeded");
}

/// An answer of `mock` with these header lines.
std::string saying(const std::string& lines) { return answer(chat_answer, "200 OK", lines); }

TEST_F(ProviderLimits, WhoSaysThatNothingIsLeftIsAskedLast) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1000");
    start(answer_always(saying("x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 6m0s\r\n")));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "spare");
    const Message unrested = ask(chat_request(of_one_provider));
    EXPECT_EQ(unrested.status(), 200) << "another model of it is another row";
    EXPECT_EQ(ask(chat_request(of_one_provider)).head.value("x-loom-choice"), "unrested") << "there is nobody else";
}

TEST_F(ProviderLimits, ARestEndsWithTheReset) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1000");
    start(answer_always(saying("x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 300ms\r\n")));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "spare");
    wait_until("its reset", [&] { return asked() == "mock"; });
}

TEST_F(ProviderLimits, TooFewTokensForARequestAreEnoughForAnother) {
    conf.set("routing.failover.enabled", "on");
    start(
        answer_always(saying("anthropic-ratelimit-output-tokens-remaining: 100\r\n"
                             "anthropic-ratelimit-output-tokens-reset: 2999-01-01T00:00:00Z\r\n")));
    EXPECT_EQ(asked(), "mock");
    EXPECT_EQ(asked(), "spare") << "512 are expected";
    EXPECT_EQ(asked(R"({"model":"gpt-4o","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]})"), "mock");
}

TEST_F(ProviderLimits, HeadersThatAreNotToBeHeeded) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1000").set("provider.mock.rate_limit.headers", "off");
    start(answer_always(saying("x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 6m0s\r\n")));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked(), "mock");
}

TEST_F(ProviderLimits, A429RestsWithoutFailoverToo) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "1000");
    start(
        answer_always(answer(R"({"error":{"message":"slow down"}})", "429 Too Many Requests", "retry-after: 60\r\n")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 429) << "it is the answer";
    EXPECT_EQ(asked(), "spare");
}

TEST_F(ProviderLimits, AllShardsCountTogether) {
    conf.set("provider.mock.rate_limit.requests_per_minute", "50").set("loop.shards", "3");
    start(answer_always(answer(chat_answer)));
    std::atomic<int> of_mock = 0, of_spare = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 25; ++i) (asked() == "mock" ? of_mock : of_spare) += 1;
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_GE(of_mock, 50);
    EXPECT_LE(of_mock, 50 + 25) << "and what came in meanwhile";
    EXPECT_EQ(of_mock + of_spare, 100);
}

}  // namespace
}  // namespace loom::wire
