// Who is let in by where they come from and when, and who has guessed too often.
#include <ctime>

#include "fixture.h"
#include "websocket.h"

namespace loom::wire {
namespace {

std::string date_in_days(int days) {
    const std::time_t at = std::time(nullptr) + days * 24 * 3600;
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&at));
    return text;
}

class Access : public WireTest {
  protected:
    /// Clients come through a proxy that says who they are.
    void behind_a_proxy() { conf.set("forwarded.trust", "127.0.0.0/8"); }
    static std::string from(const std::string& address) { return "X-Forwarded-For: " + address + "\r\n"; }
    int status_from(const std::string& address) { return ask(chat_request(chat_body, from(address))).status(); }
    Message guess_from(const std::string& address, const std::string& key = "sk-wrong") {
        return ask(request("POST", "/v1/chat/completions", "Authorization: Bearer " + key + "\r\n" + from(address),
                           chat_body));
    }
    Eventually refused(const std::string& reason) {
        return loom().eventually("loom_ai_auth_failures_total{reason=\"" + reason + "\"}");
    }
};

// --- a consumer's time

TEST_F(Access, AnExpiredConsumersKeysAreRefused) {
    conf.set("consumer.old.api_key", "sk-old").set("consumer.old.expires", "2024-01-31T23:59:59+02:00");
    conf.set("consumer.new.api_key", "sk-new").set("consumer.new.expires", date_in_days(100));
    start(answer_always(answer(chat_answer)));
    const auto ask_as = [&](const std::string& key) {
        return ask(request("POST", "/v1/chat/completions", "Authorization: Bearer " + key + "\r\n", chat_body));
    };
    EXPECT_EQ(ask_as("sk-new").status(), 200);
    const Message old = ask_as("sk-old");
    expect_error(old, 401, "invalid_api_key");
    EXPECT_TRUE(contains(old.body, "has expired (consumer.NAME.expires)")) << old.body;
    EXPECT_EQ(refused("expired"), 1);
    EXPECT_EQ(upstream().request_count(), 1u);
    loom().reload(conf.set("consumer.old.expires", "").text());
    EXPECT_EQ(ask_as("sk-old").status(), 200);
}

/// What the conf says of a consumer is there for rules as a token's claims are.
TEST_F(Access, MetadataOfAConsumerAreClaims) {
    conf.set("consumer.tester.metadata.department", "legal").set("consumer.tester.metadata.clearance", "3");
    conf.set("consumer.other.api_key", "sk-other").set("consumer.other.metadata.department", "sales");
    conf.set("consumer.none.api_key", "sk-none");
    conf.set("access.rule.a.when", R"(claim.department in ["legal", "finance"] and claim.clearance >= 3)");
    conf.set("access.rule.a.action", "allow").set("access.rule.b.when", R"(model == "gpt-4o")");
    conf.set("access.rule.b.action", "deny");
    conf.set("routing.rule.r.when", R"(claim["department"] == "legal")").set("routing.rule.r.use", "mock");
    start(answer_always(answer(chat_answer)));
    const auto ask_as = [&](std::string_view key, std::string_view body = chat_body) {
        return ask(request("POST", "/v1/chat/completions",
                           "Authorization: Bearer " + std::string(key) + "\r\nContent-Type: application/json\r\n",
                           body));
    };
    const Message legal = ask_as(client_key);
    EXPECT_EQ(legal.status(), 200) << legal.raw();
    EXPECT_EQ(legal.head.value("x-loom-rule"), "r");
    expect_error(ask_as("sk-other"), 403);
    expect_error(ask_as("sk-none"), 403);  // allow needs it to be known
    loom().reload(conf.set("consumer.tester.metadata.clearance", "2").text());
    expect_error(ask_as(client_key), 403);
    loom().reload(conf.set("consumer.tester.metadata.clearance", "10").text());
    EXPECT_EQ(ask_as(client_key).status(), 200);
}

TEST_F(Access, TheCheckWarnsOfTimesThatAreOverOrNear) {
    conf.set("consumer.tester.expires", date_in_days(5));
    start(answer_always(answer(chat_answer)));
    EXPECT_TRUE(contains(loom().check_conf(), "warning: consumer.tester.expires: comes in 4 days"))
        << loom().check_conf();
    loom().reload(conf.set("consumer.tester.expires", "2020-02-29").text());
    EXPECT_TRUE(contains(loom().check_conf(), "warning: consumer.tester.expires: is over")) << loom().check_conf();
    EXPECT_TRUE(contains(loom().log(), "is over")) << "a reload says it too";
    loom().reload(conf.set("consumer.tester.expires", date_in_days(60)).text());
    EXPECT_FALSE(contains(loom().check_conf(), "expires")) << loom().check_conf();
}

