// Events of budgets, told to a webhook: each at least once, with an id by which it is known, signed where the conf has
// a secret, and never on the way of a request.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <set>

#include "calendar.h"
#include "fixture.h"
#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::wire {
namespace {

using namespace std::chrono;

const std::string secret = "0123456789abcdef0123456789abcdef";

class Alerts : public WireTest {
  protected:
    Alerts() : webhook_(answer_always(answer("ok"))) {
        conf.set("token_accounting.enabled", "on");
        conf.set("alerts.webhook.url", webhook_.origin() + "/hooks/T0PSECRET?team=ops");
        wait_for_a_day_that_lasts(seconds(10));
    }
    ~Alerts() override { webhook_.end_connections(); }
    ScriptedUpstream& webhook() { return webhook_; }
    void begin() {  // 21 tokens each
        start(answer_always(answer(chat_answer)));
    }
    int ask_once_more() {
        const int status =
            ask(chat_request(R"({"model":"gpt-4o","max_tokens":12,"messages":[{"role":"user","content":"Hi"}]})"))
                .status();
        if (status != 200) return status;
        answered_ += 1;  // a client has its answer before its exchange is settled
        wait_until("the settlement", [&] {
            return loom().metric(R"(loom_ai_tokens_total{provider="mock",type="input"})") == 9.0 * answered_;
        });
        return status;
    }
    void wait_for_events(size_t count) {
        wait_until(fmt::format("{} events", count), [&] { return webhook_.request_count() >= count; });
    }
    /// Of what has come, the documents of this type.
    std::vector<std::string> told(const std::string& type) {
        std::vector<std::string> found;
        for (const Message& one : webhook_.requests())
            if (json_text(one.body, "type") == type) found.push_back(one.body);
        return found;
    }
    void forget_answers() { answered_ = 0; }
    Eventually dropped(const std::string& reason) {
        return loom().eventually(fmt::format(R"(loom_alerts_dropped_total{{reason="{}"}})", reason));
    }

  private:
    ScriptedUpstream webhook_;
    int answered_ = 0;
};

TEST_F(Alerts, ASharesDocument) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%, 90%");
    conf.set("alerts.webhook.header.X-Team-Key", "swordfish");
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    const Message event = webhook().request(0);
    EXPECT_EQ(event.head.start_line, "POST /hooks/T0PSECRET?team=ops HTTP/1.1");
    EXPECT_EQ(event.head.value("Content-Type"), "application/json");
    EXPECT_EQ(event.head.value("X-Team-Key"), "swordfish");
    EXPECT_EQ(event.head.count("webhook-signature"), 0u);
    const std::string id = json_text(event.body, "id");
    EXPECT_EQ(event.head.value("webhook-id"), id);
    EXPECT_TRUE(id.starts_with("evt_") && id.size() == 36) << id;
    EXPECT_EQ(json_text(event.body, "type"), "budget.share_reached");
    EXPECT_TRUE(contains(event.body, R"("data":{"scope":"consumer","consumer":"tester",)"
                                     R"("budget":"token_accounting.limit.tester.daily_limit","unit":"tokens",)"
                                     R"("period":"day","period_begin":")"))
        << event.body;
    EXPECT_TRUE(contains(event.body, R"(T00:00:00Z","share":20,"spent":21,"limit":100}})")) << event.body;
    EXPECT_EQ(json_text(event.body, "text"),
              "token_accounting.limit.tester.daily_limit: 20% of 100 tokens a day is reached (21 tokens)");
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
    EXPECT_EQ(loom().eventually("loom_alerts_failures_total"), 0);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 0);
}

