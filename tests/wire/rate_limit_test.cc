// What clients may ask for (rate_limit.*): who is over a limit hears which, and when to come again; on any number of
// shards no more is let in than the limit.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "fixture.h"
#include "websocket.h"

namespace loom::wire {
namespace {

constexpr std::string_view second_key = "sk-second-0123456789abcdef";

std::string by(std::string_view key, std::string_view body = chat_body, std::string_view lines = "") {
    return request("POST", "/v1/chat/completions",
                   fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n{}", key, lines), body);
}

class RateLimit : public WireTest {
  protected:
    void begin() { start(answer_always(answer(chat_answer))); }
    void with_second_consumer() { conf.set("consumer.second.api_key", std::string(second_key)); }
    Message asked(std::string_view bytes = "") { return ask(bytes.empty() ? chat_request(chat_body) : bytes); }
    void expect_admitted(std::string_view bytes = "") {
        const Message response = asked(bytes);
        EXPECT_EQ(response.status(), 200) << response.raw();
    }
    /// part  of the message: the limit's key.
    Message expect_refused(std::string_view part, std::string_view bytes = "") {
        Message response = asked(bytes);
        expect_error(response, 429, "rate_limit_exceeded");
        EXPECT_TRUE(contains(response.body, part)) << response.body;
        return response;
    }
    Eventually refused(const char* scope) {
        return loom().eventually(fmt::format("loom_ai_rate_limited_total{{scope=\"{}\"}}", scope));
    }
    std::string limits() { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; }
    /// A client has its answer before its exchange is settled.
    std::string settled_limits() {
        wait_until("all to be settled", [&] {
            const std::string told = limits();
            return count_of(told, R"("in_flight":)") == count_of(told, R"("in_flight":0)");
        });
        return limits();
    }
    static size_t count_of(std::string_view text, std::string_view part) {
        size_t count = 0;
        for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
        return count;
    }
};

TEST_F(RateLimit, RequestsOfAWindow_ThenWhoIsOverHearsWhen) {
    conf.set("rate_limit.request_rate.limit", "3");
    begin();
    for (int i = 0; i < 3; ++i) expect_admitted();
    const Message refused_one = expect_refused("rate_limit.request_rate.limit is 3 requests in 60s");
    const int seconds = std::stoi(std::string(refused_one.head.value("retry-after")));
    EXPECT_GE(seconds, 57);
    EXPECT_LE(seconds, 62);
    EXPECT_EQ((std::stoi(std::string(refused_one.head.value("retry-after-ms"))) + 999) / 1000, seconds);
    EXPECT_EQ(refused_one.head.value("ratelimit-policy"), R"("consumer-requests";q=3;w=60)");
    EXPECT_EQ(refused_one.head.value("ratelimit"), fmt::format(R"("consumer-requests";r=0;t={})", seconds));
    EXPECT_EQ(refused_one.head.value("x-ratelimit-limit-requests"), "3");
    EXPECT_EQ(refused_one.head.value("x-ratelimit-remaining-requests"), "0");
    EXPECT_EQ(refused_one.head.value("x-ratelimit-reset-requests"), fmt::format("{}s", seconds));
    EXPECT_EQ(upstream().request_count(), 3u);
    EXPECT_EQ(refused("consumer"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_limited_total"), 0) << "which is the providers'";
}

TEST_F(RateLimit, EachProtocolHearsItInItsOwnWords) {
    conf.set("rate_limit.request_rate.limit", "1").set("route.gemini.path", "/v1beta/*");
    begin();
    expect_admitted();
    const Message anthropic =
        ask(request("POST", "/v1/messages", auth_header() + "Content-Type: application/json\r\n",
                    R"({"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]})"));
    EXPECT_EQ(anthropic.status(), 429);
    EXPECT_TRUE(contains(anthropic.body, R"({"type":"error","error":{"type":"rate_limit_error")")) << anthropic.body;
    const Message gemini = ask(request("POST", "/v1beta/models/gpt-4o:generateContent",
                                       auth_header() + "Content-Type: application/json\r\n",
                                       R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}]})"));
    EXPECT_EQ(gemini.status(), 429);
    EXPECT_TRUE(contains(gemini.body, "RESOURCE_EXHAUSTED")) << gemini.body;
    EXPECT_TRUE(gemini.head.has("retry-after"));
}

TEST_F(RateLimit, AWindowLaterTheyMayComeAgain) {
    conf.set("rate_limit.request_rate.limit", "2").set("rate_limit.request_rate.window", "1s");
    begin();
    expect_admitted();
    expect_admitted();
    const Message over = expect_refused("2 requests in 1s");
    EXPECT_LE(std::stoi(std::string(over.head.value("retry-after-ms"))), 1'033);
    wait_until("the window to go by", [&] { return asked().status() == 200; });
}

TEST_F(RateLimit, AdmittedAnswersTellWhatIsLeft_AndNotWhatTheProviderHas) {
    conf.set("rate_limit.request_rate.limit", "10").set("rate_limit.token_rate.limit", "100000");
    start(answer_always(answer(chat_answer, "200 OK",
                               "x-ratelimit-remaining-requests: 4711\r\n"
                               "anthropic-ratelimit-tokens-remaining: 4711\r\n")));
    const Message first = asked();
    EXPECT_EQ(first.head.value("ratelimit-policy"),
              R"("consumer-requests";q=10;w=60, "consumer-tokens";q=100000;w=60)");
    EXPECT_EQ(first.head.value("x-ratelimit-limit-requests"), "10");
    EXPECT_EQ(first.head.value("x-ratelimit-remaining-requests"), "9");
    EXPECT_EQ(first.head.value("x-ratelimit-limit-tokens"), "100000");
    EXPECT_TRUE(contains(first.head.value("ratelimit"), R"("consumer-requests";r=9;t=)")) << first.head.raw;
    EXPECT_FALSE(contains(first.raw(), "4711"));
    EXPECT_EQ(asked().head.value("x-ratelimit-remaining-requests"), "8");
}

TEST_F(RateLimit, HeadersThatAreSwitchedOff) {
    conf.set("rate_limit.request_rate.limit", "1").set("rate_limit.headers", "off");
    start(answer_always(answer(chat_answer, "200 OK", "x-ratelimit-remaining-requests: 4711\r\n")));
    const Message first = asked();
    EXPECT_FALSE(first.head.has("ratelimit"));
    EXPECT_EQ(first.head.value("x-ratelimit-remaining-requests"), "4711");
    const Message over = expect_refused("rate_limit.request_rate.limit");
    EXPECT_FALSE(over.head.has("ratelimit"));
    EXPECT_TRUE(over.head.has("retry-after"));
}

TEST_F(RateLimit, SwitchedOffNothingCounts) {
    conf.set("rate_limit.request_rate.limit", "1").set("rate_limit.enabled", "off");
    begin();
    for (int i = 0; i < 5; ++i) expect_admitted();
    EXPECT_EQ(limits(), R"({"limits":[],"budgets":[]})");
}

TEST_F(RateLimit, AConsumersOwnNumberGoesBeforeItsTiers_AndThatBeforeEverybodys) {
    with_second_consumer();
    conf.set("rate_limit.request_rate.limit", "1").set("rate_limit.tier.pro.request_rate", "2");
    conf.set("consumer.tester.tier", "pro").set("consumer.third.api_key", "sk-third-0123456789abcdef");
    conf.set("consumer.third.tier", "pro").set("rate_limit.consumer.third.request_rate", "3");
    begin();
    for (int i = 0; i < 2; ++i) expect_admitted();
    expect_refused("rate_limit.tier.pro.request_rate is 2");
    for (int i = 0; i < 3; ++i) expect_admitted(by("sk-third-0123456789abcdef"));
    expect_refused("rate_limit.consumer.third.request_rate is 3", by("sk-third-0123456789abcdef"));
    expect_admitted(by(second_key));
    expect_refused("rate_limit.request_rate.limit is 1", by(second_key));
    EXPECT_EQ(refused("tier"), 1);
    EXPECT_EQ(refused("consumer"), 2);
}

TEST_F(RateLimit, ATeamsConsumersShareItsLimit) {
    with_second_consumer();
    conf.set("consumer.tester.team", "dev").set("consumer.second.team", "dev");
    conf.set("rate_limit.team.dev.request_rate", "2").set("rate_limit.request_rate.limit", "50");
    begin();
    expect_admitted();
    expect_admitted(by(second_key));
    const Message over = expect_refused("rate_limit.team.dev.request_rate", by(second_key));
    EXPECT_EQ(over.head.value("ratelimit-policy"), R"("team-requests";q=2;w=60)");
    EXPECT_EQ(refused("team"), 1);
    EXPECT_TRUE(contains(limits(), R"("name":"second","requests":{"limit":50,"window_ms":60000,)"
                                   R"("key":"rate_limit.request_rate.limit","used":1,"remaining":49)"))
        << "of its own, a request that the team's limit refused takes nothing: " << limits();
}

TEST_F(RateLimit, ATeamOfTheSameNameIsAnotherAtAnotherTenant) {
    with_second_consumer();
    conf.set("consumer.tester.team", "dev").set("consumer.second.team", "dev");
    conf.set("consumer.tester.tenant", "acme").set("consumer.second.tenant", "globex");
    conf.set("rate_limit.team.dev.request_rate", "1");
    begin();
    expect_admitted();
    expect_admitted(by(second_key));
    expect_refused("rate_limit.team.dev.request_rate");
    expect_refused("rate_limit.team.dev.request_rate", by(second_key));
    EXPECT_TRUE(contains(limits(), R"("name":"acme/dev")")) << limits();
    EXPECT_TRUE(contains(limits(), R"("name":"globex/dev")")) << limits();
}

TEST_F(RateLimit, OfARoute_OfAModel_OfAll) {
    conf.set("route.other.path", "/other/v1/*").set("route.other.auth.type", "api_key");
    conf.set("rate_limit.route.ai.request_rate", "3").set("rate_limit.model.gpt-4o-mini.request_rate", "1");
    begin();
    const std::string mini = chat_request(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})");
    expect_admitted(mini);
    expect_refused("rate_limit.model.gpt-4o-mini.request_rate is 1", mini);
    expect_admitted();
    expect_admitted();
    expect_refused("rate_limit.route.ai.request_rate is 3");
    EXPECT_EQ(refused("model"), 1);
    EXPECT_EQ(refused("route"), 1);
    conf.set("rate_limit.route.ai.request_rate", "").set("rate_limit.global.request_rate", "2");
    loom().reload(conf.text());
    expect_admitted();
    expect_admitted();
    expect_refused("rate_limit.global.request_rate is 2");
    EXPECT_EQ(refused("global"), 1);
}

TEST_F(RateLimit, WhoMayNotUseAModelTakesNothingOfItsLimit) {
    with_second_consumer();
    conf.set("consumer.second.models", "gpt-4o-mini").set("rate_limit.model.gpt-4o.request_rate", "2");
    conf.set("rate_limit.model.gpt-4o.concurrent", "1").set("rate_limit.request_rate.limit", "50");
    begin();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(asked(by(second_key)).status(), 403);
    expect_admitted();
    (void)settled_limits();
    expect_admitted();
    (void)settled_limits();
    expect_refused("rate_limit.model.gpt-4o.request_rate is 2");
    EXPECT_EQ(asked(by(second_key)).status(), 403) << "and hears nothing of what is left of it";
    EXPECT_TRUE(contains(settled_limits(), R"("name":"second","requests":{"limit":50,"window_ms":60000,)"
                                           R"("key":"rate_limit.request_rate.limit","used":11,"remaining":39)"))
        << "they are requests of its own all the same: " << limits();
}

TEST_F(RateLimit, WithoutKeysAllAreOneConsumer) {
    conf.set("route.ai.auth.type", "none").set("rate_limit.request_rate.limit", "2");
    begin();
    for (int i = 0; i < 2; ++i) expect_admitted();
    expect_refused("rate_limit.request_rate.limit");
}

TEST_F(RateLimit, OfAnAddress_WhereGuessesAtKeysAreRequestsToo) {
    conf.set("rate_limit.ip.request_rate", "3");
    begin();
    const auto from = [&](uint8_t host, std::string_view bytes) {
        return RawClient(connect_loopback_from(host, loom().port())).ask(bytes).status();
    };
    for (int i = 0; i < 3; ++i) EXPECT_EQ(from(1, by("sk-a-guess-0123456789abcdef")), 401);
    EXPECT_EQ(from(1, by("sk-a-guess-0123456789abcdef")), 429);
    EXPECT_EQ(from(1, chat_request(chat_body)), 429);
    EXPECT_EQ(from(2, chat_request(chat_body)), 200);
    EXPECT_EQ(refused("ip"), 2);
    EXPECT_TRUE(contains(limits(), R"("addresses":{"counted":2,"max":16384})")) << limits();
}

TEST_F(RateLimit, BehindATrustedProxyTheAddressIsTheOneThatItNames) {
    conf.set("rate_limit.ip.request_rate", "1").set("forwarded.trust", "127.0.0.1/32");
    begin();
    const auto through_proxy = [&](std::string_view address) {
        return asked(chat_request(chat_body, fmt::format("X-Forwarded-For: 10.9.8.7, {}\r\n", address))).status();
    };
    EXPECT_EQ(through_proxy("192.0.2.1"), 200);
    EXPECT_EQ(through_proxy("192.0.2.2"), 200);
    EXPECT_EQ(through_proxy("192.0.2.1"), 429);
    EXPECT_EQ(through_proxy("2001:db8::1"), 200);
    EXPECT_EQ(through_proxy("2001:db8::2"), 429) << "a /64 is one client";
    EXPECT_EQ(through_proxy("2001:db8:0:1::2"), 200);
}

TEST_F(RateLimit, BehindAProxyThatWritesALineOfItsOwn_ItIsTheLast) {
    conf.set("rate_limit.ip.request_rate", "1").set("forwarded.trust", "127.0.0.1/32");
    begin();
    const auto claims = [&](std::string_view address) {
        const std::string lines = fmt::format("X-Forwarded-For: {}\r\nX-Forwarded-For: 192.0.2.1\r\n", address);
        return asked(chat_request(chat_body, lines)).status();
    };
    EXPECT_EQ(claims("198.51.100.1"), 200);
    EXPECT_EQ(claims("198.51.100.2"), 429);
}

TEST_F(RateLimit, ABurst_ThenEvenly) {
    conf.set("rate_limit.request_rate.limit", "600").set("rate_limit.consumer.tester.burst", "4");
    begin();
    RawClient kept = client();
    int at_once = 0;
    while (at_once < 100 && kept.ask(chat_request(chat_body)).status() == 200) at_once += 1;
    EXPECT_GE(at_once, 4);
    EXPECT_LT(at_once, 100) << "one every 100 ms";
    const Message over = expect_refused("rate_limit.consumer.tester.burst is 4 requests at once, and 600 in 60s");
    EXPECT_LE(std::stoi(std::string(over.head.value("retry-after-ms"))), 100);
    wait_until("the next to come in", [&] { return asked().status() == 200; });
}

class RateLimitShards : public RateLimit, public testing::WithParamInterface<int> {};

/// From connections that the kernel spreads over the shards.
TEST_P(RateLimitShards, TogetherTheyLetInTheLimitAndNoMore) {
    conf.set("loop.shards", std::to_string(GetParam())).set("rate_limit.request_rate.limit", "40");
    begin();
    std::atomic<int> admitted = 0, refused_count = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 8; ++thread)
        threads.emplace_back([&] {
            for (int i = 0; i < 15; ++i) {
                try {
                    const int status = ask(chat_request(chat_body)).status();
                    (status == 200 ? admitted : refused_count) += 1;
                    if (status != 200 && status != 429) ADD_FAILURE() << status;
                } catch (const WireError& error) {
                    ADD_FAILURE() << error.what();
                }
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(admitted.load(), 40);
    EXPECT_EQ(refused_count.load(), 80);
    EXPECT_EQ(upstream().request_count(), 40u);
    EXPECT_TRUE(contains(settled_limits(), R"("used":40,"remaining":0)")) << limits();
}

TEST_P(RateLimitShards, AsManyAtOnce_AStreamUntilItsEnd_AClientThatLeavesFreesItsPlace) {
    conf.set("loop.shards", std::to_string(GetParam())).set("rate_limit.tier.free.concurrent", "2");
    conf.set("consumer.tester.tier", "free");
    Gate gate;
    allow_script_failures();
    start([&](UpstreamConnection& connection) {
        while (const auto request = connection.read_request()) {
            if (!contains(request->body, "\"stream\":true")) {
                connection.send(answer(chat_answer));
                continue;
            }
            connection.send(sse_head + chunk(delta_event("Hi")));
            gate.wait();
            connection.send(chunk(usage_event + done_event) + std::string(last_chunk));
        }
    });
    RawClient first = client();
    first.send(chat_request(stream_body));
    EXPECT_EQ(first.reader().start_response().status(), 200);
    {
        RawClient second = client();
        second.send(chat_request(stream_body));
        EXPECT_EQ(second.reader().start_response().status(), 200);
        const Message over = expect_refused("rate_limit.tier.free.concurrent is 2 requests at once");
        EXPECT_EQ(over.head.value("retry-after"), "1");
        EXPECT_EQ(over.head.value("ratelimit-policy"), R"("tier-concurrent";q=2;qu="concurrent-requests")");
    }
    wait_until("the place of the client that has left", [&] { return asked().status() == 200; });
    gate.open();
    EXPECT_TRUE(first.reader().read_rest().is_whole());
    (void)settled_limits();
}

INSTANTIATE_TEST_SUITE_P(Shards, RateLimitShards, testing::Values(1, 2, 8));

class TokenRate : public RateLimit {
  protected:
    /// Tokens that count for the consumer, when all is settled.
    int used() { return used_in(settled_limits()); }
    int used_now() { return used_in(limits()); }

  private:
    static int used_in(const std::string& told) {
        const size_t at = told.find(R"("used":)", told.find(R"("tokens":{)"));
        return std::stoi(told.substr(at + 7));
    }
};

const std::string modest = R"({"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})";

TEST_F(TokenRate, ReservedAsExpected_SettledAsUsed_UntilNoneAreLeft) {
    conf.set("rate_limit.token_rate.limit", "600");  // the first reserves 512 and some
    begin();                                         // and each takes 21
    int admitted = 0;
    while (admitted < 100 && asked().status() == 200) {
        admitted += 1;
        (void)settled_limits();
    }
    EXPECT_GE(admitted, 15) << "answers are known to be short by then, so that less is reserved";
    EXPECT_LE(admitted, 28);
    const Message over = expect_refused("rate_limit.token_rate.limit is 600 tokens in 60s");
    EXPECT_EQ(over.head.value("x-ratelimit-limit-tokens"), "600");
    EXPECT_TRUE(contains(over.head.value("ratelimit"), "\"consumer-tokens\";r=0;t=")) << over.head.raw;
    EXPECT_LE(used(), 600);
    EXPECT_EQ(used(), admitted * 21);
}

TEST_F(TokenRate, ALargeMaxTokensStarvesNobody) {
    conf.set("rate_limit.token_rate.limit", "2000");
    begin();
    const std::string fearful = R"({"model":"gpt-4o","max_tokens":100000,"messages":[{"role":"user","content":"Hi"}]})";
    for (int i = 0; i < 20; ++i) expect_admitted(chat_request(fearful));
    EXPECT_EQ(used(), 20 * 21);
}

TEST_F(TokenRate, WhatFailsTakesNone_AndWhatIsRefusedHoldsNone) {
    conf.set("rate_limit.token_rate.limit", "600").set("rate_limit.model.gpt-4o-mini.token_rate", "5");
    start(answer_always(answer(R"({"error":{"message":"no"}})", "400 Bad Request")));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked().status(), 400);
    EXPECT_EQ(used(), 0);
    upstream().stop_listening();
    EXPECT_EQ(asked(chat_request(R"({"model":"no-such-model","messages":[{"role":"user","content":"Hi"}]})")).status(),
              404);
    EXPECT_EQ(used(), 0);
}

TEST_F(TokenRate, AnswersThatTookMoreThanWasReservedAreBookedInFull) {
    conf.set("rate_limit.token_rate.limit", "5000");
    start(answer_always(
        answer(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9000,"total_tokens":9009}})")));
    expect_admitted();
    EXPECT_EQ(used(), 9'009);
    expect_refused("rate_limit.token_rate.limit");
}

/// What they take is charged when it is known: whoever has none left begins none.
TEST_F(TokenRate, ASessionNeedsARequestOfItsModel_AndTokensThatAreLeft) {
    conf.set("rate_limit.token_rate.limit", "5000").set("rate_limit.model.gpt-4o-mini.request_rate", "1");
    start(answer_always(
        answer(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9000,"total_tokens":9009}})")));
    const auto session = [](std::string_view model) {
        return request("GET", fmt::format("/v1/realtime?model={}", model),
                       auth_header() +
                           "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    };
    expect_admitted(chat_request(R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]})"));
    EXPECT_EQ(used(), 9'009);
    expect_refused("rate_limit.model.gpt-4o-mini.request_rate is 1", session("gpt-4o-mini"));
    expect_refused("rate_limit.token_rate.limit is 5000 tokens", session("gpt-4o"));
}

TEST_F(TokenRate, StreamsAreSettledByTheUsageTheyReport) {
    conf.set("rate_limit.token_rate.limit", "600");
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    for (int i = 0; i < 5; ++i) expect_admitted(chat_request(stream_body));
    EXPECT_EQ(used(), 5 * 21);
}

TEST_F(TokenRate, WhatAStreamTakesBeyondItsReservationCountsWhileItRuns) {
    conf.set("rate_limit.token_rate.limit", "2000");
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(sse_head);
            for (int i = 0; i < 600; ++i) connection.send(chunk(delta_event("word ")));
            gate.wait();
            connection.send(chunk(usage_event + done_event) + std::string(last_chunk));
        }
    });
    RawClient reader = client();
    reader.send(chat_request(
        R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"messages":[]})"));
    EXPECT_EQ(reader.reader().start_response().status(), 200);
    wait_until("it to be seen", [&] { return used_now() >= 600; });
    EXPECT_LE(used_now(), 600 + 256 + 50);
    gate.open();
    EXPECT_TRUE(reader.reader().read_rest().is_whole());
    EXPECT_EQ(used(), 21);
}

class TokenRateShards : public TokenRate, public testing::WithParamInterface<int> {};

/// Streams that outgrow the whole window: they are not ended, whoever comes meanwhile waits for what they have used by
/// then, on whichever shard, and what counts at the end is what they report.
TEST_P(TokenRateShards, AStreamOverItsWindowCountsAsItRuns_AndIsNotEnded) {
    conf.set("loop.shards", std::to_string(GetParam())).set("rate_limit.token_rate.limit", "400");
    Gate grow, end;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(sse_head);
            for (int i = 0; i < 50; ++i) connection.send(chunk(delta_event("word ")));
            grow.wait();
            for (int i = 0; i < 700; ++i) connection.send(chunk(delta_event("word ")));
            end.wait();
            connection.send(chunk(R"(data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o",)"
                                  R"("choices":[],"usage":{"prompt_tokens":9,"completion_tokens":891,)"
                                  R"("total_tokens":900}})"
                                  "\n\n" +
                                  done_event) +
                            std::string(last_chunk));
        }
    });
    const std::string body = R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},)"
                             R"("max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})";
    std::vector<RawClient> streams;
    for (int i = 0; i < 3; ++i) {
        streams.push_back(client());
        streams.back().send(chat_request(body));
        ASSERT_EQ(streams.back().reader().start_response().status(), 200);
    }
    wait_until("what has passed", [&] { return used_now() >= 150; });
    EXPECT_LE(used_now(), 400 + 3 * 100) << "the window's room, and what is used beyond it";
    grow.open();
    wait_until("all three to be over the window", [&] { return used_now() >= 3 * 700; });
    EXPECT_LE(used_now(), 3 * (750 * 5 / 4 + 256 + 50));
    for (int i = 0; i < 4; ++i) {
        const Message over = expect_refused("rate_limit.token_rate.limit is 400 tokens in 60s", chat_request(modest));
        EXPECT_GT(std::stoi(std::string(over.head.value("retry-after"))), 30);
    }
    end.open();
    for (RawClient& one : streams) {
        const Message whole = one.reader().read_rest();
        EXPECT_TRUE(whole.is_whole());
        EXPECT_TRUE(contains(whole.body, "[DONE]"));
    }
    EXPECT_EQ(used(), 3 * 900) << "what was used, once";
}