// --- addresses

TEST_F(Access, AllowAndDenyListsOfAllOfARouteAndOfAConsumer) {
    behind_a_proxy();
    conf.set("access.allow_ips", "10.0.0.0/8, 2001:db8::/32").set("access.deny_ips", "10.6.6.0/24");
    conf.set("route.inner.path", "/v1/embeddings").set("route.inner.allow_ips", "10.1.0.0/16");
    conf.set("route.inner.deny_ips", "10.1.2.3");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(status_from("10.1.2.3"), 200);
    EXPECT_EQ(status_from("::ffff:10.1.2.3"), 200) << "v4-mapped is v4";
    EXPECT_EQ(status_from("2001:db8::1"), 200);
    EXPECT_EQ(status_from("10.6.6.6"), 403);
    EXPECT_EQ(status_from("::ffff:10.6.6.6"), 403);
    EXPECT_EQ(status_from("11.0.0.1"), 403);
    EXPECT_EQ(status_from("2001:db9::1"), 403);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 403) << "the proxy itself, for nobody";
    EXPECT_EQ(status_from("10.6.6.6, 10.1.1.1"), 200) << "the last is what the trusted proxy says";
    EXPECT_EQ(status_from("10.1.1.1, 10.6.6.6"), 403);
    const Message denied = ask(chat_request(chat_body, from("11.0.0.1")));
    expect_error(denied, 403, "forbidden");
    EXPECT_TRUE(contains(denied.body, "access.allow_ips")) << denied.body;
    EXPECT_FALSE(contains(denied.body, "10.0.0.0")) << "who is let in is not told";

    const std::string embed = R"({"model":"text-embedding-3-small","input":"x"})";
    const auto inner = [&](const std::string& address) {
        return ask(request("POST", "/v1/embeddings", auth_header() + from(address), embed)).status();
    };
    EXPECT_EQ(inner("10.6.6.6"), 403);
    EXPECT_EQ(inner("10.2.0.1"), 403);
    EXPECT_EQ(inner("10.1.2.3"), 403);
    EXPECT_EQ(inner("10.1.2.4"), 200);
    EXPECT_EQ(refused("address"), 10);

    loom().reload(conf.set("consumer.tester.allow_ips", "10.9.0.0/16").text());
    EXPECT_EQ(status_from("10.9.1.1"), 200);
    const Message other = ask(chat_request(chat_body, from("10.1.1.1")));
    expect_error(other, 403);
    EXPECT_TRUE(contains(other.body, "this consumer may not come from this address")) << other.body;
}

TEST_F(Access, AHeaderOfAStrangerIsNotBelieved) {
    conf.set("access.deny_ips", "127.0.0.0/8");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(status_from("10.0.0.1"), 403);
    loom().reload(conf.set("access.deny_ips", "10.0.0.1").text());
    EXPECT_EQ(status_from("10.0.0.1"), 200);
}

TEST_F(Access, AUnixSocketsPeerHasNoAddressToBeLetInBy) {
    conf.set("listener.local.address", "unix:@DIR@/loom.sock").set("access.deny_ips", "10.0.0.0/8");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    RawClient local{connect_unix(loom().path("loom.sock"))};
    expect_error(local.ask(chat_request(chat_body)), 403);
}

TEST_F(Access, OpenRoutesHaveListsToo) {
    behind_a_proxy();
    conf.set("route.ai.auth.type", "none").set("route.ai.allow_ips", "10.0.0.0/8");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(status_from("10.0.0.1"), 200);
    EXPECT_EQ(status_from("11.0.0.1"), 403);
}

// --- rules