TEST_F(Alerts, EachShareOnce_ThatARequestWasRefused_AndThatItIsSpentOnceItIs) {
    conf.set("token_accounting.limit.tester.daily_limit", "50").set("token_accounting.limit.tester.alert", "40%, 80%");
    begin();
    int refused = 0;
    for (int i = 0; i < 6; ++i) refused += ask_once_more() == 429;
    EXPECT_GT(refused, 2);
    wait_for_events(3);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 0);
    const auto refusals = told("budget.refused");
    EXPECT_EQ(told("budget.share_reached").size(), 2u);
    EXPECT_EQ(told("budget.spent").size(), 0u) << "42 of 50";
    ASSERT_EQ(refusals.size(), 1u);
    EXPECT_TRUE(contains(refusals[0], R"("spent":42,"limit":50)")) << refusals[0];
    EXPECT_FALSE(contains(refusals[0], R"("share")")) << refusals[0];
    conf.set("token_accounting.limit.tester.daily_limit", "42");
    loom().reload(conf.text());
    EXPECT_EQ(ask_once_more(), 429);
    EXPECT_EQ(ask_once_more(), 429);
    wait_for_events(5);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 0);
    EXPECT_EQ(told("budget.refused").size(), 2u) << "of another limit nothing was told";
    ASSERT_EQ(told("budget.spent").size(), 1u);
    EXPECT_TRUE(contains(told("budget.spent")[0], R"("spent":42,"limit":42)"));
    std::set<std::string> ids;
    for (const Message& one : webhook().requests()) ids.insert(json_text(one.body, "id"));
    EXPECT_EQ(ids.size(), 5u) << "each event has an id of its own";
}

TEST_F(Alerts, ARefusalIsNoShare_AndALimitThatIsRaisedTellsItsOwn) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
    begin();
    const std::string large = fmt::format(
        R"({{"model":"gpt-4o","max_tokens":12,"messages":[{{"role":"user","content":"{}"}}]}})", std::string(800, 'x'));
    EXPECT_EQ(ask(chat_request(large)).status(), 429);
    wait_for_events(1);
    EXPECT_TRUE(contains(told("budget.refused").at(0), R"("spent":0,"limit":100)"));
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(2);
    EXPECT_EQ(told("budget.share_reached").size(), 1u) << "though a request was refused before";
    conf.set("token_accounting.limit.tester.daily_limit", "200");
    loom().reload(conf.text());
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(3);
    EXPECT_TRUE(contains(told("budget.share_reached").at(1), R"("share":20,"spent":42,"limit":200)"));
    EXPECT_EQ(told("budget.spent").size(), 0u);
}

TEST_F(Alerts, ThatABudgetIsSpentIsToldWithoutShares_OfMoneyAsDecimals) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    conf.set("consumer.tester.team", "search").set("token_accounting.team.search.budget.monthly", "$0.129");
    begin();
    for (int i = 0; i < 4; ++i) (void)ask_once_more();
    wait_for_events(2);
    const std::string event = webhook().request(0).body;
    EXPECT_EQ(json_text(event, "type"), "budget.spent");
    EXPECT_TRUE(contains(event,
                         R"("scope":"team","team":"search","budget":"token_accounting.team.search.budget.monthly",)"
                         R"("unit":"money","period":"month")"))
        << event;
    EXPECT_TRUE(contains(event, R"("limit":"0.129"})")) << event;
    EXPECT_EQ(loom().eventually("loom_ai_budget_alerts_total"), 0) << "which counts shares of the conf";
    EXPECT_EQ(told("budget.refused").size(), 1u);
    EXPECT_EQ(webhook().request_count(), 2u);
}

/// Of whomever or whatever it is; what a tier allows is its consumer's own.
TEST_F(Alerts, BudgetsOfEveryScopeAreTold) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    conf.set("consumer.tester.tenant", "acme").set("consumer.tester.project", "x").set("consumer.tester.tier", "gold");
    const std::vector<std::pair<std::string, std::string>> scopes = {
        {"tier.gold", R"("scope":"consumer","consumer":"tester")"},
        {"project.x", R"("scope":"project","project":"acme/x")"},
        {"tenant.acme", R"("scope":"tenant","tenant":"acme")"},
        {"route.ai", R"("scope":"route","route":"ai")"},
        {"model.gpt-4o", R"("scope":"model","model":"gpt-4o")"}};
    for (const auto& [of, named] : scopes) conf.set(fmt::format("token_accounting.{}.budget.monthly", of), "$0.129");
    begin();
    for (int i = 0; i < 4; ++i) (void)ask_once_more();
    wait_for_events(scopes.size() + 1);
    const std::vector<std::string> spent = told("budget.spent");
    EXPECT_EQ(spent.size(), scopes.size());
    for (const auto& [of, named] : scopes) {
        const std::string part = fmt::format(R"({},"budget":"token_accounting.{}.budget.monthly")", named, of);
        EXPECT_TRUE(std::ranges::any_of(spent, [&](const std::string& one) { return contains(one, part); })) << part;
    }
    ASSERT_EQ(told("budget.refused").size(), 1u) << "by the first that it is under";
    EXPECT_TRUE(contains(told("budget.refused")[0], "token_accounting.tier.gold.budget.monthly"));
}

