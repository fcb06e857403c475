// What may be spent by the calendar (token_accounting.*): held when a request is admitted, booked when it is over, and
// who is over it hears which budget, and when it begins anew.
#include <fmt/format.h>

#include <chrono>

#include "calendar.h"
#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

using namespace std::chrono;

/// A chat.completion that took so much.
std::string answer_of(int prompt, int completion) {
    return fmt::format(
        R"({{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{"index":0,"message":)"
        R"({{"role":"assistant","content":"Hi"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{},)"
        R"("completion_tokens":{},"total_tokens":{}}}}})",
        prompt, completion, prompt + completion);
}

class Budget : public WireTest {
  protected:
    Budget() {
        conf.set("token_accounting.enabled", "on");
        wait_for_a_day_that_lasts(std::chrono::seconds(10));
    }
    void begin(int prompt = 40, int completion = 60) { start(answer_always(answer(answer_of(prompt, completion)))); }
    static std::string asking(int max_tokens = 10, std::string_view model = "gpt-4o") {
        return chat_request(fmt::format(
            R"({{"model":"{}","max_tokens":{},"messages":[{{"role":"user","content":"Hi"}}]}})", model, max_tokens));
    }
    void expect_admitted(const std::string& bytes = asking()) {
        const Message response = ask(bytes);
        EXPECT_EQ(response.status(), 200) << response.raw();
    }
    Message expect_refused(std::string_view part, const std::string& bytes = asking()) {
        Message response = ask(bytes);
        expect_error(response, 429, "insufficient_quota");
        EXPECT_TRUE(contains(response.body, part)) << response.body;
        EXPECT_EQ(response.head.value("x-should-retry"), "false");
        return response;
    }
    std::string limits() { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; }
    /// Waits until so much is told: a client has its answer before its exchange is settled.
    void expect_told(const std::string& part) {
        wait_until(part.c_str(), [&] { return contains(limits(), part); });
    }
};

TEST_F(Budget, TokensOfADay_ThenWhoIsOverHearsWhenTheNextBegins) {
    conf.set("token_accounting.limit.tester.daily_limit", "230");
    begin();
    expect_admitted();
    expect_told(R"("tokens":{"day":{"limit":230,"used":100,"remaining":130)");
    expect_admitted();
    expect_told(R"("used":200,"remaining":30)");
    expect_admitted();
    expect_told(R"("used":300,"remaining":0)");
    const Message refused = expect_refused("token_accounting.limit.tester.daily_limit is 230 tokens a day");
    const int64_t left = day_s - unix_s() % day_s;
    const int64_t told = std::stoll(std::string(refused.head.value("retry-after")));
    EXPECT_GE(told, left - 2);
    EXPECT_LE(told, left + 2);
    EXPECT_EQ(upstream().request_count(), 3u);
    EXPECT_EQ(loom().eventually(R"(loom_ai_budget_exceeded_total{scope="consumer"})"), 1);
    expect_told(R"("used":300,"remaining":0)");
}

TEST_F(Budget, WhatIsExpectedMustFit) {
    conf.set("token_accounting.limit.tester.monthly_limit", "100");
    begin(2, 3);
    expect_refused("monthly_limit is 100 tokens a month", asking(200));
    expect_admitted(asking(80));
    expect_told(R"("tokens":{"month":{"limit":100,"used":5,"remaining":95)");
}

TEST_F(Budget, MoneyByThePricesOfTheModel) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    conf.set("token_accounting.limit.tester.budget.weekly", "$1.30");
    begin();  // 40 * 0.001 + 60 * 0.01
    expect_admitted();
    expect_told(R"("money":{"week":{"limit":"1.3","used":"0.64","remaining":"0.66")");
    expect_admitted();
    expect_told(R"("used":"1.28","remaining":"0.02")");
    expect_refused("token_accounting.limit.tester.budget.weekly is 1.3 a week");
}

TEST_F(Budget, MoneyIsThatOfWhoIsAsked_WhateverTheClientCallsTheModel) {
    conf.set("model_mapping.fast.mock", "gpt-4o");
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    conf.set("token_accounting.limit.tester.budget.daily", "0.70");
    begin();
    expect_admitted(asking(10, "fast"));
    expect_told(R"("used":"0.64","remaining":"0.06")");
    expect_refused("budget.daily is 0.7 a day", asking(10, "fast"));
}

/// gpt-4o costs, gpt-mini costs a tenth, gpt-own is nobody's to bill.
class BudgetFallback : public Budget {
  protected:
    BudgetFallback() {
        conf.set("provider.mock.models", "gpt-4o, gpt-mini, gpt-own, text-embedding-3-small");
        conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
        conf.set("price.gpt-mini.input_per_1m", "100").set("price.gpt-mini.output_per_1m", "1000");
        conf.set("token_accounting.limit.tester.budget.daily", "0.70");  // one answer of gpt-4o is 0.64
        conf.set("model_fallback.gpt-4o.budget", "gpt-mini");
    }
    std::string asked_model(size_t index) { return json_text(upstream().request(index).body, "model"); }
};

