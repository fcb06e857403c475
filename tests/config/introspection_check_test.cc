// Issuers that are asked about tokens: what is missing, what cannot be meant so, and what they are asked with.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"
#include "plan/identity.h"
#include "plan/introspection.h"

namespace loom::app {
namespace {

const std::string basis =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
    "provider.demo.models = small\n";
const std::string corp =
    "introspection.corp.url = https://id.example/introspect\nintrospection.corp.client_id = loom\n"
    "introspection.corp.client_secret = secret\n";
const std::string takes = "route.ai.auth.type = introspection\nroute.ai.auth.introspection = corp\n";

std::string said(const std::string& text) {
    auto loaded = config::load_text(basis + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}
void expect_said(const std::string& text, const std::string& part) {
    EXPECT_NE(said(text).find(part), std::string::npos) << said(text) << " not " << part;
}

TEST(CheckIntrospection, AnIssuerAndARouteAreEnough) {
    EXPECT_EQ(said(corp + takes), "");
    EXPECT_EQ(said(corp + takes + "consumer.alice.models = small\n"), "") << "she comes with a token, and needs no key";
    EXPECT_EQ(said(corp + "route.ai.auth.type = api_key, jwt, introspection\nroute.ai.auth.introspection = corp\n"
                          "route.ai.auth.jwt = id\njwt.id.issuer = https://id.example\n"),
              "");
}

TEST(CheckIntrospection, WhatIsMissing) {
    expect_said(takes + "introspection.corp.client_id = a\nintrospection.corp.client_secret = b\n",
                "introspection.corp.url: is missing");
    expect_said(takes + "introspection.corp.url = https://id.example/i\nintrospection.corp.client_secret = b\n",
                "introspection.corp.client_id: is missing");
    expect_said(takes + "introspection.corp.url = https://id.example/i\nintrospection.corp.client_id = b\n",
                "introspection.corp.client_secret: is missing");
    expect_said(corp + "route.ai.auth.type = introspection\n", "route.ai.auth.introspection: is missing");
    expect_said(corp + "route.ai.auth.type = introspection\nroute.ai.auth.introspection = other\n",
                "no introspection.other.url is defined");
    expect_said(corp, "route.ai.auth.type: is missing");
    expect_said(corp + "consumer.a.api_key = k\n", "introspection.corp: no route asks it");
}

TEST(CheckIntrospection, WhatCannotBeMeantSo) {
    expect_said(corp + "route.ai.auth.type = none\nroute.ai.auth.introspection = corp\n", "has no effect without");
    expect_said(corp + takes + "introspection.corp.auth = bearer\n", "client_id: means nothing with auth = bearer");
    expect_said(corp + takes + "introspection.corp.consumer_claim = a..b\n", "introspection.corp.consumer_claim");
    expect_said(corp + takes + "introspection.corp.consumer_claim =\n", "introspection.corp.consumer_claim: is empty");
    expect_said(corp + takes + "jwt.corp.issuer = https://id.example\n", "jwt.corp has this name too");
    expect_said(corp + takes + "introspection.corp.timeout = 1m\n", "introspection.corp.timeout");
    expect_said(
        "introspection.corp.url = http://id.example/i\nintrospection.corp.client_id = a\n"
        "introspection.corp.client_secret = b\n" +
            takes,
        "reads tokens and Loom's password");
    expect_said(
        "introspection.corp.url = id.example\nintrospection.corp.client_id = a\n"
        "introspection.corp.client_secret = b\n" +
            takes,
        "introspection.corp.url");
    expect_said(corp + takes + "introspection.corp.unknown_consumers = allow\nconsumer.a.models = small\n",
                "consumer.a.jwt: is missing");
    EXPECT_EQ(said(corp + takes +
                   "introspection.corp.unknown_consumers = allow\nconsumer.a.models = small\nconsumer.a.jwt = corp\n"),
              "");
}

TEST(CheckIntrospection, ClaimsAreOfItsAnswersToo) {
    const std::string rule = "access.rule.a.when = claim.dept == \"x\"\naccess.rule.a.action = deny\n";
    EXPECT_EQ(said(corp + takes + rule), "");
    expect_said("consumer.a.api_key = k\n" + rule, "define jwt.NAME.issuer or introspection.NAME.url");
}

/// Whoever lets consumers be made means to ask who comes, and limits those who may come.
TEST(CheckMadeConsumers, ARouteIsNotOpenWhereConsumersMayBeMade) {
    const std::string makes = "auth.issued_keys = on\nstate.directory = /tmp\n";
    EXPECT_EQ(said(makes), "");
    const auto loaded = config::load_text(basis + makes);
    EXPECT_FALSE(route_auth(*loaded.config, "ai").none);
    EXPECT_TRUE(route_auth(*loaded.config, "ai").keys);
    EXPECT_TRUE(route_auth(*config::load_text(basis).config, "ai").none);
    EXPECT_EQ(said(makes + "rate_limit.tier.gold.request_rate = 5\naccess.rule.a.when = tier == \"gold\"\n"
                           "access.rule.a.action = deny\nconsumer.a.tier = free\n"),
              "");
    expect_said("consumer.a.api_key = k\nrate_limit.tier.gold.request_rate = 5\n", "limits nobody");
}

/// RFC 6749, 2.3.1: each part is encoded as a form's, then both are Basic's.
TEST(IntrospectionPlan, SaysWhoAsks) {
    const auto plan = [](const std::string& more) {
        auto loaded =
            config::load_text(basis + "introspection.corp.url = https://id.example:8443/i?x=1\n" + more + takes);
        EXPECT_NE(loaded.config, nullptr) << config::all_of(loaded.diagnostics);
        auto made = introspection_plan(*loaded.config, "corp");
        EXPECT_TRUE(made) << made.error();
        return std::move(*made);
    };
    const std::string who = "introspection.corp.client_id = a b\nintrospection.corp.client_secret = c:d\n";
    const auto basic = plan(who);
    EXPECT_EQ(basic.lines->view(),
              "content-type: application/x-www-form-urlencoded\r\nauthorization: Basic YSUyMGI6YyUzQWQ=\r\n");
    EXPECT_EQ(basic.form->view(), "");
    EXPECT_EQ(basic.target, "/i?x=1");
    EXPECT_EQ(basic.client.authority, "id.example:8443");
    EXPECT_TRUE(basic.client.endpoint.tls);
    EXPECT_EQ(basic.cache_s, 60u);
    const auto post = plan(who + "introspection.corp.auth = post\nintrospection.corp.cache = 0\n");
    EXPECT_EQ(post.lines->view(), "content-type: application/x-www-form-urlencoded\r\n");
    EXPECT_EQ(post.form->view(), "&client_id=a%20b&client_secret=c%3Ad");
    EXPECT_EQ(post.cache_s, 0u);
    const auto bearer = plan("introspection.corp.client_secret = tok\nintrospection.corp.auth = bearer\n");
    EXPECT_EQ(bearer.lines->view(), "content-type: application/x-www-form-urlencoded\r\nauthorization: Bearer tok\r\n");
    EXPECT_EQ(basic.source, plan(who).source) << "the same as long as the same is asked";
}

}  // namespace
}  // namespace loom::app