INSTANTIATE_TEST_SUITE_P(Shards, TokenRateShards, testing::Values(1, 2, 8));

/// Nor is a session: what it tells that it took counts as soon as it does.
TEST_F(TokenRate, WhatASessionTakesCountsWhileItIsOpen) {
    conf.set("rate_limit.token_rate.limit", "5000").set("provider.mock.models", "gpt-realtime, gpt-4o");
    Gate end;
    start([&](UpstreamConnection& connection) {
        if (auto session = accept_websocket(connection, "")) {
            for (int i = 0; i < 3; ++i)
                session->send(opcode::text,
                              R"({"type":"response.done","response":{"id":"r","status":"completed","usage":)"
                              R"({"total_tokens":3000,"input_tokens":1000,"output_tokens":2000}}})");
            end.wait();
            session->send_close(1000);
            (void)session->read_close();
        }
    });
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime", auth_header()));
    ASSERT_EQ(one.reader().start_response(true).status(), 101);
    wait_until("what it has taken", [&] { return used_now() >= 9'000; });
    EXPECT_LE(used_now(), 9'000 + 256);
    expect_refused("rate_limit.token_rate.limit is 5000 tokens", chat_request(modest));
    WebSocketEnd session(one.fd(), WebSocketEnd::Role::client, std::string(one.reader().unread()));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(contains(session.read().payload, "response.done"));
    end.open();
    EXPECT_EQ(session.read_close(), 1000);
    session.send_close(1000);
    EXPECT_EQ(used(), 9'000);
}

TEST_F(TokenRate, AClientThatLeavesPaysWhatWasReserved) {
    conf.set("rate_limit.token_rate.limit", "600");
    allow_script_failures();
    Gate gate;
    start([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(sse_head + chunk(delta_event("Hi")));
            gate.wait();
        }
    });
    {
        RawClient leaves = client();
        leaves.send(chat_request(R"({"model":"gpt-4o","stream":true,"max_tokens":40,"messages":[]})"));
        EXPECT_EQ(leaves.reader().start_response().status(), 200);
    }
    EXPECT_GE(used(), 40);
    EXPECT_LT(used(), 100);
    gate.open();
}

/// Anthropic tells of the prompt, and one token, at the beginning of a stream, and of the rest at its end.
TEST_F(TokenRate, WhatAStreamSaysAtItsBeginningIsNotWhatItTook) {
    constexpr int word_count = 600;
    const auto event = [](std::string_view name, std::string_view rest) {
        return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", name, rest);
    };
    const std::string start_of_it =
        event("message_start",
              R"(,"message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,)"
              R"("stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}})") +
        event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
    const std::string word = event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"word "})");
    conf.set("rate_limit.token_rate.limit", "5000").set("provider.mock.type", "anthropic");
    allow_script_failures();
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(sse_head + chunk(start_of_it));
            for (int i = 0; i < word_count; ++i) connection.send(chunk(word));
            gate.wait();
        }
    });
    int before = 0;
    for (const bool native : {true, false}) {
        SCOPED_TRACE(native);
        {
            RawClient leaves = client();
            const std::string lines = auth_header() + "Content-Type: application/json\r\n";
            const std::string body =
                R"({"model":"gpt-4o","stream":true,"max_tokens":40,"messages":[{"role":"user","content":"Hi"}]})";
            leaves.send(native ? request("POST", "/v1/messages", lines, body) : chat_request(body));
            const int status = leaves.reader().start_response().status();
            ASSERT_EQ(status, 200) << leaves.reader().read_rest().body;
            wait_until("its words to be seen", [&] { return used_now() - before >= 500; });
        }
        const int now = used();
        EXPECT_GE(now - before, 290) << "what had passed when more was taken, and not the 10 that its beginning told";
        EXPECT_LE(now - before, word_count * 5 / 4 + 50) << "an event of five bytes is a token and a quarter";
        before = now;
    }
    gate.open();
}

