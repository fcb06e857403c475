// Budgets by whom and what they are for (token_accounting.tier, .team, .project, .tenant, .route, .model): who is under
// one and who is not, that a restart and a reload find what was spent, and that two tenants' projects have nothing in
// common.
#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <ostream>
#include <thread>

#include "calendar.h"
#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

using namespace std::chrono;

constexpr std::string_view mates_key = "sk-mate-0123456789abcdef";
constexpr std::string_view strangers_key = "sk-stranger-0123456789abcdef";

std::string answer_of(int prompt, int completion) {
    return fmt::format(
        R"({{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{{"index":0,"message":)"
        R"({{"role":"assistant","content":"Hi"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{},)"
        R"("completion_tokens":{},"total_tokens":{}}}}})",
        prompt, completion, prompt + completion);
}

struct Asking {
    std::string_view key = client_key;
    std::string_view model = "gpt-4o";
    std::string_view target = "/v1/chat/completions";
    int max_tokens = 10;

    [[nodiscard]] std::string bytes() const {
        return request("POST", target,
                       fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", key),
                       fmt::format(R"({{"model":"{}","max_tokens":{},"messages":[{{"role":"user","content":"Hi"}}]}})",
                                   model, max_tokens));
    }
};

/// Who takes of a budget, two of them, and who does not.
struct Scope {
    std::string name;  // "tenant"
    std::string key;   // what stands before its numbers
    std::string row;   // what it is called where it is told
    Asking first, second, outside;
};
void PrintTo(const Scope& scope, std::ostream* out) { *out << scope.name; }

const std::vector<Scope>& scopes() {
    static const Asking tester, mate{.key = mates_key}, stranger{.key = strangers_key};
    static const Asking fast{.model = "fast"}, mates_fast{.key = mates_key, .model = "mock/fast"};
    static const Asking elsewhere{.target = "/other/v1/chat/completions"};
    static const Asking strangers_elsewhere{.key = strangers_key, .target = "/other/v1/chat/completions"};
    static const std::vector<Scope> all = {
        {"tier", "token_accounting.tier.gold", "tester", tester, tester, stranger},
        {"team", "token_accounting.team.dev", "acme/dev", tester, mate, stranger},
        {"project", "token_accounting.project.x", "acme/x", tester, mate, stranger},
        {"tenant", "token_accounting.tenant.acme", "acme", tester, mate, stranger},
        {"route", "token_accounting.route.other", "other", elsewhere, strangers_elsewhere, tester},
        {"model", "token_accounting.model.fast", "fast", fast, mates_fast, tester},
    };
    return all;
}

/// One consumer, one of its tenant's, team and project, and a stranger whose team and project have the same names.
class BudgetScopes : public WireTest {
  protected:
    BudgetScopes() {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("consumer.mate.api_key", std::string(mates_key));
        conf.set("consumer.stranger.api_key", std::string(strangers_key));
        for (const char* const name : {"tester", "mate", "stranger"}) {
            const std::string prefix = fmt::format("consumer.{}.", name);
            conf.set(prefix + "tier", "gold").set(prefix + "team", "dev").set(prefix + "project", "x");
            conf.set(prefix + "tenant", name == std::string_view("stranger") ? "globex" : "acme");
        }
        conf.set("route.other.path", "/other/v1/*").set("route.other.auth.type", "api_key");
        conf.set("route.other.ai_gateway", "on").set("model_mapping.fast.mock", "gpt-4o");
        wait_for_a_day_that_lasts(seconds(40));
    }
    void begin() { start(answer_always(answer(answer_of(40, 60)))); }
    void begin_after_kill() {
        loom().signal(SIGKILL);
        (void)loom().wait_for_exit();
        begin();
    }
    void expect_admitted(const Asking& asking) {
        const Message response = ask(asking.bytes());
        EXPECT_EQ(response.status(), 200) << response.raw();
    }
    Message expect_refused(const std::string& key, const Asking& asking) {
        Message response = ask(asking.bytes());
        expect_error(response, 429, "insufficient_quota");
        EXPECT_TRUE(contains(response.body, key + " is ")) << response.body;
        return response;
    }
    std::string limits() { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; }
    /// Waits until so much is told of it: a client has its answer before its exchange is settled.
    void expect_used(const std::string& scope, const std::string& row, const std::string& period, int used) {
        const std::string begins = fmt::format(R"({{"scope":"{}","name":"{}")", scope, row);
        wait_until(fmt::format("{} of {} {}", used, scope, row).c_str(), [&] {
            const std::string all = limits();
            const size_t at = all.find(begins);
            if (at == all.npos) return false;
            const std::string one = all.substr(at, all.find(R"({"scope")", at + 1) - at);
            const size_t of_period = one.find(fmt::format(R"("{}":{{)", period));
            return of_period != one.npos && contains(one.substr(of_period, one.find('}', of_period) - of_period),
                                                     fmt::format(R"("used":{},)", used));
        });
    }
    void expect_in_ledger(const std::string& attempts) {
        wait_until("it to be in the ledger", [&] {
            const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage"), false).body;
            return contains(page, fmt::format(R"("attempts":{},)", attempts));
        });
    }

