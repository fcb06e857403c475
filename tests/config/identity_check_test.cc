// Issuers, routes that take tokens, addresses and times that cannot be meant so, or that do not do what one might
// think.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"
#include "plan/identity.h"

namespace loom::app {
namespace {

/// Behind five lines that a configuration needs.
std::string more(const std::string& text) {
    auto loaded = config::load_text(
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
        "provider.demo.models = small\njwt.corp.issuer = https://id.example\n" +
        text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}
const std::string takes = "route.ai.auth.type = jwt\nroute.ai.auth.jwt = corp\n";

TEST(CheckIdentity, AnIssuerAndARouteAreEnough) {
    EXPECT_EQ(more(takes), "");
    EXPECT_EQ(more(takes + "consumer.alice.models = small\n"), "") << "she comes with a token, and needs no key";
    EXPECT_EQ(more("route.ai.auth.type = api_key, jwt\nroute.ai.auth.jwt = corp\n"), "");
}

/// Nobody comes to be in a team, or in a tier, by an issuer that tells of none.
TEST(CheckIdentity, LimitsOfTeamsAndTiersThatOnlyTokensTell) {
    for (const auto& [kind, limit] : {std::pair{"team", "rate_limit.team.dev.request_rate = 5"},
                                      {"tier", "rate_limit.tier.dev.request_rate = 5"},
                                      {"team",
                                       "token_accounting.enabled = on\ntoken_accounting.store.type = "
                                       "memory\ntoken_accounting.team.dev.daily_limit = 5"}}) {
        const std::string keys = takes + "consumer.alice.models = small\n" + limit + "\n";
        const std::string told = more(keys);
        EXPECT_NE(told.find(std::string("limits nobody: no consumer is in this ") + kind), std::string::npos) << told;
        EXPECT_EQ(more(keys + "jwt.corp." + kind + "_claim = it\n"), "") << limit;
    }
}

TEST(CheckIdentity, AnIssuerThatNobodyTakes) {
    EXPECT_EQ(more("consumer.a.api_key = k\n"),
              "loom.conf:5:1: warning: jwt.corp: no route takes its tokens; set route.NAME.auth.type = jwt and "
              "route.NAME.auth.jwt = corp\n");
}

/// Whoever defines an issuer means to let its users in, and nobody else.
TEST(CheckIdentity, ARouteThatSaysNothingBesideAnIssuerIsNotOpen) {
    const std::string said = more("");
    EXPECT_NE(said.find("route.ai.auth.type: is missing: with jwt.corp the route takes no request until it says whose: "
                        "route.ai.auth.type = jwt and route.ai.auth.jwt = corp, or route.ai.auth.type = none"),
              std::string::npos)
        << said;
    const auto loaded = config::load_text("route.ai.path = /v1/*\njwt.corp.issuer = https://id.example\n");
    EXPECT_FALSE(route_auth(*loaded.partial, "ai").none);
    EXPECT_EQ(more("route.ai.auth.type = none\n").find("is missing"), std::string::npos);
}

TEST(CheckIdentity, WhoseTokensMayNameAConsumer) {
    const std::string second =
        "jwt.two.issuer = https://two.example\nroute.ai.auth.type = jwt\n"
        "route.ai.auth.jwt = corp, two\n";
    const std::string unnamed = more(second + "consumer.a.models = small\n");
    EXPECT_NE(unnamed.find("consumer.a.jwt: is missing: whose tokens may name it"), std::string::npos) << unnamed;
    EXPECT_EQ(more(second + "consumer.a.jwt = two\n"), "");
    EXPECT_EQ(more(second + "consumer.a.api_key = k\n"), "") << "it may come with its key alone";
    EXPECT_NE(more(takes + "jwt.corp.unknown_consumers = allow\nconsumer.a.models = small\n").find("consumer.a.jwt"),
              std::string::npos);
    EXPECT_NE(more(takes + "consumer.a.jwt = three\n").find("no jwt.three.issuer is defined"), std::string::npos);
    EXPECT_NE(more(takes + "consumer.a.jwt =\n").find("consumer.a.jwt: is empty"), std::string::npos);
}

TEST(CheckIdentity, AListThatIsEmptyIsNotEverybody) {
    for (const char* const key : {"access.allow_ips", "route.ai.allow_ips", "consumer.a.allow_ips"})
        EXPECT_NE(more(takes + key + " =\n").find(std::string(key) + ": is empty: that would let everybody in"),
                  std::string::npos)
            << key;
}

TEST(CheckIdentity, WhatAClientLikesLetsNobodyIn) {
    const auto rule = [](const std::string& when, const std::string& action) {
        return more(takes + "access.rule.a.when = " + when + "\naccess.rule.a.action = " + action + "\n");
    };
    for (const char* const when : {R"(query["k"] == "x")", R"(user == "alice")"}) {
        EXPECT_NE(rule(when, "allow").find("say what the client likes"), std::string::npos) << rule(when, "allow");
        EXPECT_EQ(rule(when, "deny"), "");
    }
}

TEST(CheckIdentity, KeysOverAWireThatOthersMayTouch) {
    EXPECT_EQ(more(takes + "jwt.corp.jwks = http://keys.example/keys\n"),
              "loom.conf:8:17: warning: jwt.corp.jwks: whoever is on the way may put keys of their own in place of "
              "these, and be anybody; use https://\n");
    EXPECT_EQ(more(takes + "jwt.corp.jwks = http://127.0.0.1:8000/keys\n"), "");
    EXPECT_EQ(more(takes + "jwt.corp.jwks = https://keys.example/keys?p=1\n"), "");
    EXPECT_NE(more(takes + "jwt.corp.jwks = https://keys.example/keys#x\n"), "");
    EXPECT_NE(more(takes + "jwt.corp.jwks = https://keys.example/keys?a#x\n"), "");
}

TEST(CheckIdentity, SecretsAndAlgorithmsGoTogether) {
    const std::string secret = "jwt.corp.secret = 0123456789abcdef0123456789abcdef\n";
    EXPECT_EQ(more(takes + secret), "");
    EXPECT_EQ(more(takes + secret + "jwt.corp.algorithms = HS256, HS512\n"), "");
    EXPECT_NE(more(takes + secret + "jwt.corp.algorithms = RS256\n").find("is verified by public keys"),
              std::string::npos);
    EXPECT_NE(more(takes + "jwt.corp.algorithms = ES256, HS256\n").find("is verified by a secret"), std::string::npos);
    const std::string weak = more(takes + "jwt.corp.secret = tooshort\n");
    EXPECT_NE(weak.find("has fewer than 32 bytes"), std::string::npos);
    EXPECT_EQ(weak.find("tooshort"), std::string::npos);
}

TEST(CheckIdentity, ARouteThatIsOpenAndTakesTokensIsNone) {
    EXPECT_EQ(more("route.ai.auth.type = none, jwt\nroute.ai.auth.jwt = corp\n"),
              "loom.conf:6:22: route.ai.auth.type: none stands alone: with it anyone may\n");
}

TEST(CheckIdentity, Certificates) {
    const auto said = [](const std::string& text,
                         const std::string& client_ca = "listener.http.tls.client_ca = /ca\n") {
        auto loaded = config::load_text(
            "listener.http.address = 127.0.0.1:8080\nlistener.http.protocol = https\n"
            "listener.http.tls.certificate = /host.crt\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
            "provider.demo.models = small\n" +
            client_ca + text);
        add_checks(loaded);
        return config::all_of(loaded.diagnostics);
    };
    const std::string mtls = "route.ai.auth.type = mtls\n", one = "consumer.a.certificate = URI:spiffe://x/a\n";
    const auto expect = [](const std::string& told, const std::string& part) {
        EXPECT_NE(told.find(part), told.npos) << told;
    };
    EXPECT_EQ(said(mtls + one).find("route.ai.auth.type"), std::string::npos) << said(mtls + one);
    EXPECT_EQ(said(mtls + one).find("consumer.a.certificate"), std::string::npos) << said(mtls + one);
    EXPECT_EQ(said(mtls + one).find("consumer.a.api_key"), std::string::npos) << "it needs no key";
    expect(said(mtls + one, ""), "mtls needs a listener that asks clients for certificates");
    expect(said(mtls + "consumer.a.api_key = k\n"), "no consumer has a certificate");
    expect(said(one + "consumer.a.api_key = k\n"), "no route takes certificates");
    expect(said(mtls + "consumer.a.certificate = agent\n"), "expected URI:");
    expect(said(mtls + "consumer.a.certificate = sha256:ab\n"), "64 hexadecimal digits");
    expect(said(mtls + "consumer.a.certificate = CN=" + std::string(300, 'x') + "\n"), "256 bytes");
    expect(said("route.ai.auth.type = mtls, none\n" + one), "none stands alone");
}

TEST(CheckContext, WhatDoesNothingIsTold) {
    const auto expect = [](const std::string& text, const std::string& part) {
        const std::string told = more(takes + text);
        EXPECT_NE(told.find(part), told.npos) << told;
    };
    EXPECT_EQ(more(takes + "context_window.on_overflow = trim\nprovider.demo.context_length = 1000\n"), "");
    EXPECT_EQ(more(takes + "route.ai.context_window.on_overflow = refuse\n"
                           "provider.demo.model.small.context_length = 1000\n"),
              "");
    expect("context_window.on_overflow = trim\n", "no context is known");
    expect("route.ai.context_window.on_overflow = flag\n", "no context is known");
    expect("context_window.answer_tokens = 5\n", "means nothing without context_window.on_overflow");
    expect("context_window.on_overflow = shorten\n", "context_window.on_overflow");
}

TEST(CheckIdentity, Addresses) {
    EXPECT_EQ(more(takes + "access.allow_ips = 10.0.0.0/8, fd00::/8\nroute.ai.deny_ips = 10.1.2.3\n"), "");
    EXPECT_EQ(more(takes + "access.deny_ips = 10.0.0.1/8\n"),
              "loom.conf:8:19: access.deny_ips: '10.0.0.1/8': bits are set behind the network's prefix\n");
    EXPECT_EQ(more(takes + "consumer.a.allow_ips = host.example\n"),
              "loom.conf:8:24: consumer.a.allow_ips: 'host.example': not a numeric IP address\n");
}

TEST(Expiries, AreDatesOrTimes) {
    EXPECT_EQ(parse_expiry("2026-11-22"), 1795305600);
    EXPECT_EQ(parse_expiry("2026-11-22T01:00:00+01:00"), 1795305600);
    EXPECT_FALSE(parse_expiry("22.11.2026"));
    EXPECT_FALSE(parse_expiry("30d"));
    EXPECT_EQ(parse_expiry("1970-01-01"), 1) << "0 is never";
    EXPECT_EQ(parse_expiry("1969-12-31T23:00:00Z"), 1);
}

TEST(JwtPlaces, PlainKeysAreAskedForOnlyWhereTheIssuerIsHere) {
    EXPECT_EQ(plain_for_keys("https://id.example"), PlainHttp::never);
    EXPECT_EQ(plain_for_keys("https://localhost.example/r"), PlainHttp::never);
    EXPECT_EQ(plain_for_keys("http://127.0.0.1:8000/r"), PlainHttp::loopback_only);
    EXPECT_EQ(plain_for_keys("https://localhost"), PlainHttp::loopback_only);
    EXPECT_FALSE(client_place("http://127.0.0.1/keys", nullptr, PlainHttp::never));
    EXPECT_TRUE(client_place("https://127.0.0.1/keys", nullptr, PlainHttp::never));
    EXPECT_TRUE(client_place("http://127.0.0.1/keys", nullptr, PlainHttp::loopback_only));
    EXPECT_FALSE(client_place("http://10.0.0.1/keys", nullptr, PlainHttp::loopback_only));
}

TEST(JwtPlaces, AreLoggedWithoutTheirQueries) {
    EXPECT_EQ(printable_url("https://id.example/keys?token=secret"), "https://id.example/keys");
    EXPECT_EQ(printable_url("https://id.example/\x01"), "https://id.example/?");
}

}  // namespace
}  // namespace loom::app
