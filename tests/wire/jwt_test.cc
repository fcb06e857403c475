// Tokens in place of keys: whose they are, what they may, and how their issuers' keys come and go. And all the tokens
// that are none.
#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>

#include "../base/token_maker.h"
#include "fixture.h"
#include "websocket.h"

namespace loom::wire {
namespace {

using test::base64url;
using test::hmac_token;
using test::jwks_of;
using test::TokenMaker;

const std::string secret = "a-secret-of-more-than-thirty-two-bytes";
const std::string issuer_name = "https://id.example";

std::string in_s(int64_t seconds) { return std::to_string(std::time(nullptr) + seconds); }
/// A token's claims for `sub`, good for an hour, with members added or in place of these.
std::string claims(const std::string& sub, const std::string& more = "") {
    return R"({"iss":"https://id.example","aud":"loom","sub":")" + sub + R"(","exp":)" + in_s(3600) + more + "}";
}

class Jwt : public WireTest {
  protected:
    void SetUp() override {
        char name[] = "/tmp/loom-jwt-XXXXXX";
        directory_ = ::mkdtemp(name);
        conf.set("jwt.corp.issuer", issuer_name).set("jwt.corp.audience", "loom");
        conf.set("jwt.corp.jwks", file("keys.json"));
        conf.set("route.ai.auth.type", "jwt").set("route.ai.auth.jwt", "corp");
        write("keys.json", jwks_of({&maker}));
    }
    void TearDown() override {
        WireTest::TearDown();
        std::filesystem::remove_all(directory_);
    }
    std::string file(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(file(name) + ".new", std::ios::trunc) << text;
        std::filesystem::rename(file(name) + ".new", file(name));
    }
    /// Keys come from a server, which answers what `document` says at the time.
    void serve(std::function<std::string(const Message&)> document) {
        id_server = std::make_unique<ScriptedUpstream>(answer_with(std::move(document)));
        conf.set("jwt.corp.jwks", id_server->origin() + "/keys");
    }
    void wait_for_keys(double fetches = 1) {
        wait_until("keys", [&] {
            return loom().metric(R"(loom_jwt_key_fetches_total{issuer="corp",result="success"})") >= fetches;
        });
    }
    double failed_fetches() { return loom().metric(R"(loom_jwt_key_fetches_total{issuer="corp",result="error"})"); }
    Eventually refused(const std::string& reason) {
        return loom().eventually("loom_ai_auth_failures_total{reason=\"" + reason + "\"}");
    }
    Message ask_with(const std::string& token, const std::string& body = chat_body) {
        return ask(request("POST", "/v1/chat/completions",
                           "Content-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n", body));
    }
    /// The keys have gone from the admin's thread to the shard's, which is not instant.
    Message ask_until(int status, const std::string& token) {
        Message response = ask_with(token);
        wait_until("status " + std::to_string(status), [&] {
            if (response.status() != status) response = ask_with(token);
            return response.status() == status;
        });
        return response;
    }
    void expect_refused(const std::string& token, const std::string& why) {
        const Message response = ask_with(token);
        expect_error(response, 401, "invalid_api_key");
        EXPECT_TRUE(contains(response.body, why)) << response.body << " not " << why;
        EXPECT_TRUE(response.head.has("WWW-Authenticate"));
    }
    void expect_nowhere(const std::string& token) {
        const std::string signature = token.substr(token.rfind('.') + 1);
        for (const std::string& text :
             {loom().log(), loom().access_log(), ask_once(loom().admin_port(), request("GET", "/metrics")).body})
            EXPECT_FALSE(contains(text, signature)) << text;
    }

    TokenMaker maker{"k1"};
    std::unique_ptr<ScriptedUpstream> id_server;

