// Which teams a plan has: those that somebody is in, or may be by what a token tells, each once.
#include <map>
#include <set>

#include "loom/base/limit_scope.h"
#include "plan/owners.h"
#include "plan_of.h"

namespace loom::app {
namespace {

using Keys = std::vector<std::string>;

/// An issuer whose tokens the route takes.
std::string issuer(const std::string& name, const std::string& team_claim, const std::string& more = "") {
    const std::string of = "jwt." + name + ".";
    std::string text = of + "issuer = https://" + name + ".example\n" + of + "audience = loom\n" + of +
                       "algorithms = HS256\n" + of + "secret = 0123456789abcdef0123456789abcdef\n" + more;
    if (!team_claim.empty()) text += of + "team_claim = " + team_claim + "\n";
    return text + "route.ai.auth.type = api_key, jwt\nroute.ai.auth.jwt = " + name + "\n";
}
const std::string of_acme = "consumer.c.tenant = acme\n";
const std::string limited =
    "rate_limit.team.dev.request_rate = 5\ntoken_accounting.enabled = on\n"
    "token_accounting.team.dev.daily_limit = 100\n";

Keys slots_of(const proxy::Plan& plan) {
    std::set<std::string> keys;
    for (const auto& [key, slot] : plan.team_slots) keys.insert(key);
    return {keys.begin(), keys.end()};
}
/// How often each team's limit is there.
std::map<std::string, int> limits_of(const proxy::Plan& plan) {
    std::map<std::string, int> counts;
    for (const tenant::Limit& limit : plan.rate_limits->limits)
        if (limit.scope == LimitScope::team) counts[limit.name] += 1;
    return counts;
}

/// The counters of a tenant's team that only tokens tell of are its own, and not those of "other".
TEST(TeamPlan, TeamsOfTokensHaveTheirCountersAndTheirLimits) {
    const auto plan = plan_of(of_acme + limited + issuer("corp", "team"));
    EXPECT_EQ(slots_of(*plan), Keys{"acme/dev"});
    EXPECT_NE(plan->team_slot("acme/dev"), OwnerSlots::other);
    EXPECT_EQ(limits_of(*plan), (std::map<std::string, int>{{"acme/dev", 1}}));
    ASSERT_TRUE(plan->rate_limits->told_teams.contains("acme/dev"));
    EXPECT_NE(plan->rate_limits->told_teams.at("acme/dev").limit, nullptr);
    EXPECT_NE(plan->rate_limits->told_teams.at("acme/dev").budget, nullptr);
}

/// An issuer alone makes nobody a member.
TEST(TeamPlan, WithoutATeamClaimNobodyIsInATeamByAToken) {
    const auto plan = plan_of(of_acme + limited + issuer("corp", ""));
    EXPECT_EQ(slots_of(*plan), Keys{});
    EXPECT_EQ(plan->rate_limits, nullptr) << "nobody is under any";
    const auto strangers = plan_of(of_acme + limited + issuer("corp", "", "jwt.corp.unknown_consumers = allow\n"));
    EXPECT_EQ(slots_of(*strangers), Keys{});
}

/// Nor does one that may not name the consumer: it is known by its key alone.
TEST(TeamPlan, OnlyOfConsumersThatTheIssuerMayName) {
    const std::string strangers = issuer("corp", "team", "jwt.corp.unknown_consumers = allow\n");
    EXPECT_EQ(slots_of(*plan_of(of_acme + limited + strangers)), Keys{"dev"}) << "strangers are of no tenant";
    EXPECT_EQ(slots_of(*plan_of(of_acme + limited + strangers + "consumer.c.jwt = corp\n")), (Keys{"acme/dev", "dev"}));
    // Another issuer may name it, and tells of no team.
    const std::string second =
        "jwt.two.issuer = https://two.example\njwt.two.secret = 0123456789abcdef0123456789abcdef\n"
        "jwt.two.audience = loom\njwt.two.algorithms = HS256\n";
    EXPECT_EQ(slots_of(*plan_of(of_acme + limited + issuer("corp", "team") + second + "consumer.c.jwt = two\n")),
              Keys{});
    EXPECT_EQ(slots_of(*plan_of(of_acme + limited + issuer("corp", "team") + second + "consumer.c.jwt = corp\n")),
              Keys{"acme/dev"});
    // Who has a team stays in it, whatever a token says.
    EXPECT_EQ(slots_of(*plan_of(of_acme + limited + issuer("corp", "team") + "consumer.c.team = ops\n")),
              Keys{"acme/ops"});
}

/// Its members of the conf and those that tokens tell of are under one limit and one budget, which is leased once.
TEST(TeamPlan, ATeamsLimitIsMadeOnce) {
    tenant::LimitTable table;
    table.share();
    const auto plan =
        plan_of(limited + "consumer.c.team = dev\nconsumer.d.models = m\n" + issuer("corp", "team"), &table);
    EXPECT_EQ(limits_of(*plan), (std::map<std::string, int>{{"dev", 1}}));
    const proxy::RateLimitPlan& limits = *plan->rate_limits;
    EXPECT_EQ(limits.told_teams.at("dev").limit, limits.teams[plan->consumers.named("c")->index]);
    EXPECT_EQ(limits.told_teams.at("dev").budget,
              limits.budgets_of[plan->consumers.named("c")->index][proxy::RateLimitPlan::BudgetPlace::team]);
    std::multiset<std::string> keys;
    for (const tenant::SharedLimit& one : limits.shared) keys.insert(one.key);
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
    EXPECT_EQ(keys.count("rate:team:dev:requests:60000"), 1u);
}

/// What a token's bearer is under is found when the token is verified.
TEST(TeamPlan, WhatABearerIsUnder) {
    const auto plan =
        plan_of(limited + "token_accounting.limit.bob.daily_limit = 7\nrate_limit.tier.gold.request_rate = 3\n" +
                issuer("corp", "team", "jwt.corp.unknown_consumers = allow\njwt.corp.tier_claim = tier\n") +
                "consumer.c.jwt = corp\nrate_limit.consumer.e.request_rate = 9\nconsumer.e.jwt = corp\n");
    const proxy::RateLimitPlan& limits = *plan->rate_limits;
    const auto under = [&](const std::string& name, const std::string& tier, const std::string& team) {
        const tenant::Consumer* const listed = plan->consumers.named(name);
        tenant::Consumer bearer;
        if (listed != nullptr) bearer = *listed;
        bearer.name = name;
        if (listed == nullptr) bearer.index = tenant::Consumer::unlisted;
        bearer.tier = tier;
        bearer.team = bearer.team_key = team;
        return limits.of_bearer(bearer, listed);
    };
    const auto gold = [&](const tenant::BearerTerms& terms) { return terms.own == limits.bearers.tiers.at("gold"); };
    tenant::BearerTerms terms = under("bob", "gold", "dev");
    EXPECT_TRUE(gold(terms));
    ASSERT_NE(terms.own_budget, nullptr);
    EXPECT_EQ(terms.own_budget->name, "bob");
    EXPECT_EQ(terms.team, limits.told_teams.at("dev").limit);
    EXPECT_EQ(terms.team_budget, limits.told_teams.at("dev").budget);
    terms = under("eve", "none", "");
    EXPECT_EQ(terms.own, nullptr);
    EXPECT_EQ(terms.own_budget, nullptr);
    EXPECT_EQ(terms.team, nullptr);
    EXPECT_TRUE(gold(under("c", "gold", "dev"))) << "the conf says no tier of it";
    EXPECT_EQ(under("c", "none", "dev").own, nullptr) << "as the conf says";
    EXPECT_EQ(under("e", "gold", "dev").own, nullptr) << "its own limit goes before";
}

}  // namespace
}  // namespace loom::app
