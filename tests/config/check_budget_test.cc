// What keys of budgets must say, and how it is told where they could do nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <utility>

#include "check/check.h"
#include "fake_source.h"
#include "plan/budget.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = openai\n"
    "provider.a.api_key = k\nconsumer.app.api_key = 0123456789abcdef\nconsumer.app.team = dev\n"
    "state.directory = /state\ntoken_accounting.enabled = on\n";

std::string more(const std::string& text, const std::string& before = base) {
    auto loaded = config::load_text(before + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}

TEST(CheckBudget, Amounts) {
    EXPECT_EQ(*parse_budget("$5.00"), 5'000'000'000'000);
    EXPECT_EQ(*parse_budget("0.01"), 10'000'000'000);
    EXPECT_EQ(*parse_budget("$0"), 0);
    for (const char* const bad : {"", "$", "five", "-1", "$-1", "5 $", "1e3", "1,000", "$$1"})
        EXPECT_FALSE(parse_budget(bad)) << bad;
    EXPECT_TRUE(parse_budget("4500000"));
    EXPECT_EQ(parse_budget("4600000").error(), "is more than 4503599.627370495");
    EXPECT_EQ(parse_alert("80%"), 80);
    EXPECT_EQ(parse_alert("0.95"), 95);
    EXPECT_EQ(parse_alert("100%"), 100);
    for (const char* const bad : {"", "0%", "101%", "x", "-5%", "80 percent"}) EXPECT_EQ(parse_alert(bad), 0) << bad;
}

TEST(CheckBudget, WhatIsWrongIsToldWhereItStands) {
    EXPECT_EQ(more("token_accounting.limit.app.daily_limit = 100000\ntoken_accounting.limit.app.monthly_limit = "
                   "2000000\ntoken_accounting.limit.app.budget.daily = $5.00\ntoken_accounting.limit.app.alert = 80%, "
                   "95%\ntoken_accounting.team.dev.budget.monthly = 100\ntoken_accounting.global.weekly_limit = 5\n"),
              "");
    EXPECT_NE(more("token_accounting.limit.app.budget.daily = five\n")
                  .find("loom.conf:9:43: token_accounting.limit.app.budget.daily: 'five' "),
              std::string::npos);
    EXPECT_EQ(more("token_accounting.limit.app.daily_limit = 5\ntoken_accounting.limit.app.alert = 80%, 0%\n"),
              "loom.conf:10:36: token_accounting.limit.app.alert: '0%': a share from 1% to 100% is expected\n");
    EXPECT_EQ(more("token_accounting.limit.app.alert = 80%\n"),
              "loom.conf:9:36: warning: token_accounting.limit.app.alert: means nothing without a limit or a budget\n");
}

TEST(CheckBudget, OfEveryScope) {
    EXPECT_EQ(more("consumer.app.tier = gold\nconsumer.app.project = x\nconsumer.app.tenant = acme\n"
                   "token_accounting.tier.gold.daily_limit = 5\ntoken_accounting.tier.gold.alert = 80%\n"
                   "token_accounting.project.x.weekly_limit = 5\ntoken_accounting.tenant.acme.monthly_limit = 5\n"
                   "token_accounting.route.ai.budget.daily = $5\n"
                   "token_accounting.model.meta-llama/Llama-3.1:8b.budget.monthly = $5\n"
                   "token_accounting.model.gpt-4.1.daily_limit = 5\n"),
              "");
    EXPECT_NE(more("token_accounting.model.gpt-4.1.budget.daily = five\n")
                  .find("token_accounting.model.gpt-4.1.budget.daily: 'five' "),
              std::string::npos);
    EXPECT_NE(more("consumer.app.tier = gold\njwt.corp.secret = 0123456789abcdef0123456789abcdef\n"
                   "token_accounting.tier.gold.daily_limit = 5\n")
                  .find("a consumer whom only a token names, or whose tier only a token tells, has none of it"),
              std::string::npos);
}

TEST(CheckBudget, WhatCanDoNothingIsTold) {
    EXPECT_NE(more("route.plain.path = /p/*\nroute.plain.ai_gateway = off\nroute.plain.upstream = http://127.0.0.1:1\n"
                   "token_accounting.route.plain.daily_limit = 5\n")
                  .find("token_accounting.route.plain: counts nothing: route.plain.ai_gateway is off"),
              std::string::npos);
    EXPECT_NE(more("token_accounting.model.a/m.daily_limit = 5\n").find("limits nobody: who asks for it asks for 'm'"),
              std::string::npos);
    EXPECT_NE(more("token_accounting.limit.nobody.daily_limit = 5\n").find("there is no such consumer"),
              std::string::npos);
    EXPECT_NE(more("token_accounting.team.nobody.daily_limit = 5\n").find("no consumer is in this team"),
              std::string::npos);
    for (const auto& [scope, remedy] : {std::pair{"tier", "no consumer is in this tier; set consumer.NAME.tier = n"},
                                        {"project", "no consumer is in this project; set consumer.NAME.project = n"},
                                        {"tenant", "no consumer is of this tenant; set consumer.NAME.tenant = n"},
                                        {"route", "there is no such route; add route.n.path = "}}) {
        const std::string key = fmt::format("token_accounting.{}.n", scope);
        const std::string told = more(key + ".budget.daily = 5\n");
        EXPECT_NE(told.find(fmt::format("warning: {}: limits nobody: {}", key, remedy)), std::string::npos) << told;
    }
    EXPECT_EQ(more("token_accounting.tier.n.daily_limit = 5\ntoken_accounting.project.n.daily_limit = 5\n"
                   "token_accounting.tenant.n.daily_limit = 5\nauth.issued_keys = on\n"),
              "")
        << "who is made while Loom runs may be in any";
    EXPECT_EQ(more("token_accounting.limit.app.daily_limit = 5\ntoken_accounting.limit.app.weekly_limit = 5\n"),
              "loom.conf:9:42: warning: token_accounting.limit.app.daily_limit: is never felt: weekly_limit is no "
              "more\n");
    const std::string off = base.substr(0, base.rfind("on")) + "off\n";
    EXPECT_EQ(more("token_accounting.limit.app.daily_limit = 5\n", off),
              "loom.conf:8:28: warning: token_accounting.enabled: is off: no limit or budget of token_accounting "
              "counts\n");
}

}  // namespace
}  // namespace loom::app