  private:
    std::string directory_;
};

TEST_F(Jwt, IsTakenForItsConsumerAndGoesNoFurther) {
    start(answer_always(answer(chat_answer)));
    const std::string token = maker.token(claims("tester"));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_with(token).status(), 200) << "the first is verified, the others known";
    EXPECT_EQ(upstream().last_request().head.value("Authorization"), "Bearer " + std::string(provider_key));
    EXPECT_FALSE(contains(upstream().last_request().head.raw, token));
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("consumer":"tester")"));
    const std::string by_header = "Content-Type: application/json\r\nx-api-key: " + token + "\r\n";
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions", by_header, chat_body)).status(), 200);
    expect_error(ask(chat_request(chat_body)), 401);  // a key is no token here
    const Message nothing = ask(request("POST", "/v1/chat/completions", "", chat_body));
    expect_error(nothing, 401);
    EXPECT_TRUE(contains(nothing.body, "no token")) << nothing.body;
    EXPECT_EQ(refused("missing"), 1);
    EXPECT_EQ(refused("token"), 1);
    expect_nowhere(token);
}

TEST_F(Jwt, IsNotSentOnByPlainRoutesEither) {
    conf.set("route.plain.path", "/plain/*").set("route.plain.ai_gateway", "off");
    conf.set("route.plain.auth.type", "jwt").set("route.plain.auth.jwt", "corp");
    ScriptedUpstream plain(answer_always(answer("{}")));
    conf.set("route.plain.upstream", plain.origin());
    start(answer_always(answer(chat_answer)));
    const std::string token = maker.token(claims("tester"));
    EXPECT_EQ(ask(request("GET", "/plain/x", "Authorization: Bearer " + token + "\r\n")).status(), 200);
    EXPECT_FALSE(contains(plain.last_request().head.raw, token)) << plain.last_request().head.raw;
    expect_error(ask(request("GET", "/plain/x", "Authorization: Bearer x" + token + "\r\n")), 401);
}

TEST_F(Jwt, KeysAndTokensOnOneRoute) {
    conf.set("route.ai.auth.type", "api_key, jwt").set("consumer.token-user.models", "gpt-4o-mini");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(ask_with(maker.token(claims("tester"))).status(), 200);
    expect_error(ask_with(maker.token(claims("token-user"))), 403);  // its models
    expect_refused("sk-unknown", "API key is not known");
    expect_refused("a.b.c", "API key is not known");
    expect_refused(maker.token(claims("tester")) + "x", "");
    EXPECT_EQ(refused("key"), 2);
}

TEST_F(Jwt, AConsumersModelsRoutesAndTimeCountForItsTokensToo) {
    conf.set("consumer.limited.models", "gpt-4o-mini").set("consumer.elsewhere.routes", "other");
    conf.set("route.other.path", "/v1/embeddings").set("route.other.auth.type", "api_key");
    conf.set("consumer.gone.expires", "2020-01-01");
    start(answer_always(answer(chat_answer)));
    expect_error(ask_with(maker.token(claims("limited"))), 403);
    expect_error(ask_with(maker.token(claims("elsewhere"))), 403);
    expect_refused(maker.token(claims("gone")), "this consumer has expired");
    EXPECT_EQ(refused("expired"), 1);
    EXPECT_EQ(refused("route"), 1);
}

TEST_F(Jwt, WhomItNamesMustBeKnownUnlessTheConfSaysElse) {
    start(answer_always(answer(chat_answer)));
    const Message unknown = ask_with(maker.token(claims("stranger")));
    expect_error(unknown, 403);
    EXPECT_TRUE(contains(unknown.body, "unknown_consumers")) << unknown.body;
    EXPECT_EQ(refused("consumer"), 1);
    loom().reload(conf.set("jwt.corp.unknown_consumers", "allow").text());
    EXPECT_EQ(ask_with(maker.token(claims("stranger"))).status(), 200);
    loom().wait_for_access_line(R"("consumer":"stranger")");
    loom().reload(conf.set("jwt.corp.unknown_consumers", "refuse").text());
    expect_error(ask_with(maker.token(claims("stranger"))), 403);  // what was known of it is not kept
}

TEST_F(Jwt, WhomTwoIssuersCallAlikeAreTwo) {
    const TokenMaker other("k1");
    write("other.json", jwks_of({&other}));
    conf.set("jwt.other.issuer", "https://other.example").set("jwt.other.audience", "loom");
    conf.set("jwt.other.jwks", file("other.json")).set("route.ai.auth.jwt", "corp, other");
    conf.set("jwt.corp.unknown_consumers", "allow").set("jwt.other.unknown_consumers", "allow");
    start(answer_always(answer(chat_answer)));
    const std::string of_other =
        R"({"iss":"https://other.example","aud":"loom","sub":"alice","exp":)" + in_s(3600) + "}";
    const auto idempotency_key = [&](const std::string& token) {
        const Message response = ask(
            request("POST", "/v1/chat/completions",
                    "Content-Type: application/json\r\nIdempotency-Key: k\r\nAuthorization: Bearer " + token + "\r\n",
                    chat_body));
        EXPECT_EQ(response.status(), 200) << response.body;
        return std::string(upstream().last_request().head.value("Idempotency-Key"));
    };
    const std::string first = idempotency_key(maker.token(claims("alice")));
    EXPECT_EQ(idempotency_key(maker.token(claims("alice", R"(,"jti":"2")"))), first);
    EXPECT_NE(idempotency_key(other.token(of_other)), first);
    expect_refused(maker.token(of_other), "signature is wrong");  // one's key signs nothing for the other
    expect_refused(other.token(claims("alice")), "signature is wrong");
}

/// No issuer's users become consumers that are another's, or the conf's own.
TEST_F(Jwt, AnIssuerNamesTheConsumersThatItMay) {
    const TokenMaker other("k1");
    write("other.json", jwks_of({&other}));
    conf.set("jwt.other.issuer", "https://other.example").set("jwt.other.audience", "loom");
    conf.set("jwt.other.jwks", file("other.json")).set("route.ai.auth.jwt", "corp, other");
    conf.set("consumer.a.jwt", "corp").set("consumer.b.jwt", "corp, other");
    start(answer_always(answer(chat_answer)));
    const auto of_other = [&](const std::string& sub) {
        return ask_with(other.token(R"({"iss":"https://other.example","aud":"loom","sub":")" + sub + R"(","exp":)" +
                                    in_s(3600) + "}"));
    };
    EXPECT_EQ(ask_with(maker.token(claims("a"))).status(), 200);
    EXPECT_EQ(ask_with(maker.token(claims("b"))).status(), 200);
    EXPECT_EQ(of_other("b").status(), 200);
    const Message denied = of_other("a");
    expect_error(denied, 403, "forbidden");
    EXPECT_TRUE(contains(denied.body, "consumer.NAME.jwt")) << denied.body;
    expect_error(of_other("tester"), 403);  // of two issuers neither may, where nothing is said
    expect_error(ask_with(maker.token(claims("tester"))), 403);
    EXPECT_EQ(refused("consumer"), 3);

    conf.set("jwt.other.issuer", "").set("jwt.other.audience", "").set("jwt.other.jwks", "");
    conf.set("route.ai.auth.jwt", "corp").set("consumer.b.jwt", "corp");
    loom().reload(conf.text());
    EXPECT_EQ(ask_with(maker.token(claims("tester"))).status(), 200) << "there is no other";
    loom().reload(conf.set("jwt.corp.unknown_consumers", "allow").text());
    expect_error(ask_with(maker.token(claims("tester"))), 403);  // anybody may be called so there
    EXPECT_EQ(ask_with(maker.token(claims("a"))).status(), 200);
    EXPECT_EQ(ask_with(maker.token(claims("stranger"))).status(), 200);
}

TEST_F(Jwt, ClaimsByPathTellTheConsumerItsTierAndItsTeam) {
    conf.set("jwt.corp.consumer_claim", "realm_access.name").set("jwt.corp.tier_claim", "tier");
    conf.set("jwt.corp.team_claim", "/org~1team").set("consumer.gold.tier", "gold").set("consumer.gold.team", "own");
    conf.set("routing.rule.t.when", R"(tier == "gold" and team == "own")").set("routing.rule.t.use", "mock");
    start(answer_always(answer(chat_answer)));
    const auto rule_of = [&](const std::string& name, const std::string& tier, const std::string& team) {
        const Message response = ask_with(maker.token(claims(
            "x", R"(,"realm_access":{"name":")" + name + R"("},"tier":")" + tier + R"(","org/team":")" + team + "\"")));
        EXPECT_EQ(response.status(), 200) << response.body;
        return std::string(response.head.value("x-loom-rule"));
    };
    EXPECT_EQ(rule_of("tester", "gold", "own"), "t") << "the token says what the conf does not";
    EXPECT_EQ(rule_of("tester", "gold", "else"), "");
    EXPECT_EQ(rule_of("gold", "bronze", "else"), "t") << "the conf's goes before the token's";
    expect_refused(maker.token(claims("tester")), "does not name a consumer");
}

