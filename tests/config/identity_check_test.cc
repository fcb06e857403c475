// Issuers, routes that take tokens, addresses and times that cannot be meant so, or that do not do what one might
// think.
#include <gtest/gtest.h>

#include "check.h"
#include "fake_source.h"
#include "plan_identity.h"

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

TEST(CheckIdentity, AnIssuerThatNobodyTakes) {
    EXPECT_EQ(more(""),
              "loom.conf:5:1: warning: jwt.corp: no route takes its tokens; set route.NAME.auth.type = jwt and "
              "route.NAME.auth.jwt = corp\n");
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
}

}  // namespace
}  // namespace loom::app