TEST_F(BudgetFallback, ACheaperModelTakesWhatTheBudgetDoesNotDoFor) {
    conf.set("model_fallback.gpt-mini.budget", "gpt-own");
    begin();
    const Message first = ask(asking());
    EXPECT_FALSE(first.head.has("x-loom-fallback"));
    EXPECT_FALSE(first.head.has("x-loom-model"));
    expect_told(R"("used":"0.64","remaining":"0.06")");
    const Message second = ask(asking());
    EXPECT_EQ(second.status(), 200) << second.raw();
    EXPECT_EQ(second.head.value("x-loom-fallback"), "budget");
    EXPECT_EQ(second.head.value("x-loom-model"), "gpt-mini");
    expect_told(R"("used":"0.704")");  // what it took, though more than was left of the day
    const Message third = ask(asking());
    EXPECT_EQ(third.head.value("x-loom-model"), "gpt-own") << "the next in the row, which has no price";
    EXPECT_EQ(ask(asking(10, "gpt-mini")).head.value("x-loom-model"), "gpt-own");
    EXPECT_EQ(asked_model(0) + " " + asked_model(1) + " " + asked_model(2) + " " + asked_model(3),
              "gpt-4o gpt-mini gpt-own gpt-own");
    EXPECT_EQ(loom().eventually("loom_ai_budget_fallbacks_total"), 3);
    EXPECT_EQ(loom().eventually(R"(loom_ai_budget_exceeded_total{scope="consumer"})"), 0);
    expect_told(R"("used":"0.704")");
}

TEST_F(BudgetFallback, WhereNoneDoesTheAnswerSaysSo) {
    conf.set("token_accounting.limit.tester.budget.daily", "0.05").set("price.gpt-mini.input_per_1m", "100000");
    begin();
    expect_refused("budget.daily is 0.05 a day");
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_EQ(loom().eventually("loom_ai_budget_fallbacks_total"), 0);
    EXPECT_EQ(loom().eventually(R"(loom_ai_budget_exceeded_total{scope="consumer"})"), 1);
    expect_told(R"("used":"0","remaining":"0.05")");
}

TEST_F(BudgetFallback, NobodyIsLedToAModelThatItMayNotUse) {
    conf.set("consumer.tester.models", "gpt-4o").set("token_accounting.limit.tester.budget.daily", "0.05");
    begin();
    expect_refused("budget.daily is 0.05 a day");
}

TEST_F(BudgetFallback, TheOneOfAllOthersIsForChatsAlone) {
    conf.set("routing.fallback.budget", "gpt-own").set("price.text-embedding-3-small.input_per_1m", "1000000000");
    begin();
    expect_refused("budget.daily is 0.7 a day",
                   request("POST", "/v1/embeddings", auth_header(),
                           R"({"model":"text-embedding-3-small","input":"of another model this would mean nothing"})"));
    EXPECT_EQ(upstream().request_count(), 0u);
}

/// A model that takes nothing of a budget must be no way to one that is dear.
TEST_F(BudgetFallback, NobodyIsLedOnFromThereByWhatAProviderRefuses) {
    conf.set("routing.failover.enabled", "on").set("model_fallback.gpt-4o.budget", "gpt-own");
    conf.set("routing.fallback.context_window", "gpt-4o").set("token_accounting.limit.tester.budget.daily", "0.05");
    start(answer_always(
        answer(R"({"error":{"message":"too long","code":"context_length_exceeded"}})", "400 Bad Request")));
    const Message refused = ask(asking());
    EXPECT_EQ(refused.status(), 400);
    EXPECT_EQ(refused.head.value("x-loom-model"), "gpt-own");
    EXPECT_EQ(upstream().request_count(), 1u);
    EXPECT_EQ(asked_model(0), "gpt-own");
}

TEST_F(BudgetFallback, TokensAreAsManyWhateverTheModel) {
    conf.set("token_accounting.limit.tester.budget.daily", "").set("token_accounting.limit.tester.daily_limit", "90");
    begin();
    expect_admitted();
    expect_told(R"("used":100,"remaining":0)");
    expect_refused("daily_limit is 90 tokens a day");
    EXPECT_EQ(upstream().request_count(), 1u);
}

