// Tokens by whom and what they are for (rate_limit.tier, .team, .route, .model, .ip, .global), and that shards together
// let in no more than a limit or a budget has, and hardly less.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "calendar.h"
#include "fixture.h"

namespace loom::wire {
namespace {

using namespace std::chrono;

constexpr std::string_view second_key = "sk-second-0123456789abcdef";

/// A prompt of one token by the estimate, and an answer of nine at most.
std::string asking(int max_tokens, std::string_view key = client_key, std::string_view target = "/v1/chat/completions",
                   std::string_view model = "gpt-4o") {
    return request("POST", target, fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", key),
                   fmt::format(R"({{"model":"{}","max_tokens":{},"messages":[{{"role":"user","content":"Hi"}}]}})",
                               model, max_tokens));
}
const std::string ten_tokens =
    R"({"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":)"
    R"({"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,)"
    R"("completion_tokens":9,"total_tokens":10}})";

class ScopedTokens : public WireTest {
  protected:
    ScopedTokens() { conf.set("consumer.second.api_key", std::string(second_key)); }
    void begin() { start(answer_always(answer(ten_tokens))); }
    void expect_admitted(const std::string& bytes = asking(9)) {
        const Message response = ask(bytes);
        EXPECT_EQ(response.status(), 200) << response.raw();
    }
    /// Two such requests are let in, the third is not.
    void expect_refused(const std::string& key, const std::string& scope, const std::string& bytes = asking(9)) {
        const Message refused = ask(bytes);
        expect_error(refused, 429, "rate_limit_exceeded");
        EXPECT_TRUE(contains(refused.body, key + " is 20 tokens in 60s")) << refused.body;
        EXPECT_EQ(refused.head.value("ratelimit-policy"), fmt::format(R"("{}-tokens";q=20;w=60)", scope));
        EXPECT_EQ(refused.head.value("x-ratelimit-remaining-tokens"), "0");
        const int seconds = std::stoi(std::string(refused.head.value("retry-after")));
        EXPECT_GE(seconds, 55);
        EXPECT_LE(seconds, 62);
        EXPECT_EQ(loom().eventually(fmt::format("loom_ai_rate_limited_total{{scope=\"{}\"}}", scope)), 1);
    }
};

TEST_F(ScopedTokens, OfATier_EachConsumersOwn) {
    conf.set("consumer.tester.tier", "pro")
        .set("consumer.second.tier", "pro")
        .set("rate_limit.tier.pro.token_rate", "20");
    begin();
    for (int i = 0; i < 2; ++i) expect_admitted();
    expect_refused("rate_limit.tier.pro.token_rate", "tier");
    for (int i = 0; i < 2; ++i) expect_admitted(asking(9, second_key));
    EXPECT_EQ(ask(asking(9, second_key)).status(), 429);
}

TEST_F(ScopedTokens, OfATeam_ItsConsumersTogether) {
    conf.set("consumer.tester.team", "dev").set("consumer.second.team", "dev");
    conf.set("consumer.alone.api_key", "sk-alone").set("rate_limit.team.dev.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.team.dev.token_rate", "team");
    EXPECT_EQ(ask(asking(9, second_key)).status(), 429);
    expect_admitted(asking(9, "sk-alone"));
}

TEST_F(ScopedTokens, OfATenant_WhateverTheirTeamsAndProjects) {
    conf.set("consumer.tester.tenant", "acme").set("consumer.second.tenant", "acme");
    conf.set("consumer.tester.team", "dev").set("consumer.second.project", "x");
    conf.set("consumer.alone.api_key", "sk-alone").set("consumer.alone.tenant", "globex");
    conf.set("rate_limit.tenant.acme.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.tenant.acme.token_rate", "tenant");
    EXPECT_EQ(ask(asking(9, second_key)).status(), 429);
    expect_admitted(asking(9, "sk-alone"));
}

TEST_F(ScopedTokens, OfAProject_AndOfAnotherTenantsOfTheSameNameNothing) {
    for (const char* const name : {"tester", "second", "theirs"})
        conf.set(fmt::format("consumer.{}.project", name), "x");
    conf.set("consumer.tester.tenant", "acme").set("consumer.second.tenant", "acme");
    conf.set("consumer.theirs.api_key", "sk-theirs").set("consumer.theirs.tenant", "globex");
    conf.set("rate_limit.project.x.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.project.x.token_rate", "project");
    for (int i = 0; i < 2; ++i) expect_admitted(asking(9, "sk-theirs"));
    EXPECT_EQ(ask(asking(9, "sk-theirs")).status(), 429);
}

TEST_F(ScopedTokens, RequestsAtOnceAndBurstsOfATenant) {
    conf.set("consumer.tester.tenant", "acme").set("consumer.second.tenant", "acme");
    conf.set("rate_limit.tenant.acme.request_rate", "100").set("rate_limit.tenant.acme.burst", "2");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    const Message refused = ask(asking(9));
    expect_error(refused, 429, "rate_limit_exceeded");
    EXPECT_TRUE(contains(refused.body, "rate_limit.tenant.acme.burst is 2")) << refused.body;
}

TEST_F(ScopedTokens, OfARoute_WhoeverComes) {
    conf.set("route.other.path", "/v1/messages").set("route.other.auth.type", "api_key");
    conf.set("route.other.ai_gateway", "on").set("rate_limit.route.ai.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.route.ai.token_rate", "route");
    expect_admitted(asking(9, second_key, "/v1/messages"));
}

TEST_F(ScopedTokens, OfAModel_AndOfNoOther) {
    conf.set("rate_limit.model.gpt-4o.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.model.gpt-4o.token_rate", "model");
    expect_admitted(asking(9, client_key, "/v1/chat/completions", "gpt-4o-mini"));
}

TEST_F(ScopedTokens, OfAnAddress_WhoeverAsksFromThere) {
    conf.set("rate_limit.ip.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key));
    expect_refused("rate_limit.ip.token_rate", "ip");
    EXPECT_EQ(RawClient(connect_loopback_from(2, loom().port())).ask(asking(9)).status(), 200);
}

TEST_F(ScopedTokens, OfAllTogether) {
    conf.set("rate_limit.global.token_rate", "20");
    begin();
    expect_admitted();
    expect_admitted(asking(9, second_key, "/v1/chat/completions", "gpt-4o-mini"));
    expect_refused("rate_limit.global.token_rate", "global");
    EXPECT_EQ(ask(asking(9, second_key)).status(), 429);
}

/// Who is refused by one of several takes nothing of the others.
TEST_F(ScopedTokens, ARequestTakesOfAllThatItIsUnder_OrOfNone) {
    conf.set("consumer.tester.team", "dev").set("rate_limit.team.dev.token_rate", "20");
    conf.set("rate_limit.global.token_rate", "30");
    begin();
    for (int i = 0; i < 2; ++i) expect_admitted();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(asking(9)).status(), 429);
    expect_admitted(asking(9, second_key));
    EXPECT_TRUE(contains(ask(asking(9, second_key)).body, "rate_limit.global.token_rate is 30"));
}

/// Shards that a test sets: no more than the limit, and not less than 95 % of it.
class Shards : public WireTest, public testing::WithParamInterface<int> {
  protected:
    Shards() {
        conf.set("loop.shards", std::to_string(GetParam())).set("token_accounting.enabled", "on");
        wait_for_a_day_that_lasts(seconds(30));
    }
    /// Eight clients, each request on a connection of its own, so that the kernel spreads them; until so many are let
    /// in or it took too long. Then each asks ten times more.
    int admitted(const std::string& bytes, int enough) {
        std::atomic<int> let_in = 0;
        const auto ask_once_more = [&] {
            const int status = ask(bytes).status();
            if (status == 200) let_in += 1;
            if (status != 200 && status != 429) ADD_FAILURE() << status;
        };
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 8; ++thread)
            threads.emplace_back([&] {
                try {
                    const auto end = steady_clock::now() + seconds(15);
                    while (let_in < enough && steady_clock::now() < end) ask_once_more();
                    for (int i = 0; i < 10; ++i) ask_once_more();
                } catch (const WireError& error) {
                    ADD_FAILURE() << error.what();
                }
            });
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(upstream().request_count(), static_cast<size_t>(let_in.load()));
        return let_in;
    }
    void begin() { start(answer_always(answer(ten_tokens))); }
    static constexpr int limit = 2'000;
    static constexpr int least = limit * 95 / 100;
};