TEST_F(Jwt, RolesAreForRules) {
    conf.set("jwt.corp.roles_claim", "roles").set("consumer.tester.roles", "staff");
    conf.set("routing.rule.r.when", R"("admin" in roles and "staff" in roles)").set("routing.rule.r.use", "mock");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_with(maker.token(claims("tester", R"(,"roles":["admin"])"))).head.value("x-loom-rule"), "r");
    EXPECT_EQ(ask_with(maker.token(claims("tester", R"(,"roles":["dev"])"))).head.value("x-loom-rule"), "");
}

TEST_F(Jwt, ClaimsAreForRulesOfRoutingAndOfAccess) {
    conf.set("routing.rule.r.when", R"(claim.department == "legal" or claim.level > 3)");
    conf.set("routing.rule.r.use", "mock");
    conf.set("access.rule.a.when", R"(claim["groups"] contains "banned" or claim["org.locked"] == true)");
    conf.set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    const std::string fine = R"(,"groups":[],"org":{"locked":false})";
    const auto asked = [&](const std::string& more) { return ask_with(maker.token(claims("tester", more))); };
    EXPECT_EQ(asked(fine + R"(,"department":"legal")").head.value("x-loom-rule"), "r");
    EXPECT_EQ(asked(fine + R"(,"level":4)").head.value("x-loom-rule"), "r");
    EXPECT_EQ(asked(fine + R"(,"level":3,"department":["legal"])").head.value("x-loom-rule"), "");
    EXPECT_EQ(asked(fine).status(), 200);
    expect_error(asked(R"(,"groups":["a","banned"],"org":{"locked":false})"), 403);
    expect_error(asked(R"(,"groups":[],"org":{"locked":true})"), 403);
    expect_error(asked(R"(,"groups":[],"org":{"locked":{}})"), 403);  // what cannot be read may be anything
    expect_error(asked(""), 403);                                     // nor is it known of who does not say it
}

/// As its tier: what a token says counts where the conf says nothing.
TEST_F(Jwt, WhatTheConfSaysOfAConsumerGoesBeforeItsTokensClaim) {
    conf.set("consumer.tester.metadata.department", "legal");
    conf.set("access.rule.a.when", R"(claim.department == "sales" or claim.site == "x")");
    conf.set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    const auto asked = [&](const std::string& more) { return ask_with(maker.token(claims("tester", more))).status(); };
    EXPECT_EQ(asked(R"(,"department":"sales","site":"y")"), 200);
    EXPECT_EQ(asked(R"(,"department":"legal","site":"x")"), 403);
    loom().reload(conf.set("consumer.tester.metadata.department", "sales").text());
    EXPECT_EQ(asked(R"(,"department":"legal","site":"y")"), 403) << "what was known of the token is not kept";
    loom().reload(conf.set("consumer.tester.metadata.department", "").text());
    EXPECT_EQ(asked(R"(,"department":"legal","site":"y")"), 200);
    EXPECT_EQ(asked(R"(,"department":"sales","site":"y")"), 403);
}

TEST_F(Jwt, ATiersLimitsAreEachBearersOwn) {
    conf.set("jwt.corp.tier_claim", "tier").set("jwt.corp.unknown_consumers", "allow");
    conf.set("rate_limit.tier.small.request_rate", "2").set("rate_limit.request_rate.limit", "3");
    conf.set("rate_limit.request_rate.window", "1h").set("rate_limit.consumer.own.request_rate", "5");
    conf.set("consumer.own.models", "gpt-4o").set("consumer.own.jwt", "corp").set("consumer.tester.jwt", "corp");
    start(answer_always(answer(chat_answer)));
    const auto admitted = [&](const std::string& name, const std::string& more) {
        int count = 0;
        while (count < 10 && ask_with(maker.token(claims(name, more))).status() == 200) count += 1;
        return count;
    };
    EXPECT_EQ(admitted("a", R"(,"tier":"small")"), 2);
    EXPECT_EQ(admitted("b", R"(,"tier":"small")"), 2) << "not the other's";
    EXPECT_EQ(admitted("c", R"(,"tier":"none")"), 3) << "the default";
    EXPECT_EQ(admitted("d", ""), 3);
    EXPECT_EQ(admitted("tester", R"(,"tier":"small")"), 2) << "a consumer that has no tier in the conf";
    EXPECT_EQ(admitted("own", R"(,"tier":"small")"), 5) << "its own limit goes before its tier's";
    const Message over = ask_with(maker.token(claims("a", R"(,"tier":"small")")));
    expect_error(over, 429);
    EXPECT_TRUE(contains(over.body, "rate_limit.tier.small.request_rate")) << over.body;
    loom().reload(conf.set("timeout.connect", "4s").text());
    expect_error(ask_with(maker.token(claims("a", R"(,"tier":"small")"))), 429);  // what was taken stays taken
}

