// What keys of events that are told must say; and what is told, to the letter.
#include <gtest/gtest.h>

#include "alert_document.h"
#include "alert_webhook.h"
#include "check/check.h"
#include "fake_source.h"
#include "plan/alerts.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = openai\n"
    "provider.a.api_key = k\nconsumer.app.api_key = 0123456789abcdef\nstate.directory = /state\n"
    "token_accounting.enabled = on\ntoken_accounting.limit.app.daily_limit = 5\n";

std::string more(const std::string& text, const std::string& before = base) {
    auto loaded = config::load_text(before + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}

TEST(CheckAlerts, WhatIsWrongIsToldWhereItStands) {
    EXPECT_EQ(more("alerts.webhook.url = https://hooks.example/x?y=z\nalerts.webhook.secret = "
                   "0123456789abcdef01234567\nalerts.webhook.header.X-Key = v\n"),
              "");
    EXPECT_EQ(more("alerts.webhook.url = http://127.0.0.1:9/x\n"), "");
    const auto expect = [](const std::string& text, const std::string& part) {
        const std::string told = more(text);
        EXPECT_NE(told.find(part), std::string::npos) << told;
    };
    expect("alerts.webhook.url = hooks.example/x\n", "alerts.webhook.url: a URL must start with");
    expect("alerts.webhook.url = http://hooks.example/x\n", "whoever is on the way reads");
    expect("alerts.webhook.url =\n", "alerts.webhook.url: is empty");
    expect("alerts.webhook.timeout = 3s\n", "means nothing without alerts.webhook.url");
    expect("alerts.webhook.url = https://h.example\nalerts.webhook.secret = short\n", "fewer than 24 bytes");
    expect("alerts.webhook.url = https://h.example\nalerts.webhook.secret = whsec_%%%\n", "is no Base64");
    expect("alerts.webhook.url = https://h.example\nalerts.webhook.header.Webhook-Id = x\n", "Loom's own to write");
    expect("alerts.webhook.url = https://h.example\nalerts.webhook.queue = 0\n", "alerts.webhook.queue");
    EXPECT_NE(more("alerts.webhook.url = https://h.example\ntoken_accounting.limit.app.daily_limit = 5\n",
                   base.substr(0, base.find("token_accounting.enabled")))
                  .find("nothing is told"),
              std::string::npos);
}

TEST(CheckAnomalies, WhatIsWrongIsToldWhereItStands) {
    const std::string on = "alerts.anomaly.enabled = on\n";
    EXPECT_EQ(more(on), "");
    EXPECT_EQ(more(on + "alerts.anomaly.kinds = spend, hours\nalerts.anomaly.floor.money = $2.50\n"), "");
    EXPECT_EQ(more("alerts.webhook.url = https://h.example\n" + on, base.substr(0, base.find("token_accounting."))),
              "");
    const auto expect = [](const std::string& text, const std::string& part) {
        const std::string told = more(text);
        EXPECT_NE(told.find(part), std::string::npos) << told;
    };
    expect("alerts.anomaly.window = 5m\n", "means nothing without alerts.anomaly.enabled = on");
    expect(on + "alerts.anomaly.floor.money = much\n", "an amount such as $5.00 is expected");
    expect(on + "alerts.anomaly.window = 1h\nalerts.anomaly.learning = 3h\n", "is shorter than four windows");
    expect(on + "alerts.anomaly.kinds = spend, weather\n", "alerts.anomaly.kinds");
    expect(on + "alerts.anomaly.factor = 1\n", "alerts.anomaly.factor");
    expect(on + "alerts.anomaly.window = 2h\n", "alerts.anomaly.window");
    EXPECT_NE(more(on, base.substr(0, base.find("state.directory"))).find("is lost at a restart"), std::string::npos);
}

tenant::Alert an_alert() {
    tenant::Alert alert;
    alert.type = tenant::AlertType::budget_share;
    alert.unix_s = 1'767'268'799;  // 2026-01-01T11:59:59Z
    alert.scope = LimitScope::team;
    alert.name = std::string_view("a \"b\"");
    alert.budget = std::string_view("token_accounting.team.b.budget.weekly");
    alert.unit = tenant::BudgetUnit::money;
    alert.period = tenant::BudgetPeriod::week;
    alert.share = 80;
    alert.spent = 4'000'000'000;
    alert.limit = 5'000'000'000;
    return alert;
}

TEST(AlertDocument, ToTheLetter) {
    const std::string expected =
        R"({"id":"evt_1","type":"budget.share_reached","timestamp":"2026-01-01T11:59:59Z",)"
        R"x("text":"token_accounting.team.b.budget.weekly: 80% of 5 a week is reached (4)",)x"
        R"("data":{"scope":"team","team":"a \"b\"","budget":"token_accounting.team.b.budget.weekly",)"
        R"("unit":"money","period":"week","period_begin":"2025-12-29T00:00:00Z",)"
        R"("period_end":"2026-01-05T00:00:00Z","share":80,"spent":"4","limit":"5"}})";
    EXPECT_EQ(alert_document(an_alert(), "evt_1"), expected);
}