TEST_F(BudgetFallback, WhereTheCheaperOneIsBusyTheAnswerSaysForHowLong) {
    conf.set("provider.cheap.type", "openai")
        .set("provider.cheap.api_key", "sk-c")
        .set("provider.cheap.models", "small");
    conf.set("model_fallback.gpt-4o.budget", "small").set("token_accounting.limit.tester.budget.daily", "0.05");
    Gate gate;
    ScriptedUpstream cheap([&gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(answer_of(1, 1)));
        }
    });
    conf.set("provider.cheap.base_url", cheap.origin() + "/v1");
    conf.set("provider.cheap.rate_limit.concurrent_requests", "1");
    begin();
    RawClient first = client();
    first.send(asking());
    wait_until("it to be asked", [&] { return cheap.request_count() == 1; });
    const Message busy = ask(asking());
    EXPECT_EQ(busy.status(), 429);
    EXPECT_FALSE(busy.head.has("x-should-retry"));
    EXPECT_LE(std::stoi(std::string(busy.head.value("retry-after"))), 60) << busy.raw();
    gate.open();
    EXPECT_EQ(first.read_response().status(), 200);
}

TEST_F(BudgetFallback, WhatFailsThereFailsOverAsThatModel) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "1ms");
    conf.set("token_accounting.limit.tester.budget.daily", "0.10");
    std::atomic<int> asked = 0;
    start(answer_with([&asked](const Message&) {
        return asked++ == 0 ? answer("{}", "500 Internal Server Error") : answer(answer_of(40, 60));
    }));
    const Message answered = ask(asking());
    EXPECT_EQ(answered.status(), 200) << answered.raw();
    EXPECT_EQ(answered.head.value("x-loom-model"), "gpt-mini");
    EXPECT_EQ(answered.head.value("x-loom-attempts"), "2");
    EXPECT_EQ(asked_model(1), "gpt-mini");
    expect_told(R"("used":"0.064")");
}

TEST_F(Budget, WhatIsNotReadGoesWhereAnythingIsLeft_AndIsBooked) {
    conf.set("token_accounting.limit.tester.daily_limit", "150").set("route.ai.passthrough", "images");
    begin(40, 60);
    const std::string picture = request("POST", "/v1/images/generations",
                                        auth_header() + "Content-Type: application/json\r\n", R"({"prompt":"a loom"})");
    expect_admitted(picture);
    expect_told(R"("used":100,"remaining":50)");
    expect_admitted(picture);
    expect_told(R"("used":200,"remaining":0)");
    expect_refused("daily_limit is 150", picture);
}

TEST_F(Budget, OverItsBudgetAClientIsUnderItsRateLimitsAllTheSame) {
    conf.set("token_accounting.limit.tester.daily_limit", "90").set("rate_limit.request_rate.limit", "3");
    begin();
    for (int i = 0; i < 3; ++i) expect_refused("daily_limit is 90", asking(200));
    expect_error(ask(asking(200)), 429, "rate_limit_exceeded");
}

TEST_F(Budget, OfATeamAndOfAll) {
    conf.set("consumer.tester.team", "dev").set("consumer.other.api_key", "sk-other-0123456789abcdef");
    conf.set("token_accounting.team.dev.daily_limit", "150").set("token_accounting.global.daily_limit", "350");
    begin();
    const std::string others =
        request("POST", "/v1/chat/completions",
                "Authorization: Bearer sk-other-0123456789abcdef\r\nContent-Type: application/json\r\n",
                R"({"model":"gpt-4o","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]})");
    expect_admitted();
    expect_told(R"("used":100,"remaining":50)");
    expect_admitted();
    expect_told(R"("used":200,"remaining":0)");
    expect_refused("token_accounting.team.dev.daily_limit is 150");
    expect_admitted(others);
    expect_told(R"("used":300,"remaining":50)");
    expect_admitted(others);
    expect_told(R"("used":400,"remaining":0)");
    expect_refused("token_accounting.global.daily_limit is 350", others);
    EXPECT_EQ(loom().eventually(R"(loom_ai_budget_exceeded_total{scope="team"})"), 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_budget_exceeded_total{scope="global"})"), 1);
}

/// And what it has spent is its own again after a new start.
TEST_F(Budget, OfATeamOfTheSameNameAtAnotherTenant) {
    StateDirectory state;
    conf.set("state.directory", state.path());
    conf.set("consumer.tester.team", "dev").set("consumer.tester.tenant", "acme");
    conf.set("consumer.other.api_key", "sk-other-0123456789abcdef").set("consumer.other.team", "dev");
    conf.set("consumer.other.tenant", "globex").set("token_accounting.team.dev.daily_limit", "150");
    const std::string others =
        request("POST", "/v1/chat/completions",
                "Authorization: Bearer sk-other-0123456789abcdef\r\nContent-Type: application/json\r\n",
                R"({"model":"gpt-4o","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]})");
    begin();
    expect_admitted();
    expect_told(R"("used":100,"remaining":50)");
    expect_admitted();
    expect_told(R"("used":200,"remaining":0)");
    expect_refused("token_accounting.team.dev.daily_limit is 150");
    expect_admitted(others);
    expect_told(R"("used":100,"remaining":50)");
    loom().stop_cleanly();
    begin();
    expect_refused("token_accounting.team.dev.daily_limit is 150");
    expect_told(R"("used":100,"remaining":50)");
    expect_admitted(others);
    wait_until("what both have used", [&] { return !contains(limits(), R"("remaining":50)"); });
    expect_refused("token_accounting.team.dev.daily_limit is 150", others);
    loom().stop_cleanly();
}