/// By whichever way its consumer has shown who it is: a token, or a mate's key. Teams that only tokens tell are in
/// their consumer's tenant too.
TEST_F(Jwt, WhomATokenNamesIsUnderItsTenantsAndItsProjectsBudgets) {
    conf.set("token_accounting.enabled", "on").set("route.ai.auth.type", "api_key, jwt");
    conf.set("jwt.corp.team_claim", "team").set("jwt.corp.unknown_consumers", "allow");
    conf.set("consumer.tester.tenant", "acme").set("consumer.tester.project", "x").set("consumer.tester.jwt", "corp");
    conf.set("consumer.mate.api_key", "sk-mate").set("consumer.mate.tenant", "acme").set("consumer.mate.project", "y");
    conf.set("token_accounting.project.x.daily_limit", "40").set("token_accounting.tenant.acme.daily_limit", "60");
    conf.set("rate_limit.tenant.acme.request_rate", "6").set("rate_limit.request_rate.window", "1h");
    start(answer_always(answer(chat_answer)));  // of 21 tokens
    const std::string body = R"({"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]})";
    const std::string token = maker.token(claims("tester", R"(,"team":"dev")"));
    const auto wait_for_used = [this](const std::string& used) {
        wait_until(used, [&] {
            return contains(ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body,
                            R"("limit":60,"used":)" + used);
        });
    };
    for (const char* const used : {"21", "42"}) {
        EXPECT_EQ(ask_with(token, body).status(), 200);
        wait_for_used(used);
    }
    const Message over = ask_with(token, body);
    expect_error(over, 429, "insufficient_quota");
    EXPECT_TRUE(contains(over.body, "token_accounting.project.x.daily_limit is 40")) << over.body;
    EXPECT_EQ(ask_with("sk-mate", body).status(), 200);
    wait_for_used("63");
    EXPECT_TRUE(contains(ask_with("sk-mate", body).body, "token_accounting.tenant.acme.daily_limit is 60"));
    // A project is one of those that the conf's consumers are in: whom only a token names is in none.
    EXPECT_EQ(ask_with(maker.token(claims("somebody")), body).status(), 200);
    // Requests of the same tenant: five so far.
    EXPECT_EQ(ask_with(token, body).status(), 429);
    EXPECT_TRUE(contains(ask_with("sk-mate", body).body, "rate_limit.tenant.acme.request_rate is 6"));
}

/// Of a tenant's team that only tokens tell of: what it takes is counted by its name, its limit and its budget are one
/// each, and an issuer that tells of no team makes none.
TEST_F(Jwt, ATeamThatOnlyTokensTellIsCountedAndLimitedOnce) {
    conf.set("token_accounting.enabled", "on").set("jwt.corp.team_claim", "team");
    conf.set("consumer.tester.tenant", "acme").set("consumer.mate.tenant", "acme").set("consumer.mate.team", "dev");
    conf.set("rate_limit.team.dev.request_rate", "4").set("token_accounting.team.dev.daily_limit", "1000");
    conf.set("consumer.else.tenant", "globex").set("consumer.else.team", "ops");
    start(answer_always(answer(chat_answer)));  // of 9 and 12 tokens
    const auto limits = [this] { return ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body; };
    const auto count_of = [](const std::string& page, std::string_view part) {
        int count = 0;
        for (size_t at = 0; (at = page.find(part, at)) != page.npos; at += part.size()) count += 1;
        return count;
    };
    const std::string team = R"("scope":"team","name":"acme/dev")";
    EXPECT_EQ(count_of(limits(), team), 2) << "a rate limit and a budget: " << limits();
    EXPECT_EQ(count_of(limits(), R"("scope":"team")"), 2) << limits();
    const std::string token = maker.token(claims("tester", R"(,"team":"dev")"));
    EXPECT_EQ(ask_with(token).status(), 200);
    EXPECT_EQ(loom().eventually(R"(loom_ai_team_tokens_total{team="acme/dev",type="input"})"), 9);
    EXPECT_EQ(loom().eventually(R"(loom_ai_team_tokens_total{team="acme/dev",type="output"})"), 12);
    wait_until("the budget", [&] { return contains(limits(), R"("limit":1000,"used":21)"); });
    for (const char* const who : {"mate", "mate", "tester"})
        EXPECT_EQ(ask_with(maker.token(claims(who, R"(,"team":"dev")"))).status(), 200);
    expect_error(ask_with(token), 429);
    expect_error(ask_with(maker.token(claims("mate"))), 429);
    loom().reload(conf.set("jwt.corp.team_claim", "").text());
    EXPECT_EQ(count_of(limits(), team), 2) << "a consumer of the conf is in it";
    loom().reload(conf.set("consumer.mate.team", "").text());
    EXPECT_EQ(count_of(limits(), R"("scope":"team")"), 0) << limits();
}