TEST_F(Access, TheFirstRuleThatIsMetDecides) {
    behind_a_proxy();
    conf.set("consumer.intern.api_key", "sk-intern").set("consumer.intern.roles", "intern, dev");
    conf.set("consumer.intern.team", "red");
    // The conf's lines are in the order of their names here.
    conf.set("access.rule.a-office.when", R"(ip in ["10.0.0.0/8"] and "dev" in roles)");
    conf.set("access.rule.a-office.action", "allow");
    conf.set("access.rule.b-large.when", R"("intern" in roles and model == "gpt-4o")");
    conf.set("access.rule.b-large.action", "deny");
    conf.set("access.rule.c-blue.when", R"(team != "red" and path starts_with "/v1/embeddings")");
    conf.set("access.rule.c-blue.action", "deny");
    start(answer_always(answer(chat_answer)));
    const auto ask_as = [&](std::string_view key, const std::string& path, const std::string& body,
                            const std::string& address) {
        return ask(request("POST", path, "Authorization: Bearer " + std::string(key) + "\r\n" + from(address), body));
    };
    const std::string chat = "/v1/chat/completions", small = R"({"model":"gpt-4o-mini","messages":[]})";
    const Message denied = ask_as("sk-intern", chat, chat_body, "11.0.0.1");
    expect_error(denied, 403, "forbidden");
    EXPECT_TRUE(contains(denied.body, "access.rule.b-large")) << denied.body;
    EXPECT_EQ(ask_as("sk-intern", chat, small, "11.0.0.1").status(), 200);
    EXPECT_EQ(ask_as("sk-intern", chat, chat_body, "10.0.0.1").status(), 200) << "let in by the first";
    EXPECT_EQ(ask_as(client_key, chat, chat_body, "11.0.0.1").status(), 200) << "who has no roles is no intern";
    const std::string embed = R"({"model":"text-embedding-3-small","input":"x"})";
    expect_error(ask_as(client_key, "/v1/embeddings", embed, "11.0.0.1"), 403);  // whose team nobody knows
    const int listed = ask(request("GET", "/v1/models", "Authorization: Bearer sk-intern\r\n")).status();
    EXPECT_EQ(listed, 200) << "to list models is not to use one";
    EXPECT_EQ(refused("rule"), 2);
    EXPECT_EQ(upstream().request_count(), 3u) << "nothing of a refused one goes on";
}

TEST_F(Access, RulesMeetWhatIsRelayedUnreadAndPlainRoutesToo) {
    conf.set("route.plain.path", "/plain/*").set("route.plain.ai_gateway", "off").set("route.ai.passthrough", "files");
    ScriptedUpstream plain(answer_always(answer("{}")));
    conf.set("route.plain.upstream", plain.origin());
    conf.set("access.rule.a.when", R"(method == "GET" and route in ["plain", "ai"])")
        .set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    expect_error(ask(get("/plain/x")), 403);
    expect_error(ask(get("/v1/files")), 403);
    expect_error(ask(get("/v1/models")), 403);
    EXPECT_EQ(ask(request("POST", "/plain/x", auth_header(), "{}")).status(), 200);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    loom().reload(conf.set("access.rule.a.when", R"(model == "gpt-4o")").text());
    expect_error(ask(get("/v1/files")), 403);  // nobody can say that it is not for that model
    expect_error(ask(chat_request(chat_body)), 403);
}

/// Providers' prefixes, and all that leads to another model than the one that was asked for.
TEST_F(Access, NoOtherNameOfAModelPassesARule) {
    conf.set("access.rule.a.when", R"(model == "gpt-4o")").set("access.rule.a.action", "deny");
    conf.set("provider.mock.models", "gpt-4o, gpt-4o-mini, gpt-realtime").set("route.gemini.path", "/v1beta/*");
    start(answer_always(answer(chat_answer)));
    const auto ask_for = [this](const std::string& model) {
        return ask(chat_request(R"({"model":")" + model + R"(","messages":[{"role":"user","content":"hi"}]})"));
    };
    for (const char* const name : {"gpt-4o", "mock/gpt-4o", "mock:gpt-4o"}) {
        const Message denied = ask_for(name);
        expect_error(denied, 403, "forbidden");
        EXPECT_TRUE(contains(denied.body, "access.rule.a")) << denied.body;
    }
    EXPECT_EQ(ask_for("gpt-4o-mini").status(), 200);
    EXPECT_EQ(ask_for("mock/gpt-4o-mini").status(), 200);
    EXPECT_EQ(upstream().request_count(), 2u);
    // In a path, and for a session.
    const std::string gemini = R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})";
    EXPECT_EQ(ask(request("POST", "/v1beta/models/mock%2Fgpt-4o:generateContent", auth_header(), gemini)).status(),
              403);
    loom().reload(conf.set("access.rule.a.when", R"(model == "gpt-realtime")").text());
    for (const char* const name : {"gpt-realtime", "mock/gpt-realtime", "mock%2Fgpt-realtime"}) {
        const Message denied = ask(upgrade_request("/v1/realtime?model=" + std::string(name), auth_header()));
        expect_error(denied, 403);
        EXPECT_TRUE(contains(denied.body, "access.rule.a")) << denied.body;
    }
    // What is allowed by the name that the model has here is not by another that the rest denies.
    conf.set("access.rule.a.when", R"(model == "gpt-4o")").set("access.rule.a.action", "allow");
    conf.set("access.rule.b.when", R"(method == "POST")").set("access.rule.b.action", "deny");
    loom().reload(conf.text());
    EXPECT_EQ(ask_for("gpt-4o").status(), 200);
    expect_error(ask_for("mock/gpt-4o"), 403);
    expect_error(ask_for("gpt-4o-mini"), 403);
}