TEST_F(TokenRate, AcrossShardsNeverMoreThanTheLimit) {
    conf.set("loop.shards", "4").set("rate_limit.token_rate.limit", "2100");
    begin();
    std::atomic<int> admitted = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 8; ++thread)
        threads.emplace_back([&] {
            for (int i = 0; i < 25; ++i) {
                try {
                    if (ask(chat_request(modest)).status() == 200) admitted += 1;
                } catch (const WireError& error) {
                    ADD_FAILURE() << error.what();
                }
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_LE(admitted * 21, 2'100 + 8 * 12) << "what was under way at once took 21 in place of the expected";
    EXPECT_GE(admitted * 21, 2'100 * 95 / 100 - 8 * 21);
}

TEST_F(RateLimit, AReloadKeepsWhatWasTaken_AndTheNewLimitCounts) {
    conf.set("rate_limit.request_rate.limit", "3").set("rate_limit.consumer.tester.concurrent", "5");
    begin();
    for (int i = 0; i < 3; ++i) expect_admitted();
    loom().reload(conf.text());
    expect_refused("is 3 requests in 60s");
    conf.set("rate_limit.request_rate.limit", "5");
    loom().reload(conf.text());
    for (int i = 0; i < 2; ++i) expect_admitted();
    expect_refused("is 5 requests in 60s");
    conf.set("rate_limit.request_rate.window", "1h");
    loom().reload(conf.text());
    expect_refused("is 5 requests in 3600s");
    conf.set("rate_limit.enabled", "off");
    loom().reload(conf.text());
    expect_admitted();
}

TEST_F(RateLimit, AStreamOverAReloadGivesItsPlaceBack) {
    conf.set("rate_limit.consumer.tester.concurrent", "1");
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
    EXPECT_EQ(holder.reader().start_response().status(), 200);
    loom().reload(conf.text());
    expect_refused("rate_limit.consumer.tester.concurrent is 1 requests at once");
    gate.open();
    EXPECT_TRUE(holder.reader().read_rest().is_whole());
    wait_until("its place", [&] { return asked(chat_request(stream_body)).status() == 200; });
}

TEST_F(RateLimit, APlainReverseProxyHasThemToo) {
    conf.set("route.plain.path", "/files/*").set("route.plain.ai_gateway", "off");
    conf.set("rate_limit.request_rate.limit", "1");
    ScriptedUpstream plain(answer_always(answer("plain")));
    conf.set("route.plain.upstream", plain.origin());
    begin();
    EXPECT_EQ(ask(get("/files/a")).status(), 200);
    EXPECT_EQ(ask(get("/files/a")).status(), 429);
    EXPECT_EQ(plain.request_count(), 1u);
}

}  // namespace
}  // namespace loom::wire