/// Tiers may have windows of other lengths: a bearer's row has all of them.
TEST_F(Jwt, ATiersSeveralWindowsAreEachBearersOwn) {
    conf.set("jwt.corp.tier_claim", "tier").set("jwt.corp.unknown_consumers", "allow");
    conf.set("rate_limit.tier.quick.request_rate", "2/3s, 3/1h")
        .set("rate_limit.tier.slow.request_rate", "2/12h, 3/1d");
    conf.set("rate_limit.tier.quick.token_rate", "100000/1m, 200000/2h").set("rate_limit.request_rate.limit", "5");
    start(answer_always(answer(chat_answer)));
    const auto asked = [&](const std::string& name, const std::string& tier) {
        return ask_with(maker.token(claims(name, R"(,"tier":")" + tier + "\"")));
    };
    const auto expect_refused_by = [](const Message& refused, std::string_view what) {
        EXPECT_EQ(refused.status(), 429);
        EXPECT_TRUE(contains(refused.body, what)) << refused.body;
    };
    for (const char* const name : {"a", "b"})
        for (int i = 0; i < 2; ++i) EXPECT_EQ(asked(name, "quick").status(), 200) << name;
    const Message over = asked("a", "quick");
    expect_refused_by(over, "rate_limit.tier.quick.request_rate is 2 requests in 3s");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(asked("c", "slow").status(), 200);
    expect_refused_by(asked("c", "slow"), "rate_limit.tier.slow.request_rate is 2 requests in 43200s");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(asked("d", "none").status(), 200);
    expect_refused_by(asked("d", "none"), "rate_limit.request_rate.limit is 5 requests in 60s");
    std::this_thread::sleep_for(std::chrono::milliseconds(3'200));
    const Message third = asked("a", "quick");
    EXPECT_EQ(third.status(), 200);
    EXPECT_EQ(third.head.value("ratelimit-policy"),
              R"("tier-requests-3s";q=2;w=3, "tier-requests-1h";q=3;w=3600, "tier-tokens-1m";q=100000;w=60, )"
              R"("tier-tokens-2h";q=200000;w=7200)");
    expect_refused_by(asked("a", "quick"), "rate_limit.tier.quick.request_rate is 3 requests in 3600s");
}

// --- tokens that are none

TEST_F(Jwt, AttacksAreRefused) {
    const TokenMaker rsa("r1", TokenMaker::Kind::rsa), stranger("k1");
    write("keys.json", jwks_of({&maker, &rsa}));
    start(answer_always(answer(chat_answer)));
    const std::string good = claims("tester");
    ASSERT_EQ(ask_with(maker.token(good)).status(), 200);
    ASSERT_EQ(ask_with(rsa.token(good)).status(), 200);

    for (const char* const none : {"none", "None", "NONE", "nOnE"}) {
        const std::string head = base64url(R"({"alg":")" + std::string(none) + R"(","kid":"k1"})");
        expect_refused(head + "." + base64url(good) + ".", "a part of the token is empty");
        expect_refused(head + "." + base64url(good) + ".AAAA", "algorithm is not one");
    }
    // An RSA key's public half, which everybody has, as a secret.
    const std::string head = R"({"alg":"HS256","kid":"r1"})";
    expect_refused(hmac_token(rsa.public_pem(), good, head), "algorithm is not one");
    expect_refused(hmac_token(rsa.jwk(), good, head), "algorithm is not one");
    // Another kind of key than the algorithm's; another's signature.
    expect_refused(maker.token(good, R"({"alg":"RS256","kid":"k1"})"), "no key is known for the token's algorithm");
    expect_refused(maker.token(good, R"({"alg":"ES256","kid":"r1"})"), "no key is known for the token's algorithm");
    expect_refused(stranger.token(good), "signature is wrong");
    // Key ids that mean something elsewhere are names here, and keys that a token brings are not looked at.
    for (const char* const kid : {"../../../../dev/null", "k1' OR '1'='1", "k1\\u0000", "http://127.0.0.1/keys", "k2"})
        expect_refused(stranger.token(good, R"({"alg":"ES256","kid":")" + std::string(kid) + "\"}"),
                       "not one of its issuer's");
    expect_refused(stranger.token(good, R"({"alg":"ES256","kid":"k1","jwk":)" + stranger.jwk() + "}"),
                   "signature is wrong");
    expect_refused(stranger.token(good, R"({"alg":"ES256","kid":"k1","jku":"http://127.0.0.1:1/keys"})"),
                   "signature is wrong");
    expect_refused(maker.token(good, R"({"alg":"ES256","kid":"k1","crit":["x"],"x":1})"), "extension");
    expect_refused(maker.token(good, R"({"alg":"ES256","kid":"k1","typ":"dpop+jwt"})"), "type");
    // Not for here, not now.
    expect_refused(maker.token(R"({"iss":"https://evil.example","aud":"loom","sub":"tester","exp":)" + in_s(60) + "}"),
                   "issuer is not known");
    expect_refused(maker.token(R"({"iss":"https://id.example/","aud":"loom","sub":"tester","exp":)" + in_s(60) + "}"),
                   "issuer is not known");
    expect_refused(maker.token(R"({"iss":"https://id.example","aud":"other","sub":"tester","exp":)" + in_s(60) + "}"),
                   "for somebody else");
    expect_refused(maker.token(R"({"iss":"https://id.example","sub":"tester","exp":)" + in_s(60) + "}"),
                   "does not say whom it is for");
    expect_refused(maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(-61) + "}"),
                   "has expired");
    expect_refused(maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester"})"), "when it expires");
    expect_refused(maker.token(claims("tester", R"(,"nbf":)" + in_s(300))), "not good yet");
    EXPECT_EQ(ask_with(maker.token(claims("tester", R"(,"nbf":)" + in_s(30)))).status(), 200) << "within the leeway";
    // What two readers could read as two.
    expect_refused(maker.token(claims("nobody", R"(,"sub":"tester")")), "");
    expect_refused(maker.token(good, R"({"alg":"none","alg":"ES256","kid":"k1"})"), "names a member twice");
    // Sizes and shapes.
    expect_refused(maker.token(claims("tester", R"(,"x":")" + std::string(16 * 1024, 'x') + "\"")),
                   "longer than 16 KiB");
    for (const std::string& bad : {std::string("eyJ"), std::string("eyJ..."), std::string("eyJhbGciOiJub25lIn0"),
                                   std::string("..."), std::string("a.b"), std::string(8000, '.')})
        expect_refused(bad, "");
    EXPECT_EQ(ask_with(maker.token(good)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 4u) << "nothing of all that went on";
    expect_nowhere(maker.token(good));
}

TEST_F(Jwt, ForgedTokensAreGuessesAndOldOnesAreNot) {
    conf.set("forwarded.trust", "127.0.0.0/8").set("auth.lockout.failures", "3");
    start(answer_always(answer(chat_answer)));
    const auto status_of = [&](const std::string& token, const std::string& address) {
        return ask(request("POST", "/v1/chat/completions",
                           "X-Forwarded-For: " + address + "\r\nContent-Type: application/json\r\n" +
                               "Authorization: Bearer " + token + "\r\n",
                           chat_body))
            .status();
    };
    const TokenMaker stranger("k1"), unknown("k2");
    const std::string old =
        maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(-100) + "}");
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(status_of(old, "203.0.113.1"), 401);
        EXPECT_EQ(status_of(unknown.token(claims("tester")), "203.0.113.1"), 401) << "keys may be rotated";
        EXPECT_EQ(status_of(maker.token(claims("stranger")), "203.0.113.1"), 403);
    }
    for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of(stranger.token(claims("tester")), "203.0.113.2"), 401);
    EXPECT_EQ(status_of(stranger.token(claims("tester")), "203.0.113.2"), 429);
    EXPECT_EQ(status_of(maker.token(claims("tester")), "203.0.113.1"), 200);
    EXPECT_EQ(refused("signature"), 3);
    EXPECT_EQ(refused("claims"), 5);
}