    const StateDirectory state;
};

class EachScope : public BudgetScopes, public testing::WithParamInterface<Scope> {
  protected:
    /// Where /ai/limits has it: what a tier allows is its consumer's own.
    static std::string told_scope() { return GetParam().name == "tier" ? "consumer" : GetParam().name; }
    void expect_used(int used) { BudgetScopes::expect_used(told_scope(), GetParam().row, "day", used); }
};

TEST_P(EachScope, WhoIsUnderItIsRefused_AndNobodyElse) {
    const Scope& scope = GetParam();
    conf.set(scope.key + ".daily_limit", "150").set(scope.key + ".alert", "60%");
    begin();
    expect_admitted(scope.first);
    expect_used(100);
    expect_admitted(scope.second);
    expect_used(200);
    for (const Asking& one : {scope.first, scope.second}) {
        const Message refused = expect_refused(scope.key + ".daily_limit", one);
        EXPECT_TRUE(
            contains(refused.head.value("ratelimit-policy"), fmt::format(R"("{}-tokens-day";q=150;)", scope.name)))
            << refused.raw();
        EXPECT_EQ(refused.head.value("x-should-retry"), "false");
    }
    expect_admitted(scope.outside);
    EXPECT_EQ(upstream().request_count(), 3u);
    EXPECT_EQ(loom().eventually(fmt::format("loom_ai_budget_exceeded_total{{scope=\"{}\"}}", scope.name)), 2);
    EXPECT_TRUE(contains(loom().log(), scope.key + ".daily_limit: 60% of 150 tokens are taken or held"));
}

TEST_P(EachScope, Money) {
    const Scope& scope = GetParam();
    conf.set("price.gpt-4o.input_per_1m", "0").set("price.gpt-4o.output_per_1m", "10000");  // an answer is 0.6
    conf.set(scope.key + ".budget.monthly", "$1.00");
    begin();
    expect_admitted(scope.first);
    wait_until("its cost", [&] { return contains(limits(), R"("used":"0.6")"); });
    expect_admitted(scope.second);
    wait_until("both costs", [&] { return contains(limits(), R"("used":"1.2")"); });
    expect_refused(scope.key + ".budget.monthly", scope.first);
    expect_admitted(scope.outside);
}

/// Whatever of it was folded when the process ended. The second start has the first one's sums; the third all of them.
TEST_P(EachScope, ARestartFindsWhatWasSpent_AlsoAfterAKill) {
    const Scope& scope = GetParam();
    conf.set(scope.key + ".weekly_limit", "250").set("token_accounting.global.weekly_limit", "100000");
    begin();
    expect_admitted(scope.first);
    BudgetScopes::expect_used(told_scope(), scope.row, "week", 100);
    expect_admitted(scope.outside);
    BudgetScopes::expect_used("global", "", "week", 200);
    loom().stop_cleanly();
    begin();
    BudgetScopes::expect_used(told_scope(), scope.row, "week", 100);
    expect_admitted(scope.second);
    BudgetScopes::expect_used(told_scope(), scope.row, "week", 200);
    expect_in_ledger("3");
    begin_after_kill();
    BudgetScopes::expect_used(told_scope(), scope.row, "week", 200);
    Asking more = scope.first;
    more.max_tokens = 60;
    expect_refused(scope.key + ".weekly_limit", more);
    more = scope.outside;
    more.max_tokens = 60;
    expect_admitted(more);
}