TEST_F(Access, NobodyIsLedToAModelThatARuleDenies) {
    conf.set("provider.mock.models", "gpt-4o, gpt-long").set("routing.failover.enabled", "on");
    conf.set("model_fallback.gpt-4o.context_window", "mock/gpt-long");
    const std::string too_long =
        R"({"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}})";
    start(answer_with([&](const Message& asked) {
        return contains(asked.body, "gpt-long") ? answer(chat_answer) : answer(too_long, "400 Bad Request");
    }));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 2u);
    const Conf without = conf;
    const auto deny = [this] {
        conf.set("access.rule.a.when", R"(model == "gpt-long")").set("access.rule.a.action", "deny");
        loom().reload(conf.text());
    };
    deny();
    expect_error(ask(chat_request(chat_body)), 400);  // the provider's own answer
    EXPECT_EQ(upstream().request_count(), 3u);
    conf = without;  // an experiment whose arm everybody is in
    conf.set("model_fallback.gpt-4o.context_window", "").set("routing.experiment.e.model", "gpt-4o");
    conf.set("routing.experiment.e.arm.all.share", "100%").set("routing.experiment.e.arm.all.use", "mock/gpt-long");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    deny();
    expect_error(ask(chat_request(chat_body)), 400);
    EXPECT_FALSE(contains(upstream().last_request().body, "gpt-long"));
}

/// By the client's name, by the one that the model has here, at any provider that may answer, and as one that the
/// request is led to.
TEST_F(Access, NoOtherNameOfAModelHidesItsTags) {
    ScriptedUpstream second(answer_always(answer(chat_answer)));
    conf.set("provider.mock.models", "gpt-4o, gpt-plain, gpt-long");
    conf.set("provider.second.type", "openai").set("provider.second.base_url", second.origin() + "/v1");
    conf.set("provider.second.api_key", "sk-second").set("provider.second.models", "open");
    conf.set("model_mapping.fast.mock", "gpt-plain").set("model_mapping.fast.second", "secret-7b");
    conf.set("model_mapping.open.second", "open");
    conf.set("model_tag.secret-*", "restricted").set("model_tag.gpt-4o", "restricted, large");
    conf.set("access.rule.a.when", R"("restricted" in tags)").set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    const auto ask_for = [this](const std::string& model) {
        return ask(chat_request(R"({"model":")" + model + R"(","messages":[{"role":"user","content":"hi"}]})"));
    };
    for (const char* const name : {"gpt-4o", "mock/gpt-4o", "mock:gpt-4o", "fast"}) {
        const Message denied = ask_for(name);
        expect_error(denied, 403, "forbidden");
        EXPECT_TRUE(contains(denied.body, "access.rule.a")) << name << denied.body;
    }
    EXPECT_EQ(upstream().request_count() + second.request_count(), 0u);
    EXPECT_EQ(ask_for("gpt-plain").status(), 200);
    // What is allowed by a tag has to have it wherever it may be answered.
    conf.set("access.rule.a.when", R"("public" in tags)").set("access.rule.a.action", "allow");
    conf.set("access.rule.b.when", R"(method == "POST")").set("access.rule.b.action", "deny");
    conf.set("model_tag.gpt-plain", "public");
    loom().reload(conf.text());
    EXPECT_EQ(ask_for("gpt-plain").status(), 200);
    expect_error(ask_for("fast"), 403);
    expect_error(ask_for("gpt-4o"), 403);
    loom().reload(conf.set("model_tag.fast", "public").text());
    EXPECT_EQ(ask_for("fast").status(), 200) << "the alias itself is said to be";
}