/// Whoever hears of it twice knows that it is one; and of another that it is another.
TEST(AlertDocument, AnIdIsThatOfTheEventAndNotOfItsTelling) {
    const tenant::Alert alert = an_alert();
    tenant::Alert same = alert;
    same.unix_s += 3'600;
    same.spent += 17;
    EXPECT_EQ(alert_id(same), alert_id(alert));
    const auto differs = [&alert](auto&& change) {
        tenant::Alert other = alert;
        change(other);
        EXPECT_NE(alert_id(other), alert_id(alert));
    };
    differs([](auto& a) { a.unix_s += 7 * 86'400; });
    differs([](auto& a) { a.share = 95; });
    differs([](auto& a) { a.limit += 1; });
    differs([](auto& a) { a.type = tenant::AlertType::budget_spent; });
    differs([](auto& a) { a.type = tenant::AlertType::budget_refused; });
    differs([](auto& a) { a.budget = std::string_view("token_accounting.team.c.budget.weekly"); });
    EXPECT_EQ(alert_id(alert).find('.'), std::string::npos) << "it is signed between points";
}

tenant::Alert a_change(tenant::AlertType type) {
    tenant::Alert alert;
    alert.type = type;
    alert.unix_s = 1'767'268'799;  // 2026-01-01T11:59:59Z
    alert.name = std::string_view("app");
    alert.anomaly = {.subject = {}, .value = 34, .usual = 21, .requests = 120, .window_s = 3'600, .repeat_s = 86'400};
    return alert;
}

TEST(AlertDocument, ChangesToTheLetter) {
    using enum tenant::AlertType;
    const auto expect = [](const tenant::Alert& alert, const std::string& type, const std::string& text,
                           const std::string& data) {
        EXPECT_EQ(alert_document(alert, "e"), R"({"id":"e","type":")" + type +
                                                  R"(","timestamp":"2026-01-01T11:59:59Z","text":")" + text +
                                                  R"(","data":{)" + data + "}}");
    };
    tenant::Alert spend = a_change(spend_anomaly);
    expect(
        spend, "anomaly.spend", "consumer app: 34 tokens in 1h, where 21 at most is usual (120 requests)",
        R"("scope":"consumer","consumer":"app","unit":"tokens","spent":34,"usual":21,"requests":120,"window_s":3600)");
    spend.unit = tenant::BudgetUnit::money;
    spend.scope = LimitScope::global;
    spend.name = std::string_view();
    spend.anomaly.value = 12'500'000'000;
    spend.anomaly.usual = 1'000'000'000;
    spend.anomaly.window_s = 90;
    expect(spend, "anomaly.spend", "all together: 12.5 in 90s, where 1 at most is usual (120 requests)",
           R"("scope":"global","unit":"money","spent":"12.5","usual":"1","requests":120,"window_s":90)");
    expect(a_change(client_errors_anomaly), "anomaly.client_errors",
           "consumer app: 34 of 120 requests in 1h failed by the client's fault (4xx), where 2.1% is usual",
           R"("scope":"consumer","consumer":"app","errors":34,"share":0.283,"usual_share":0.021,"requests":120,)"
           R"("window_s":3600)");
    tenant::Alert address = a_change(new_address);
    address.anomaly.subject = std::string_view("203.0.113.0/24");
    expect(address, "anomaly.new_address", "consumer app: a request from 203.0.113.0/24, from where it never came",
           R"("scope":"consumer","consumer":"app","network":"203.0.113.0/24")");
    tenant::Alert model = a_change(new_model);
    model.anomaly.subject = std::string_view("a\n\"b");
    expect(model, "anomaly.new_model", R"(consumer app: a request for \"a\\n\\\"b\", which it never used)",
           R"("scope":"consumer","consumer":"app","model":"a\n\"b")");
    expect(a_change(unusual_hours), "anomaly.unusual_hours",
           "consumer app: 120 requests in 1h at 11:00 UTC, when it never works",
           R"("scope":"consumer","consumer":"app","hour":11,"requests":120,"window_s":3600)");
}

TEST(AlertDocument, AChangesIdIsThatOfItsDayAndSubject) {
    const tenant::Alert alert = a_change(tenant::AlertType::new_address);
    tenant::Alert same = alert;
    same.unix_s += 60;
    same.unix_s -= same.unix_s % 3'600;
    same.anomaly.requests += 7;
    EXPECT_EQ(alert_id(same), alert_id(alert));
    const auto differs = [&alert](auto&& change) {
        tenant::Alert other = alert;
        change(other);
        EXPECT_NE(alert_id(other), alert_id(alert));
    };
    differs([](auto& a) { a.unix_s += 86'400; });
    differs([](auto& a) { a.name = std::string_view("other"); });
    differs([](auto& a) { a.scope = LimitScope::global; });
    differs([](auto& a) { a.type = tenant::AlertType::new_model; });
    differs([](auto& a) { a.anomaly.subject = std::string_view("192.0.2.0/24"); });
}

TEST(AlertDocument, SignaturesAreThoseOfTheSpecification) {
    // By the libraries of Standard Webhooks: secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.
    const auto key = parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    ASSERT_TRUE(key);
    EXPECT_EQ(key->view().size(), 24u);
    EXPECT_EQ(webhook_signature(key->view(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330, R"({"test": 2432232314})"),
              "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(AlertRing, BoundedAndInOrder) {
    tenant::AlertRing ring;
    tenant::Alert alert;
    EXPECT_FALSE(ring.take(alert));
    for (int round = 0; round < 3; ++round) {
        for (uint32_t i = 0; i < tenant::AlertRing::size; ++i) {
            alert.spent = i;
            EXPECT_TRUE(ring.put(alert));
        }
        EXPECT_FALSE(ring.put(alert));
        for (uint32_t i = 0; i < tenant::AlertRing::size; ++i) {
            ASSERT_TRUE(ring.take(alert));
            EXPECT_EQ(alert.spent, i);
        }
        EXPECT_FALSE(ring.take(alert));
    }
}

}  // namespace
}  // namespace loom::app