/// What was asked of the provider when the process was killed is booked by its estimate, for all that it was for.
TEST_P(EachScope, WhatWasInFlightAtAKillIsBookedByItsEstimate) {
    const Scope& scope = GetParam();
    conf.set(scope.key + ".daily_limit", "100000");
    Gate gate;
    start([gate](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(answer_of(40, 60)));
        }
    });
    allow_script_failures();
    Asking large = scope.first;
    large.max_tokens = 400;
    RawClient cut = client();
    cut.send(large.bytes());
    (void)upstream().request(0);  // its intent is in the file
    begin_after_kill();
    gate.open();
    wait_until("what it was expected to take", [&] { return !contains(limits(), R"("used":0,)"); });
    expect_admitted(scope.first);
    begin_after_kill();
    wait_until("both", [&] { return !contains(limits(), R"("used":0,)"); });
}

/// A budget that a reload brings knows what was spent before it.
TEST_P(EachScope, AReloadBringsOneThatKnowsWhatWasSpent) {
    const Scope& scope = GetParam();
    conf.set("token_accounting.global.daily_limit", "100000");
    begin();
    expect_admitted(scope.first);
    expect_admitted(scope.outside);
    BudgetScopes::expect_used("global", "", "day", 200);
    expect_in_ledger("2");
    conf.set(scope.key + ".daily_limit", "105");
    loom().reload(conf.text());
    expect_used(100);
    expect_refused(scope.key + ".daily_limit", scope.second);
    conf.set(scope.key + ".daily_limit", "205");
    loom().reload(conf.text());
    expect_used(100);
    expect_admitted(scope.second);
}

INSTANTIATE_TEST_SUITE_P(Each, EachScope, testing::ValuesIn(scopes()),
                         [](const auto& info) { return info.param.name; });

TEST_F(BudgetScopes, ATiersNumberIsForWhoHasNoneOfItsOwn) {
    conf.set("token_accounting.tier.gold.daily_limit", "150").set("token_accounting.tier.gold.weekly_limit", "350");
    conf.set("token_accounting.limit.tester.daily_limit", "1000").set("token_accounting.limit.mate.daily_limit", "0");
    begin();
    for (int i = 1; i <= 4; ++i) {
        expect_admitted({});
        expect_used("consumer", "tester", "day", 100 * i);
    }
    expect_refused("token_accounting.tier.gold.weekly_limit", {});
    for (int i = 1; i <= 4; ++i) {
        expect_admitted({.key = mates_key});
        expect_used("consumer", "mate", "week", 100 * i);
    }
    expect_refused("token_accounting.tier.gold.weekly_limit", {.key = mates_key});
    for (int i = 1; i <= 2; ++i) {
        expect_admitted({.key = strangers_key});
        expect_used("consumer", "stranger", "day", 100 * i);
    }
    expect_refused("token_accounting.tier.gold.daily_limit", {.key = strangers_key});
}

TEST_F(BudgetScopes, ProjectsOfTwoTenantsHaveNothingInCommon) {
    conf.set("token_accounting.project.x.daily_limit", "150");
    begin();
    for (int i = 1; i <= 2; ++i) {
        expect_admitted({.key = mates_key});
        expect_used("project", "acme/x", "day", 100 * i);
    }
    expect_refused("token_accounting.project.x.daily_limit", {});
    const Message theirs = ask(Asking{.key = strangers_key}.bytes());
    EXPECT_EQ(theirs.status(), 200);
    EXPECT_EQ(theirs.head.value("x-ratelimit-limit-tokens"), "150");
    expect_used("project", "globex/x", "day", 100);
    expect_in_ledger("3");
    begin_after_kill();
    expect_used("project", "acme/x", "day", 200);
    expect_used("project", "globex/x", "day", 100);
}