TEST_P(Shards, TokensOfAWindow) {
    conf.set("rate_limit.token_rate.limit", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(9), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

/// What is reserved is more than what is used, and comes back.
TEST_P(Shards, TokensOfAWindow_OfAnswersThatAreShorterThanTheyMayBe) {
    conf.set("rate_limit.global.token_rate", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(80), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, ABudgetOfTokens) {
    conf.set("token_accounting.limit.tester.daily_limit", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(9), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, ABudgetOfTokens_OfAnswersThatAreShorterThanTheyMayBe) {
    conf.set("consumer.tester.team", "dev").set("token_accounting.team.dev.monthly_limit", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(80), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, ABudgetOfATenant) {
    conf.set("consumer.tester.tenant", "acme").set("token_accounting.tenant.acme.weekly_limit", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(80), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, ABudgetOfAModel_ByTheNameThatIsAsked) {
    conf.set("model_mapping.fast.mock", "gpt-4o").set("token_accounting.model.fast.daily_limit", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(9, client_key, "/v1/chat/completions", "fast"), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, TokensOfAProjectInAWindow) {
    conf.set("consumer.tester.project", "x").set("rate_limit.project.x.token_rate", std::to_string(limit));
    begin();
    const int tokens = 10 * admitted(asking(9), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

TEST_P(Shards, ABudgetOfMoney) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "1000");  // 0.01 each
    conf.set("token_accounting.global.budget.weekly", "$2.00");
    begin();
    const int tokens = 10 * admitted(asking(9), least / 10);
    EXPECT_LE(tokens, limit);
    EXPECT_GE(tokens, least);
}

INSTANTIATE_TEST_SUITE_P(Each, Shards, testing::Values(1, 2, 8));

/// Of several limits an answer tells of the one that has the least left.
class LimitLines : public ScopedTokens {
  protected:
    LimitLines() {
        conf.set("token_accounting.enabled", "on");
        wait_for_a_day_that_lasts(seconds(30));
    }
    static std::string policy(const Message& response) { return response.head.value("ratelimit-policy"); }
};

TEST_F(LimitLines, TheNearestOfAll_ByRequestsAndByTokens) {
    conf.set("consumer.tester.team", "dev").set("rate_limit.consumer.tester.request_rate", "10");
    conf.set("rate_limit.team.dev.request_rate", "4").set("rate_limit.ip.request_rate", "100");
    conf.set("rate_limit.team.dev.token_rate", "500").set("rate_limit.consumer.tester.token_rate", "100");
    conf.set("consumer.second.team", "dev");
    begin();
    Message told = ask(asking(9));
    EXPECT_EQ(policy(told), R"("team-requests";q=4;w=60, "consumer-tokens";q=100;w=60)");
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("team-requests";r=3;t=)")) << told.head.raw;
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("consumer-tokens";r=90;t=)")) << told.head.raw;
    EXPECT_EQ(told.head.value("x-ratelimit-limit-requests"), "4");
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), "3");
    EXPECT_EQ(told.head.value("x-ratelimit-limit-tokens"), "100");
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-tokens"), "90");
    // Another limit becomes the nearest as it is used.
    conf.set("rate_limit.team.dev.request_rate", "400");
    loom().reload(conf.text());
    told = ask(asking(9));
    EXPECT_EQ(told.head.value("x-ratelimit-limit-requests"), "10");
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), "8");
    told = ask(asking(9, second_key));
    EXPECT_EQ(told.head.value("x-ratelimit-limit-requests"), "100") << "who has none of its own";
}

/// What is left of a limit that all share says what others do.
TEST_F(LimitLines, NothingOfWhatStrangersTakeToo_UntilItRefuses) {
    conf.set("rate_limit.global.request_rate", "3").set("rate_limit.route.ai.token_rate", "500");
    conf.set("rate_limit.model.gpt-4o.token_rate", "100").set("token_accounting.global.monthly_limit", "200");
    start(answer_always(answer(ten_tokens, "200 OK", "x-ratelimit-remaining-requests: 4711\r\n")));
    Message told = ask(asking(9));
    EXPECT_EQ(told.status(), 200);
    EXPECT_FALSE(contains(told.head.raw, "ratelimit")) << told.head.raw << "\nthe provider's is everybody's too";
    conf.set("rate_limit.consumer.tester.request_rate", "50");
    loom().reload(conf.text());
    told = ask(asking(9));
    EXPECT_EQ(policy(told), R"("consumer-requests";q=50;w=60)");
    EXPECT_FALSE(told.head.has("x-ratelimit-limit-tokens"));
    EXPECT_EQ(ask(asking(9, second_key)).status(), 200);
    told = ask(asking(9));
    EXPECT_EQ(told.status(), 429);
    EXPECT_EQ(policy(told), R"("global-requests";q=3;w=60)") << "which says why";
}

TEST_F(LimitLines, NorOfWhatAllWithoutKeysTake) {
    conf.set("route.ai.auth.type", "none").set("rate_limit.request_rate.limit", "100");
    begin();
    EXPECT_FALSE(ask(asking(9)).head.has("ratelimit"));
    conf.set("rate_limit.ip.request_rate", "50");
    loom().reload(conf.text());
    EXPECT_EQ(policy(ask(asking(9))), R"("ip-requests";q=50;w=60)");
}

TEST_F(LimitLines, OfBudgetsToo) {
    conf.set("rate_limit.token_rate.limit", "1000").set("token_accounting.limit.tester.daily_limit", "200");
    conf.set("token_accounting.global.monthly_limit", "5000");
    begin();
    const Message told = ask(asking(9));
    EXPECT_EQ(policy(told), R"("consumer-tokens-day";q=200;w=86400)");
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("consumer-tokens-day";r=190;t=)")) << told.head.raw;
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-tokens"), "190");
    const int64_t left = std::stoll(std::string(told.head.value("x-ratelimit-reset-tokens")));
    EXPECT_NEAR(static_cast<double>(left), static_cast<double>(day_s - unix_s() % day_s), 3);
    EXPECT_FALSE(told.head.has("x-ratelimit-limit-requests")) << "none are limited";
}

/// What Loom itself answers behind the admission is an answer like any other.
TEST_F(LimitLines, OnLoomsOwnErrorsToo) {
    conf.set("rate_limit.consumer.tester.request_rate", "50");
    begin();
    const std::string lines = auth_header() + "Content-Type: application/json\r\n";
    int left = 50;
    const auto expect_told = [&](const Message& told, int status) {
        EXPECT_EQ(told.status(), status) << told.raw();
        left -= 1;
        EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), std::to_string(left)) << told.raw();
        EXPECT_EQ(policy(told), R"("consumer-requests";q=50;w=60)");
    };
    expect_told(ask(chat_request(R"({"model":"nothing","messages":[]})")), 404);
    expect_told(ask(chat_request(R"({"model":)")), 400);
    expect_told(ask(request("POST", "/v1/chat/completions", lines + "Content-Encoding: compress\r\n", chat_body)), 415);
    upstream().stop_listening();
    expect_told(ask(asking(9)), 502);
    const Message unknown = ask(asking(9, "sk-nobody"));
    EXPECT_EQ(unknown.status(), 401);
    EXPECT_FALSE(unknown.head.has("ratelimit")) << "it has no limits that anybody knows";
}

TEST_F(LimitLines, OnRefusalsByABudget) {
    conf.set("token_accounting.limit.tester.daily_limit", "15").set("rate_limit.request_rate.limit", "50");
    begin();
    expect_admitted();
    wait_until("it to be booked", [&] { return ask(asking(9)).status() == 429; });
    const Message refused = ask(asking(9));
    expect_error(refused, 429, "insufficient_quota");
    EXPECT_EQ(policy(refused), R"("consumer-tokens-day";q=15;w=86400)");
    EXPECT_EQ(refused.head.value("ratelimit"),
              fmt::format(R"("consumer-tokens-day";r=0;t={})", refused.head.value("retry-after")));
    EXPECT_EQ(refused.head.value("x-ratelimit-limit-tokens"), "15");
    EXPECT_EQ(refused.head.value("x-ratelimit-remaining-tokens"), "0");
    EXPECT_EQ(refused.head.value("x-ratelimit-reset-tokens"), fmt::format("{}s", refused.head.value("retry-after")));
    EXPECT_EQ(refused.head.value("x-should-retry"), "false");
}

/// Money has no unit that a client knows: when there is some again is told.
TEST_F(LimitLines, OnRefusalsByABudgetOfMoney) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "1000");
    conf.set("token_accounting.limit.tester.budget.weekly", "0.001");
    begin();
    const Message refused = ask(asking(9));
    expect_error(refused, 429, "insufficient_quota");
    EXPECT_EQ(refused.head.value("ratelimit"),
              fmt::format(R"("consumer-cost-week";r=0;t={})", refused.head.value("retry-after")));
    EXPECT_FALSE(refused.head.has("ratelimit-policy"));
    EXPECT_FALSE(refused.head.has("x-ratelimit-limit-tokens"));
    conf.set("rate_limit.headers", "off");
    loom().reload(conf.text());
    const Message silent = ask(asking(9));
    EXPECT_FALSE(silent.head.has("ratelimit"));
    EXPECT_EQ(silent.head.value("x-should-retry"), "false");
    EXPECT_TRUE(silent.head.has("retry-after"));
}

TEST_F(LimitLines, NothingIsToldWhereNothingIsLimited) {
    start(answer_always(answer(ten_tokens, "200 OK", "x-ratelimit-remaining-requests: 4711\r\n")));
    const Message told = ask(asking(9));
    EXPECT_FALSE(told.head.has("ratelimit"));
    EXPECT_EQ(told.head.value("x-ratelimit-remaining-requests"), "4711");
}

}  // namespace
}  // namespace loom::wire