TEST_F(Alerts, SignedAsStandardWebhooksHasIt) {
    for (const std::string& written :
         {secret, "whsec_" + [] {
              std::string coded;
              base64_encode(std::span(reinterpret_cast<const uint8_t*>(secret.data()), secret.size()), coded);
              return coded;
          }()}) {
        conf.set("alerts.webhook.secret", written);
        conf.set("token_accounting.limit.tester.daily_limit", "100");
        conf.set("token_accounting.limit.tester.alert", "20%");
        begin();
        const size_t before = webhook().request_count();
        EXPECT_EQ(ask_once_more(), 200);
        wait_for_events(before + 1);
        const Message event = webhook().request(before);
        const std::string signed_text =
            fmt::format("{}.{}.{}", event.head.value("webhook-id"), event.head.value("webhook-timestamp"), event.body);
        std::string expected = "v1,";
        base64_encode(hmac_sha256(secret, signed_text), expected);
        EXPECT_EQ(event.head.value("webhook-signature"), expected);
        const int64_t now_s = unix_s();
        EXPECT_NEAR(static_cast<double>(std::stoll(std::string(event.head.value("webhook-timestamp")))),
                    static_cast<double>(now_s), 20);
        EXPECT_FALSE(contains(loom().log(), secret));
        WireTest::TearDown();
        forget_answers();
    }
}

TEST_F(Alerts, WhatIsNotTakenIsToldAgainWithTheSameId) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
    std::atomic<int> count = 0;
    webhook().set_script([&count](UpstreamConnection& connection) {
        while (connection.read_request()) {
            const int n = ++count;
            if (n == 1) return connection.reset();
            connection.send(n == 2 ? answer("no", "503 Service Unavailable") : answer("", "204 No Content"));
        }
    });
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(3);
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
    EXPECT_EQ(loom().eventually("loom_alerts_failures_total"), 2);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 0);
    EXPECT_EQ(webhook().request_count(), 3u);
    EXPECT_EQ(webhook().request(0).body, webhook().request(1).body);
    EXPECT_EQ(webhook().request(0).body, webhook().request(2).body);
    EXPECT_EQ(webhook().request(0).head.value("webhook-id"), webhook().request(2).head.value("webhook-id"));
    EXPECT_TRUE(contains(loom().log(), "alerts.webhook: 127.0.0.1: is answered with 503; 1 events wait"));
    EXPECT_FALSE(contains(loom().log(), "T0PSECRET")) << "the address may be a secret";
}

TEST_F(Alerts, WhatIsRefusedForGoodIsDroppedAndCounted_TheNextOneIsTold) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%, 40%");
    webhook().set_script(answer_with([](const Message& asked) {
        return contains(asked.body, R"("share":20)") ? answer("{}", "422 Unprocessable Entity") : answer("ok");
    }));
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(1);
    EXPECT_EQ(dropped("refused"), 1);
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(2);
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
}

TEST_F(Alerts, WhoeverIsAwayKeepsNoRequestWaiting_AndWhatIsTooOldIsDropped) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
    conf.set("alerts.webhook.retry_for", "0");
    webhook().stop_listening();
    begin();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_once_more(), 200);
    EXPECT_EQ(dropped("expired"), 1);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 0);
    EXPECT_EQ(loom().eventually("loom_alerts_failures_total"), 1);
}

TEST_F(Alerts, WhatWaitsIsBounded) {
    conf.set("alerts.webhook.queue", "1");
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
    conf.set("token_accounting.global.daily_limit", "100").set("token_accounting.global.alert", "20%");
    conf.set("consumer.tester.team", "t").set("token_accounting.team.t.daily_limit", "100");
    conf.set("token_accounting.team.t.alert", "20%");
    webhook().set_script(answer_always(answer("no", "500 Internal Server Error")));
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    EXPECT_EQ(dropped("full"), 2);
    EXPECT_EQ(loom().eventually("loom_alerts_waiting"), 1);
    webhook().set_script(answer_always(answer("ok")));
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
}