/// What strangers take too is not told, as with rate limits.
TEST_F(BudgetScopes, WhatIsLeftIsToldOfItsClientsOwnAlone) {
    conf.set("token_accounting.route.ai.daily_limit", "300").set("token_accounting.model.gpt-4o.daily_limit", "200");
    conf.set("token_accounting.tenant.acme.daily_limit", "5000");
    begin();
    const Message told = ask(Asking{}.bytes());
    EXPECT_EQ(told.head.value("x-ratelimit-limit-tokens"), "5000");
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("tenant-tokens-day")")) << told.raw();
    EXPECT_TRUE(ask(Asking{.key = strangers_key}.bytes()).head.value("x-ratelimit-limit-tokens").empty());
}

/// A request takes of all that it is under or of none, and all seven are told of it.
TEST_F(BudgetScopes, AllAtOnce) {
    const std::vector<std::string> keys = {"limit.tester", "team.dev",   "project.x", "tenant.acme",
                                           "route.ai",     "model.fast", "global"};
    for (const std::string& key : keys) conf.set("token_accounting." + key + ".daily_limit", "1000");
    begin();
    expect_admitted({.model = "fast"});
    const auto expect_all_used = [this](int used) {
        expect_used("consumer", "tester", "day", used);
        expect_used("team", "acme/dev", "day", used);
        expect_used("project", "acme/x", "day", used);
        expect_used("tenant", "acme", "day", used);
        expect_used("route", "ai", "day", used);
        expect_used("model", "fast", "day", used);
        expect_used("global", "", "day", used);
    };
    expect_all_used(100);
    for (const std::string& key : keys) {
        const std::string name = "token_accounting." + key + ".daily_limit";
        conf.set(name, "120");
        loom().reload(conf.text());
        expect_refused(name, {.model = "fast", .max_tokens = 100});
        conf.set(name, "1000");
        loom().reload(conf.text());
        expect_all_used(100);
    }
}

/// A stand-in, an arm or a deployment: it is the name that the client asks by that is charged.
TEST_F(BudgetScopes, AModelsBudgetIsChargedByTheNameThatIsAsked) {
    conf.set("provider.mock.models", "gpt-4o, gpt-own, fast").set("model_fallback.fast.context_window", "gpt-own");
    conf.set("token_accounting.model.fast.daily_limit", "150");
    conf.set("token_accounting.model.gpt-own.daily_limit", "1000");
    start(answer_with([](const Message& asked) {
        if (json_text(asked.body, "model") == "gpt-own") return answer(answer_of(40, 60));
        return answer(R"({"error":{"message":"too long","type":"invalid_request_error",)"
                      R"("code":"context_length_exceeded"}})",
                      "400 Bad Request");
    }));
    for (int i = 1; i <= 2; ++i) {
        expect_admitted({.model = "fast"});
        expect_used("model", "fast", "day", 100 * i);
    }
    expect_used("model", "gpt-own", "day", 0);
    expect_refused("token_accounting.model.fast.daily_limit", {.model = "fast"});
    expect_admitted({.model = "gpt-own"});
    expect_used("model", "gpt-own", "day", 100);
    expect_in_ledger("5");  // the first two were refused by the model that was asked
    begin_after_kill();
    expect_used("model", "fast", "day", 200);
    expect_used("model", "gpt-own", "day", 100);
}

TEST_F(BudgetScopes, WhoHasSpentItGetsNothingOfWhatIsKept) {
    conf.set("cache.exact.enabled", "on").set("token_accounting.model.gpt-4o.daily_limit", "150");
    begin();
    for (const int max_tokens : {10, 11}) expect_admitted({.max_tokens = max_tokens});
    expect_used("model", "gpt-4o", "day", 200);
    const size_t asked = upstream().request_count();
    expect_refused("token_accounting.model.gpt-4o.daily_limit", {.max_tokens = 11});
    EXPECT_EQ(upstream().request_count(), asked);
}