TEST_F(Access, NobodyIsLedToAModelWhoseTagIsDenied) {
    conf.set("provider.mock.models", "gpt-4o, gpt-long");
    conf.set("routing.experiment.e.model", "gpt-4o");
    conf.set("routing.experiment.e.arm.all.share", "100%").set("routing.experiment.e.arm.all.use", "mock/gpt-long");
    conf.set("model_tag.gpt-long", "restricted");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_TRUE(contains(upstream().last_request().body, "gpt-long"));
    conf.set("access.rule.a.when", R"("restricted" in tags)").set("access.rule.a.action", "deny");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_FALSE(contains(upstream().last_request().body, "gpt-long"));
}

TEST_F(Access, WhatAPromptAsksForMayBeDenied) {
    conf.set("access.rule.a.when", R"(task == "code" and model == "gpt-4o")").set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    const auto ask_this = [this](const std::string& text) {
        return ask(chat_request(R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + text + R"("}]})"));
    };
    const Message denied = ask_this("Write a Python function that sorts a list, and fix the bug in this code.");
    expect_error(denied, 403, "forbidden");
    EXPECT_TRUE(contains(denied.body, "access.rule.a")) << denied.body;
    EXPECT_EQ(ask_this("Good morning, how are you today?").status(), 200);
    EXPECT_EQ(ask(get("/v1/models")).status(), 200);
}

/// As servers read it.
TEST_F(Access, APathIsTheSameHoweverItIsWritten) {
    conf.set("route.plain.path", "/plain/*").set("route.plain.ai_gateway", "off");
    ScriptedUpstream plain(answer_always(answer("{}")));
    conf.set("route.plain.upstream", plain.origin());
    conf.set("access.rule.a.when", R"(path starts_with "/plain/secret")").set("access.rule.a.action", "deny");
    start(answer_always(answer(chat_answer)));
    for (const char* const path : {"/plain/secret", "/plain//secret/x", "/plain/%73ecret", "/plain/%2Fsecret",
                                   "/plain/s%65cret?x", "/plain///%73%65cret"})
        expect_error(ask(get(path)), 403);
    EXPECT_EQ(ask(get("/plain/public")).status(), 200);
    EXPECT_EQ(ask(get("/plain//public")).status(), 200);
}

// --- guesses

TEST_F(Access, WhoGuessesTooOftenIsLockedOutForAWhile) {
    behind_a_proxy();
    conf.set("auth.lockout.failures", "3").set("auth.lockout.time", "2s").set("loop.shards", "2");
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 3; ++i) expect_error(guess_from("203.0.113.9"), 401);
    const Message locked = guess_from("203.0.113.9");
    expect_error(locked, 429);
    EXPECT_TRUE(contains(locked.body, "auth.lockout")) << locked.body;
    EXPECT_GE(std::stoi(std::string(locked.head.value("Retry-After"))), 1);
    EXPECT_LE(std::stoi(std::string(locked.head.value("Retry-After"))), 2);
    EXPECT_EQ(status_from("203.0.113.9"), 200) << "whose key is right may be behind the same address";
    expect_error(guess_from("203.0.113.9"), 429);  // and sets nobody else free
    expect_error(ask(request("POST", "/v1/chat/completions", from("203.0.113.9"), chat_body)), 429);
    EXPECT_EQ(guess_from("203.0.113.10").status(), 401) << "others are not locked out";
    EXPECT_EQ(refused("key"), 4);
    EXPECT_EQ(refused("lockout"), 3);
    wait_until("the end of the lock", [&] { return guess_from("203.0.113.9").status() == 401; });
}

TEST_F(Access, SuccessesBuyNoGuessesAndMistakesAreNone) {
    behind_a_proxy();
    conf.set("auth.lockout.failures", "3").set("consumer.tester.routes", "ai");
    conf.set("consumer.old.api_key", "sk-old").set("consumer.old.expires", "2020-01-01");
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 5; ++i) {
        expect_error(ask(request("POST", "/v1/chat/completions", from("203.0.113.8"), chat_body)), 401);
        expect_error(guess_from("203.0.113.8", "sk-old"), 401);
    }
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(status_from("203.0.113.9"), 200);
        expect_error(guess_from("203.0.113.9"), 401);
    }
    EXPECT_EQ(status_from("203.0.113.9"), 200);
    expect_error(guess_from("203.0.113.9"), 429);
}