TEST_F(Alerts, AStopTellsWhatWaits) {
    conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    loom().signal(SIGTERM);  // before anybody has looked for events, most of the time
    EXPECT_EQ(loom().wait_for_exit().code, 0);
    EXPECT_EQ(webhook().request_count(), 1u);
}

TEST_F(Alerts, AReloadBringsAWebhookAndAnotherTakesItAway) {
    const std::string url = webhook().origin() + "/hook";
    conf.set("alerts.webhook.url", "").set("token_accounting.limit.tester.daily_limit", "100");
    conf.set("token_accounting.limit.tester.alert", "20%, 40%, 60%");
    begin();
    EXPECT_EQ(ask_once_more(), 200);
    conf.set("alerts.webhook.url", url);
    loom().reload(conf.text());
    EXPECT_EQ(loom().metric("loom_alerts_sent_total"), 0) << "what was before is not told";
    EXPECT_EQ(ask_once_more(), 200);
    wait_for_events(1);
    EXPECT_TRUE(contains(webhook().request(0).body, R"("share":40)"));
    EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
    conf.set("alerts.webhook.url", "");
    loom().reload(conf.text());
    EXPECT_EQ(ask_once_more(), 200);
    EXPECT_FALSE(loom().metrics().contains("loom_alerts_sent_total"));
    EXPECT_EQ(webhook().request_count(), 1u);
}

class AlertRests : public Alerts {
  protected:
    /// The first event is answered with this, the others are taken. Returns the time between the first two.
    milliseconds pause_after(const std::string& refusal) {
        auto asked = std::make_shared<std::atomic<int>>(0);
        webhook().set_script(answer_with(
            [asked, refusal](const Message&) { return asked->fetch_add(1) == 0 ? refusal : answer("ok"); }));
        conf.set("token_accounting.limit.tester.daily_limit", "100").set("token_accounting.limit.tester.alert", "20%");
        begin();
        EXPECT_EQ(ask_once_more(), 200);
        wait_for_events(1);
        const auto from = steady_clock::now();
        while_it_rests();
        wait_for_events(2);
        EXPECT_EQ(webhook().request(0).body, webhook().request(1).body) << "the same event, by the same id";
        EXPECT_EQ(loom().eventually("loom_alerts_sent_total"), 1);
        return duration_cast<milliseconds>(steady_clock::now() - from);
    }
    virtual void while_it_rests() {}
};

TEST_F(AlertRests, AsLongAsItAsksFor) {  // by itself it would be a second at most
    EXPECT_GE(pause_after(answer("", "429 Too Many Requests", "Retry-After: 3\r\n")), milliseconds(2'700));
}

TEST_F(AlertRests, UntilTheTimeThatItSays) {
    const auto at = fmt::gmtime(system_clock::to_time_t(system_clock::now() + seconds(6)));
    const std::string date = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", at);
    EXPECT_GE(pause_after(answer("", "503 Service Unavailable", "Retry-After: " + date + "\r\n")), milliseconds(1'500));
}

TEST_F(AlertRests, NoLongerForOtherAnswersNorForNonsense) {
    EXPECT_LT(pause_after(answer("", "500 Internal Server Error", "Retry-After: 600\r\n")), seconds(10));
}

TEST_F(AlertRests, NorForWhatIsNoTime) {
    EXPECT_LT(pause_after(answer("", "429 Too Many Requests", "Retry-After: soon\r\n")), seconds(10));
}

class AlertRestsOverAReload : public AlertRests {
    void while_it_rests() override {
        loom().reload(
            conf.set("consumer.other.models", "gpt-4o").set("consumer.other.api_key", "sk-other-0123456789").text());
    }
};

TEST_F(AlertRestsOverAReload, TheRestIsKept) {
    EXPECT_GE(pause_after(answer("", "429 Too Many Requests", "Retry-After: 4\r\n")), milliseconds(3'500));
}

}  // namespace
}  // namespace loom::wire