TEST_F(Jwt, ATokenIsNotTakenBeyondItsEnd) {
    conf.set("jwt.corp.leeway", "0s");
    start(answer_always(answer(chat_answer)));
    const std::string token =
        maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(2) + "}");
    EXPECT_EQ(ask_with(token).status(), 200);
    ask_until(401, token);  // though it was verified once
    expect_refused(token, "has expired");
}

TEST_F(Jwt, ATokenIsTakenForItsLeeway) {
    start(answer_always(answer(chat_answer)));
    const auto expired = [this](int64_t seconds) {
        return maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(-seconds) + "}");
    };
    const std::string late = expired(20);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_with(late).status(), 200);
    expect_refused(expired(61), "has expired");
}

/// What a token claims is looked at first: a signature is dear.
TEST_F(Jwt, AStrangersTokenThatIsNotForHereCostsNoSignature) {
    const TokenMaker stranger("k1");
    start(answer_always(answer(chat_answer)));
    for (const std::string& claimed :
         {R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(-61) + "}",
          R"({"iss":"https://id.example","aud":"other","sub":"tester","exp":)" + in_s(60) + "}",
          R"({"iss":"https://id.example","sub":"tester","exp":)" + in_s(60) + "}"}) {
        const Message by_stranger = ask_with(stranger.token(claimed)), by_issuer = ask_with(maker.token(claimed));
        EXPECT_EQ(by_stranger.status(), 401);
        EXPECT_EQ(by_stranger.body, by_issuer.body) << "nothing is learnt of who has signed it";
    }
    EXPECT_EQ(refused("signature"), 0);
    EXPECT_EQ(refused("claims"), 6);
}

TEST_F(Jwt, WhoIsLockedOutIsLetInByATokenThatIsKnown) {
    conf.set("forwarded.trust", "127.0.0.0/8").set("auth.lockout.failures", "2").set("loop.shards", "1");
    const TokenMaker stranger("k1");
    start(answer_always(answer(chat_answer)));
    const auto ask_from = [this](const std::string& token) {
        return ask(request("POST", "/v1/chat/completions",
                           "Content-Type: application/json\r\nX-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer " +
                               token + "\r\n",
                           chat_body))
            .status();
    };
    const std::string known = maker.token(claims("tester"));
    EXPECT_EQ(ask_from(known), 200);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(ask_from(stranger.token(claims("tester"))), 401);
    EXPECT_EQ(ask_from(stranger.token(claims("tester"))), 429);
    EXPECT_EQ(ask_from(known), 200);
    EXPECT_EQ(ask_from(maker.token(claims("tester", R"(,"n":2)"))), 429) << "to verify one is what it would have done";
}

TEST_F(Jwt, WithASecret) {
    conf.set("jwt.corp.jwks", "").set("jwt.corp.secret", secret);
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_with(hmac_token(secret, claims("tester"), R"({"alg":"HS256"})")).status(), 200);
    EXPECT_EQ(ask_with(hmac_token(secret, claims("tester"), R"({"alg":"HS256","kid":"any"})")).status(), 200);
    expect_refused(hmac_token(secret + "x", claims("tester"), R"({"alg":"HS256"})"), "signature is wrong");
    expect_refused(maker.token(claims("tester")), "algorithm is not one");
    EXPECT_FALSE(contains(loom().log(), secret));
    loom().reload(conf.set("jwt.corp.secret", "another-secret-of-thirty-two-bytes!").text());
    expect_refused(hmac_token(secret, claims("tester"), R"({"alg":"HS256"})"), "signature is wrong");
}

TEST_F(Jwt, AFileOfKeysIsReadAnewWhenItChanges) {
    conf.set("tls.watch_interval", "1s");
    start(answer_always(answer(chat_answer)));
    const TokenMaker next("k2");
    EXPECT_EQ(ask_with(maker.token(claims("tester"))).status(), 200);
    expect_refused(next.token(claims("tester")), "not one of its issuer's");
    write("keys.json", jwks_of({&next}));
    ask_until(200, next.token(claims("tester")));
    expect_refused(maker.token(claims("tester")), "not one of its issuer's");  // though it was verified before
    write("keys.json", "garbage");
    wait_until("the log", [&] { return contains(loom().log(), "stays in force"); });
    EXPECT_EQ(ask_with(next.token(claims("tester"))).status(), 200);
}

// --- keys that are fetched

TEST_F(Jwt, BeforeAnyKeysAreThereRequestsAreToldToComeAgain) {
    Gate gate;
    id_server = std::make_unique<ScriptedUpstream>([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(jwks_of({&maker})));
        }
    });
    conf.set("jwt.corp.jwks", id_server->origin() + "/keys?policy=one");
    start(answer_always(answer(chat_answer)));
    const Message early = ask_with(maker.token(claims("tester")));
    expect_error(early, 503, "issuer_unavailable");
    EXPECT_TRUE(early.head.has("Retry-After"));
    EXPECT_TRUE(contains(early.body, "have not been fetched yet")) << early.body;
    EXPECT_EQ(refused("unavailable"), 1);
    expect_refused("eyJ.eyJ.x", "");
    gate.open();
    ask_until(200, maker.token(claims("tester")));
    EXPECT_EQ(id_server->request(0).target(), "/keys?policy=one");
    EXPECT_EQ(loom().eventually(R"(loom_jwt_keys{issuer="corp"})"), 1);
}