/// Whoever guesses is known behind a row of proxies, and none of those is taken for one who guesses.
TEST_F(Access, BehindSeveralProxiesTheClientIsTheOneThatNoneOfThemIs) {
    conf.set("forwarded.trust", "127.0.0.0/8, 198.51.100.0/24, 2001:db8:1::/48");
    conf.set("auth.lockout.failures", "2").set("access.deny_ips", "192.0.2.66");
    start(answer_always(answer(chat_answer)));
    const auto two_lines = [](const std::string& first, const std::string& second) {
        return "X-Forwarded-For: " + first + "\r\nX-Forwarded-For: " + second + "\r\n";
    };
    for (int i = 0; i < 2; ++i) expect_error(guess_from("203.0.113.9, 198.51.100.7, 198.51.100.8"), 401);
    expect_error(guess_from("203.0.113.9, 198.51.100.7:4711"), 429);
    expect_error(guess_from("192.0.2.1, 203.0.113.9:80, [2001:db8:1::5]:443"), 429);  // what it says itself is nothing
    expect_error(ask(request("POST", "/v1/chat/completions",
                             "Authorization: Bearer x\r\n" + two_lines("203.0.113.9", "198.51.100.7"), chat_body)),
                 429);
    expect_error(guess_from("203.0.113.10, 198.51.100.7"), 401);
    for (int i = 0; i < 5; ++i) expect_error(guess_from("198.51.100.7"), 401);  // a proxy itself is never locked out
    EXPECT_EQ(status_from("192.0.2.66, 198.51.100.7"), 403);
    EXPECT_EQ(status_from("192.0.2.66:1234, 198.51.100.7"), 403);
    EXPECT_EQ(status_from("192.0.2.66, 203.0.113.20, 198.51.100.7"), 200) << "which 203.0.113.20 may say of anybody";
}

TEST_F(Access, AListLetsNobodyInWhomTheProxyDoesNotName) {
    behind_a_proxy();
    conf.set("access.allow_ips", "127.0.0.0/8, 10.0.0.0/8");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 403) << "no entry";
    for (const char* const bad : {"", "unknown", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1.2", "_hidden", "10.0.0.1,",
                                  "10.0.0.1, unknown", "10.0.0.1, unknown, 127.0.0.1", "[10.0.0.1", "fd00::1]:80"})
        EXPECT_EQ(status_from(bad), 403) << bad;
    for (const char* const good : {"10.0.0.1", "10.0.0.1:443", "[::ffff:10.0.0.1]:80", " 10.0.0.1 ", "127.0.0.1"})
        EXPECT_EQ(status_from(good), 200) << good;
    loom().reload(conf.set("access.allow_ips", "").set("consumer.tester.allow_ips", "127.0.0.0/8").text());
    EXPECT_EQ(status_from("unknown"), 403);
    conf.set("consumer.tester.allow_ips", "").set("access.rule.a.when", R"(ip in ["10.0.0.0/8"])");
    loom().reload(conf.set("access.rule.a.action", "deny").text());
    EXPECT_EQ(status_from("unknown"), 403) << "it may be one of them";
    EXPECT_EQ(status_from("11.0.0.1"), 200);
}

TEST_F(Access, ThisMachineAndAProxyThatNamesNobodyAreNeverLockedOut) {
    conf.set("auth.lockout.failures", "2");
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 10; ++i)
        expect_error(ask(request("POST", "/v1/chat/completions", "Authorization: Bearer x\r\n", chat_body)), 401);
    behind_a_proxy();
    loom().reload(conf.text());
    for (int i = 0; i < 10; ++i) expect_error(guess_from("127.0.0.1"), 401);
    for (int i = 0; i < 10; ++i) expect_error(guess_from("::1"), 401);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Access, AReloadKeepsTheLock) {
    behind_a_proxy();
    conf.set("auth.lockout.failures", "2").set("auth.lockout.time", "1h");
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 2; ++i) expect_error(guess_from("203.0.113.9"), 401);
    expect_error(guess_from("203.0.113.9"), 429);
    loom().reload(conf.set("timeout.connect", "4s").text());
    expect_error(guess_from("203.0.113.9"), 429);
    loom().reload(conf.set("auth.lockout.failures", "0").text());
    expect_error(guess_from("203.0.113.9"), 401);  // switched off
}

}  // namespace
}  // namespace loom::wire