TEST_F(Budget, AReloadKeepsWhatWasSpent_AndTheNewLimitCounts) {
    conf.set("token_accounting.limit.tester.daily_limit", "1000");
    begin();
    expect_admitted();
    expect_told(R"("used":100)");
    conf.set("token_accounting.limit.tester.daily_limit", "105");
    loom().reload(conf.text());
    expect_told(R"("limit":105,"used":100,"remaining":5)");
    expect_refused("daily_limit is 105");
}

TEST_F(Budget, ARestartFindsWhatWasSpentInTheLedger_AlsoAfterAKill) {
    const StateDirectory state;
    conf.set("state.directory", state.path()).set("consumer.tester.team", "dev");
    conf.set("token_accounting.limit.tester.monthly_limit", "350").set("token_accounting.team.dev.daily_limit", "1000");
    conf.set("price.gpt-4o.input_per_1m", "0").set("price.gpt-4o.output_per_1m", "10000");
    conf.set("token_accounting.global.budget.weekly", "$100");
    begin();
    expect_admitted();
    expect_told(R"("month":{"limit":350,"used":100)");
    loom().stop_cleanly();
    for (const int more : {2, 3}) {
        LoomProcess again(conf.text());
        const auto limits_again = [&] {
            return ask_once(again.admin_port(), request("GET", "/ai/limits"), false).body;
        };
        EXPECT_TRUE(contains(limits_again(), fmt::format(R"("month":{{"limit":350,"used":{}00)", more - 1)));
        EXPECT_TRUE(contains(limits_again(), fmt::format(R"("day":{{"limit":1000,"used":{}00)", more - 1)));
        EXPECT_TRUE(
            contains(limits_again(), fmt::format(R"("week":{{"limit":"100","used":"{}")", more == 2 ? "0.6" : "1.2")));
        EXPECT_EQ(ask_once(again.port(), asking()).status(), 200);
        wait_until("it to be in the ledger", [&] {
            const std::string page = ask_once(again.admin_port(), request("GET", "/ai/usage/tester"), false).body;
            return contains(page, fmt::format(R"("requests":{})", more));
        });
        if (more == 2) {
            again.stop_cleanly();
        } else {
            again.signal(SIGKILL);
            (void)again.wait_for_exit();
        }
    }
    LoomProcess last(conf.text());
    expect_error(ask_once(last.port(), asking(60)), 429, "insufficient_quota");
    last.stop_cleanly();
}

TEST_F(Budget, AlertsAreToldOnce) {
    conf.set("token_accounting.limit.tester.daily_limit", "300").set("token_accounting.limit.tester.alert", "50%, 90%");
    begin();
    for (int i = 0; i < 3; ++i) expect_admitted();
    expect_told(R"("used":300)");
    wait_until("both alerts", [&] { return loom().metric("loom_ai_budget_alerts_total") == 2; });
    expect_refused("daily_limit is 300");
    EXPECT_EQ(loom().eventually("loom_ai_budget_alerts_total"), 2);
    EXPECT_TRUE(contains(loom().log(), "token_accounting.limit.tester.daily_limit: 50% of 300 tokens are taken"));
    EXPECT_TRUE(contains(loom().log(), "token_accounting.limit.tester.daily_limit: 90% of 300 tokens are taken"));
}

TEST_F(Budget, WhatFailsTakesNothing) {
    conf.set("token_accounting.limit.tester.daily_limit", "600");
    start(answer_always(answer(R"({"error":{"message":"no"}})", "500 Internal Server Error")));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(asking()).status(), 500);
    expect_told(R"("used":0,"remaining":600)");
}

TEST_F(Budget, WhatIsUnderWayIsHeldForOthers) {
    conf.set("token_accounting.limit.tester.daily_limit", "700");
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(answer_of(40, 60)));
        }
    });
    RawClient first = client();
    first.send(asking(400));
    expect_told(R"("used":40)");
    expect_refused("daily_limit is 700", asking(400));
    gate.open();
    EXPECT_EQ(first.reader().read_response().status(), 200);
    expect_told(R"("used":100,"remaining":600)");
    expect_admitted(asking(400));
}

}  // namespace
}  // namespace loom::wire