TEST_F(BudgetScopes, AStreamThatOutgrowsATenantsIsEnded) {
    conf.set("token_accounting.tenant.acme.monthly_limit", "600");
    start([](UpstreamConnection& connection) {
        (void)connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        for (int i = 0; i < 5'000; ++i)
            if (!connection.send(
                    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
                    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"la \"},\"finish_reason\":null}]}\n\n"))
                return;
    });
    allow_script_failures();
    const Message told =
        ask(request("POST", "/v1/chat/completions",
                    fmt::format("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", mates_key),
                    R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]})"));
    EXPECT_EQ(told.status(), 200);
    EXPECT_TRUE(contains(told.body, R"("finish_reason":"length")")) << told.body.substr(told.body.size() - 600);
    EXPECT_TRUE(told.body.ends_with("data: [DONE]\n\n"));
    wait_until("it to be spent", [&] { return contains(limits(), R"("remaining":0)"); });
    expect_refused("token_accounting.tenant.acme.monthly_limit", {});
    EXPECT_NE(ask(Asking{.key = strangers_key}.bytes()).status(), 429);
}

/// Whom the admin API makes is of its tenant and its project as well, and has its tier's numbers where it has none.
TEST_F(BudgetScopes, WhoIsMadeOverTheApiIsUnderThem) {
    conf.set("auth.issued_keys", "on");
    conf.set("token_accounting.project.x.daily_limit", "450").set("token_accounting.tenant.acme.daily_limit", "350");
    conf.set("token_accounting.tier.gold.daily_limit", "150");
    begin();
    const auto admin = [this](std::string_view target, std::string_view body) {
        const Message told = ask_once(loom().admin_port(), request("POST", target, "", body), false);
        EXPECT_EQ(told.status(), 201) << told.body;
        return told.body;
    };
    const auto make = [&](const std::string& name, const std::string& more) {
        (void)admin("/ai/consumers", fmt::format(R"({{"name":"{}","tenant":"acme","project":"x"{}}})", name, more));
        return json_text(admin("/ai/keys?consumer=" + name, ""), "key");
    };
    const std::string key = make("ci", R"(,"budgets":{"daily_limit":1000})");
    const std::string golden = make("ci-gold", R"(,"tier":"gold")");
    for (int i = 1; i <= 2; ++i) {
        expect_admitted({.key = golden});
        expect_used("tenant", "acme", "day", 100 * i);
        expect_used("project", "acme/x", "day", 100 * i);
    }
    expect_refused("token_accounting.tier.gold.daily_limit", {.key = golden});
    for (int i = 3; i <= 4; ++i) {
        expect_admitted({.key = key});
        expect_used("tenant", "acme", "day", 100 * i);
    }
    expect_refused("token_accounting.tenant.acme.daily_limit", {.key = key});
    expect_refused("token_accounting.tenant.acme.daily_limit", {});
    expect_admitted({.key = strangers_key});
}

/// Who has no key is of no tenant, and under its route's and its model's budgets all the same.
TEST_F(BudgetScopes, WhoHasNoKey) {
    conf.set("route.open.path", "/open/v1/*").set("route.open.auth.type", "none").set("route.open.ai_gateway", "on");
    conf.set("token_accounting.route.open.daily_limit", "150").set("token_accounting.tenant.acme.daily_limit", "1");
    begin();
    const Asking open{.key = "", .target = "/open/v1/chat/completions"};
    for (int i = 1; i <= 2; ++i) {
        expect_admitted(open);
        expect_used("route", "open", "day", 100 * i);
    }
    expect_refused("token_accounting.route.open.daily_limit", open);
    expect_refused("token_accounting.tenant.acme.daily_limit", {});
    expect_admitted({.key = strangers_key});
}

}  // namespace
}  // namespace loom::wire