TEST_F(Jwt, AnUnknownKeyIsLookedForOnceAndThenTaken) {
    const TokenMaker next("k2"), never("k3");
    std::atomic<bool> rotated = false;
    serve([&](const Message&) { return answer(rotated ? jwks_of({&maker, &next}) : jwks_of({&maker})); });
    start(answer_always(answer(chat_answer)));
    wait_for_keys();
    ask_until(200, maker.token(claims("tester")));
    rotated = true;
    expect_refused(next.token(claims("tester")), "not one of its issuer's");
    ask_until(200, next.token(claims("tester")));
    EXPECT_EQ(id_server->request_count(), 2u);
    // Any number of made-up ids has the issuer asked no more: not before ten seconds.
    for (int i = 0; i < 50; ++i)
        expect_refused(never.token(claims("tester"), R"({"alg":"ES256","kid":"made-up-)" + std::to_string(i) + "\"}"),
                       "not one of its issuer's");
    const auto begun = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begun < std::chrono::seconds(1))
        EXPECT_EQ(ask_with(next.token(claims("tester"))).status(), 200);
    EXPECT_EQ(id_server->request_count(), 2u);
    EXPECT_GE(loom().metric(R"(loom_ai_auth_failures_total{reason="key_id"})"), 51);
}

/// Some issuers change a key and leave its id, or have none: the newer is looked for too, and
/// so once in ten seconds at most.
class JwtRotation : public Jwt, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(KeyIds, JwtRotation, testing::Values("k1", ""));

TEST_P(JwtRotation, AKeyThatChangesUnderItsIdIsLookedFor) {
    const TokenMaker before(GetParam()), after(GetParam());
    std::atomic<bool> rotated = false;
    serve([&](const Message&) { return answer(jwks_of({rotated ? &after : &before})); });
    start(answer_always(answer(chat_answer)));
    wait_for_keys();
    ask_until(200, before.token(claims("tester")));
    rotated = true;
    expect_refused(after.token(claims("tester")), "signature is wrong");
    ask_until(200, after.token(claims("tester")));
    expect_refused(before.token(claims("tester")), "signature is wrong");
    EXPECT_EQ(id_server->request_count(), 2u);
}

TEST_F(Jwt, WhatComesOfAFetchThatFailsLeavesTheKeysThatAreThere) {
    std::atomic<int> turn = 0;
    const TokenMaker unknown("k2");
    serve([&](const Message&) {
        switch (turn++) {
            case 0: return answer(jwks_of({&maker}));
            case 1: return answer("{}", "500 Internal Server Error");
            case 2: return answer("garbage");
            case 3: return answer(R"({"keys":[]})");
            default: return answer(R"({"keys":[],"pad":")" + std::string(300 * 1024, 'x') + "\"}");
        }
    });
    start(answer_always(answer(chat_answer)));
    wait_for_keys();
    ask_until(200, maker.token(claims("tester")));
    expect_refused(unknown.token(claims("tester")), "not one of its issuer's");  // has them asked for again
    for (double failures = 1; failures <= 4; ++failures) {
        wait_until("a failure", [&] { return failed_fetches() >= failures; });
        EXPECT_EQ(ask_with(maker.token(claims("tester"))).status(), 200) << failures;
    }
    EXPECT_TRUE(contains(loom().log(), "those it has stay")) << loom().log();
    id_server.reset();  // and when nobody is there at all
    wait_until("a failure", [&] { return failed_fetches() >= 5; });
    EXPECT_EQ(ask_with(maker.token(claims("tester"))).status(), 200);
}

/// A server that takes for ever keeps nobody waiting whose key is known, nor one whose key is not.
TEST_F(Jwt, NobodyWaitsForASlowIssuer) {
    Gate gate;
    std::atomic<int> turn = 0;
    id_server = std::make_unique<ScriptedUpstream>([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            if (turn++ > 0) gate.wait();
            connection.send(answer(jwks_of({&maker})));
        }
    });
    conf.set("jwt.corp.jwks", id_server->origin() + "/keys");
    start(answer_always(answer(chat_answer)));
    wait_for_keys();
    ask_until(200, maker.token(claims("tester")));
    const TokenMaker unknown("k2");
    expect_refused(unknown.token(claims("tester")), "not one of its issuer's");
    wait_until("the second request", [&] { return id_server->request_count() == 2; });
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(ask_with(maker.token(claims("tester", R"(,"n":)" + std::to_string(i)))).status(), 200);
        expect_refused(unknown.token(claims("tester")), "not one of its issuer's");
    }
    EXPECT_EQ(id_server->request_count(), 2u);
    gate.open();
}

TEST_F(Jwt, AStopDoesNotWaitForASlowIssuerEither) {
    id_server = std::make_unique<ScriptedUpstream>([](UpstreamConnection& connection) {
        if (connection.read_request()) (void)connection.wait_closed();
    });
    conf.set("jwt.corp.jwks", id_server->origin() + "/keys");
    start(answer_always(answer(chat_answer)));
    wait_until("the request", [&] { return id_server->request_count() == 1; });
    loom().reload(conf.set("jwt.corp.refresh", "11s").text());  // another one in its place
    wait_until("the request", [&] { return id_server->request_count() == 2; });
    const auto begun = std::chrono::steady_clock::now();
    loom().stop_cleanly();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8)) << "a fetch may last ten";
}

TEST_F(Jwt, WhereKeysAreIsDiscovered) {
    std::atomic<bool> lies = false;
    id_server = std::make_unique<ScriptedUpstream>(answer_with([&](const Message& asked) {
        if (asked.target() == "/realm/keys") return answer(jwks_of({&maker}));
        if (asked.target() != "/realm/.well-known/openid-configuration") return answer("{}", "404 Not Found");
        const std::string origin = id_server->origin();
        return answer(R"({"issuer":")" + origin + (lies ? "/other" : "/realm") + R"(","jwks_uri":")" + origin +
                      "/realm/keys\"}");
    }));
    const std::string issuer = id_server->origin() + "/realm";
    conf.set("jwt.corp.issuer", issuer).set("jwt.corp.jwks", "");
    start(answer_always(answer(chat_answer)));
    wait_for_keys();
    const std::string token =
        maker.token(R"({"iss":")" + issuer + R"(","aud":"loom","sub":"tester","exp":)" + in_s(3600) + "}");
    ask_until(200, token);
    loom().reload(conf.set("timeout.connect", "4s").text());
    EXPECT_EQ(ask_with(token).status(), 200) << "a reload keeps the keys of an issuer that stays";
    EXPECT_EQ(id_server->request_count(), 2u);
    lies = true;
    loom().reload(conf.set("jwt.corp.refresh", "11s").text());
    wait_until("a failure", [&] { return failed_fetches() >= 1; });
    EXPECT_TRUE(contains(loom().log(), "another issuer's")) << loom().log();
    EXPECT_EQ(ask_with(token).status(), 200) << "and those that it has, on other terms";
}

TEST_F(Jwt, DiscoveredKeysComeOverTlsOrFromHere) {
    id_server = std::make_unique<ScriptedUpstream>(answer_with([&](const Message&) {
        return answer(R"({"issuer":")" + id_server->origin() + R"(","jwks_uri":"http://keys.example/keys"})");
    }));
    conf.set("jwt.corp.issuer", id_server->origin()).set("jwt.corp.jwks", "");
    start(answer_always(answer(chat_answer)));
    wait_until("a failure", [&] { return failed_fetches() >= 1; });
    EXPECT_TRUE(contains(loom().log(), "asked over https:// only")) << loom().log();
}

// --- sessions, and confs

TEST_F(Jwt, ASessionEndsWhenItsIssuerIsNotTakenAnyMore) {
    conf.set("provider.mock.models", "gpt-realtime");
    start([](UpstreamConnection& connection) {
        if (auto end = accept_websocket(connection)) (void)end->read_to_end();
    });
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime",
                             "Authorization: Bearer " + maker.token(claims("tester")) + "\r\n"));
    EXPECT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd session(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    loom().reload(conf.set("timeout.connect", "4s").text());
    EXPECT_EQ(loom().eventually("loom_connections_open"), 1) << "the session stays";
    loom().reload(conf.set("route.ai.auth.type", "api_key").set("route.ai.auth.jwt", "").text());
    EXPECT_EQ(session.read().opcode, opcode::close);
}

TEST_F(Jwt, ASessionEndsWithItsToken) {
    conf.set("provider.mock.models", "gpt-realtime").set("jwt.corp.leeway", "0s");
    start([](UpstreamConnection& connection) {
        if (auto end = accept_websocket(connection)) (void)end->read_to_end();
    });
    RawClient one = client();
    const std::string token =
        maker.token(R"({"iss":"https://id.example","aud":"loom","sub":"tester","exp":)" + in_s(3) + "}");
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime", "Authorization: Bearer " + token + "\r\n"));
    EXPECT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd session(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    EXPECT_EQ(session.read().opcode, opcode::close);
}

TEST_F(Jwt, ASessionEndsWhenItsIssuersAudienceIsAnother) {
    conf.set("provider.mock.models", "gpt-realtime");
    start([](UpstreamConnection& connection) {
        if (auto end = accept_websocket(connection)) (void)end->read_to_end();
    });
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime",
                             "Authorization: Bearer " + maker.token(claims("tester")) + "\r\n"));
    EXPECT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd session(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    loom().reload(conf.set("jwt.corp.audience", "another").text());
    EXPECT_EQ(session.read().opcode, opcode::close);
}

TEST_F(Jwt, ConfsThatCannotWorkAreRefusedByName) {
    struct Case {
        std::vector<std::pair<std::string, std::string>> set;
        std::string said;
    };
    for (const Case& one : std::initializer_list<Case>{
             {{{"jwt.corp.issuer", ""}}, "jwt.corp.issuer: is missing"},
             {{{"jwt.corp.secret", secret}}, "one or the other"},
             {{{"jwt.corp.secret", "short"}, {"jwt.corp.jwks", ""}}, "fewer than 32 bytes"},
             {{{"jwt.corp.algorithms", "HS256"}}, "is verified by a secret"},
             {{{"jwt.corp.algorithms", "none"}}, "expected one of"},
             {{{"jwt.corp.consumer_claim", "a..b"}}, "jwt.corp.consumer_claim"},
             {{{"jwt.corp.jwks", "/nowhere/keys.json"}}, "/nowhere/keys.json"},
             {{{"jwt.corp.jwks", "https://user@host/keys"}}, "jwt.corp.jwks"},
             {{{"jwt.corp.jwks", ""}, {"jwt.corp.issuer", "not-a-url"}}, "no place to ask"},
             {{{"jwt.corp.jwks", ""}, {"jwt.corp.issuer", "http://id.example"}}, "https:// only"},
             {{{"route.ai.auth.jwt", "nobody"}}, "no jwt.nobody.issuer is defined"},
             {{{"route.ai.auth.jwt", ""}}, "route.ai.auth.jwt: is missing"},
             {{{"route.ai.auth.type", "api_key"}}, "has no effect"},
             {{{"route.ai.auth.type", "none, jwt"}}, "none stands alone"},
             {{{"jwt.again.issuer", issuer_name}, {"route.ai.auth.jwt", "corp, again"}}, "has the issuer of another"},
             {{{"access.allow_ips", "10.0.0.1/8"}}, "access.allow_ips"},
             {{{"consumer.tester.jwt", "nobody"}}, "no jwt.nobody.issuer is defined"},
             {{{"consumer.tester.expires", "tomorrow"}}, "expected a date"}}) {
        Conf changed = conf;
        for (const auto& [key, value] : one.set) changed.set(key, value);
        const Exit exit = LoomProcess::run_to_end(changed.use_upstream(1).text());
        EXPECT_EQ(exit.code, 78) << one.said;
        EXPECT_TRUE(contains(exit.log, one.said)) << one.said << " not in\n" << exit.log;
        EXPECT_FALSE(contains(exit.log, secret)) << exit.log;
    }
}

}  // namespace
}  // namespace loom::wire
