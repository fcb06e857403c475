// Consumers that are made, changed and removed over the admin listener (/ai/consumers): in force on every shard when it
// answers, kept over a kill, and never in the place of a consumer of the conf.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

class Consumers : public WireTest {
  protected:
    Consumers() {
        conf.set("auth.issued_keys", "on").set("state.directory", state.path()).set("loop.shards", "2");
        conf.set("consumer.mobile.models", "gpt-4o");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    Message admin(std::string_view method, std::string_view target, std::string_view body = "",
                  std::string_view lines = "") {
        return ask_once(loom().admin_port(), request(method, target, lines, body), false);
    }
    void made(const std::string& document) {
        const Message told = admin("POST", "/ai/consumers", document);
        EXPECT_EQ(told.status(), 201) << told.body;
        EXPECT_TRUE(contains(told.body, R"("in_force":true)")) << told.body;
    }
    Message changed(const std::string& name, const std::string& document) {
        const Message told = admin("PATCH", "/ai/consumers/" + name, document);
        EXPECT_EQ(told.status(), 200) << told.body;
        EXPECT_TRUE(contains(told.body, R"("in_force":true)")) << told.body;
        return told;
    }
    std::string key_of(const std::string& name) {
        const Message told = admin("POST", "/ai/keys?consumer=" + name);
        EXPECT_EQ(told.status(), 201) << told.body;
        return json_text(told.body, "key");
    }
    static std::string asking(const std::string& key, std::string_view model = "gpt-4o") {
        return request("POST", "/v1/chat/completions",
                       "Authorization: Bearer " + key + "\r\nContent-Type: application/json\r\n",
                       R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":"Hi"}]})");
    }
    int status_of(const std::string& key, std::string_view model = "gpt-4o") {
        return ask(asking(key, model)).status();
    }
    /// On connections enough for both shards.
    void expect_all(const std::string& key, int status) {
        for (int i = 0; i < 12; ++i) ASSERT_EQ(status_of(key), status);
    }
    std::string list() { return admin("GET", "/ai/consumers").body; }

    StateDirectory state;
};

TEST_F(Consumers, AreInForceOnEveryShardAtOnce) {
    begin();
    EXPECT_TRUE(list().starts_with(R"({"consumers":[],"of_conf":[)")) << list();
    for (int turn = 0; turn < 5; ++turn) {
        made(R"({"name":"ci","models":["gpt-4o"],"metadata":{"owner":"jane"}})");
        const std::string key = key_of("ci");
        expect_all(key, 200);
        EXPECT_EQ(status_of(key, "gpt-4o-mini"), 403);
        const std::string told = admin("GET", "/ai/consumers/ci").body;
        EXPECT_TRUE(told.starts_with(
            R"({"name":"ci","models":["gpt-4o"],"priority":5,"disabled":false,"metadata":{"owner":"jane"},"created":"20)"))
            << told;
        EXPECT_TRUE(contains(told, R"("status":"active"})")) << told;
        EXPECT_TRUE(contains(list(), told));
        changed("ci", R"({"models":["gpt-5"]})");
        expect_all(key, 403);
        changed("ci", R"({"models":null})");
        expect_all(key, 200);
        EXPECT_TRUE(contains(changed("ci", R"({"disabled":true})").body, R"("status":"disabled")"));
        expect_all(key, 401);
        changed("ci", R"({"disabled":false})");
        expect_all(key, 200);
        const Message removed = admin("DELETE", "/ai/consumers/ci");
        EXPECT_EQ(removed.body, R"({"name":"ci","removed":true,"keys_ended":1,"in_force":true})");
        expect_all(key, 401);
        EXPECT_EQ(admin("DELETE", "/ai/consumers/ci").status(), 404);
        EXPECT_EQ(admin("GET", "/ai/keys").body, R"({"keys":[]})");
    }
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200) << "those of the conf stay";
    EXPECT_TRUE(contains(loom().log(), "admin: consumer ci was made by 127.0.0.1"));
    EXPECT_TRUE(contains(loom().log(), "admin: consumer ci and 1 keys of it were removed by 127.0.0.1"));
}

TEST_F(Consumers, MetadataAreClaimsForRules_AndThoseOfTheConfAreShown) {
    conf.set("consumer.tester.metadata.department", "legal").set("consumer.tester.metadata.note", R"(says "hi")");
    conf.set("access.rule.a.when", R"(claim.department == "sales")").set("access.rule.a.action", "deny");
    begin();
    EXPECT_TRUE(contains(list(), R"("metadata_of_conf":{"tester":{"department":"legal","note":"says \"hi\""}}})"))
        << list();
    made(R"({"name":"ci","metadata":{"department":"sales"}})");
    const std::string key = key_of("ci");
    expect_all(key, 403);
    changed("ci", R"({"metadata":{"department":"legal"}})");
    expect_all(key, 200);
    changed("ci", R"({"metadata":null})");
    expect_all(key, 403);  // deny: what nobody has said counts as if it held
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Consumers, NeverStandInThePlaceOfTheConfs) {
    begin();
    const std::string of_mobile = key_of("mobile");
    expect_error(admin("POST", "/ai/consumers", R"({"name":"mobile","models":["*"]})"), 409, "consumer_of_conf");
    expect_error(admin("PATCH", "/ai/consumers/mobile", R"({"models":["*"]})"), 409, "consumer_of_conf");
    expect_error(admin("DELETE", "/ai/consumers/mobile"), 409, "consumer_of_conf");
    expect_error(admin("GET", "/ai/consumers/mobile"), 404);
    EXPECT_EQ(status_of(of_mobile), 200);
    EXPECT_EQ(status_of(of_mobile, "gpt-4o-mini"), 403);
    made(R"({"name":"later"})");
    const std::string of_made = key_of("later");
    expect_all(of_made, 200);
    loom().reload(
        conf.set("consumer.later.models", "gpt-4o-mini").set("consumer.later.api_key", "sk-later-of-conf").text());
    EXPECT_EQ(status_of("sk-later-of-conf"), 403) << "as the conf says it";
    EXPECT_EQ(status_of("sk-later-of-conf", "gpt-4o-mini"), 200);
    expect_all(of_made, 401);
    EXPECT_TRUE(contains(admin("GET", "/ai/consumers/later").body, R"("status":"shadowed_by_conf")"));
    expect_error(admin("POST", "/ai/keys?consumer=later"), 409, "consumer_shadowed");
    const std::string shadowed = admin("GET", "/ai/keys?consumer=later").body;
    EXPECT_TRUE(contains(shadowed, R"("status":"consumer_shadowed")")) << shadowed;
    expect_error(admin("POST", "/ai/keys/" + json_text(shadowed.substr(9), "id") + "/rotate"), 409, "key_not_active");
    EXPECT_EQ(admin("DELETE", "/ai/consumers/later").status(), 200);
    EXPECT_EQ(status_of("sk-later-of-conf", "gpt-4o-mini"), 200);
    EXPECT_EQ(status_of(key_of("later"), "gpt-4o-mini"), 200);
}

/// Keys outlive their consumer of the conf; whoever has its name next is somebody else.
TEST_F(Consumers, AreNotGivenAFormersKeys) {
    conf.set("consumer.gone.models", "gpt-4o").set("consumer.gone.tier", "x");
    begin();
    const std::string key = key_of("gone");
    expect_all(key, 200);
    loom().reload(conf.set("consumer.gone.models", "").set("consumer.gone.tier", "").text());
    expect_all(key, 401);
    expect_error(admin("POST", "/ai/consumers", R"({"name":"gone"})"), 409, "consumer_has_keys");
    expect_all(key, 401);
}

TEST_F(Consumers, HaveWhatTheConfsHave) {
    conf.set("rate_limit.enabled", "on").set("rate_limit.tier.slow.request_rate", "2");
    conf.set("rate_limit.request_rate.limit", "0").set("rate_limit.token_rate.limit", "0");
    conf.set("token_accounting.enabled", "on").set("provider.mock.region", "us").set("route.ai.path", "/v1/*");
    begin();
    made(R"({"name":"slow","tier":"slow"})");
    const std::string slow = key_of("slow");
    EXPECT_EQ(status_of(slow), 200);
    EXPECT_EQ(status_of(slow), 200);
    EXPECT_EQ(status_of(slow), 429) << "its tier's";
    changed("slow", R"({"limits":{"request_rate":4}})");
    EXPECT_EQ(status_of(slow), 200) << "its own go before them";
    EXPECT_EQ(status_of(slow), 200);
    EXPECT_EQ(status_of(slow), 429) << "what was taken before counts";
    EXPECT_TRUE(contains(admin("GET", "/ai/limits").body, R"("slow")"));
    made(R"({"name":"poor","budgets":{"daily_limit":30}})");
    const std::string poor = key_of("poor");
    int answered = 0;
    const std::string brief = request(
        "POST", "/v1/chat/completions", "Authorization: Bearer " + poor + "\r\nContent-Type: application/json\r\n",
        R"({"model":"gpt-4o","max_tokens":12,"messages":[{"role":"user","content":"Hi"}]})");
    for (int i = 0; i < 6; ++i) answered += ask(brief).status() == 200;
    EXPECT_GE(answered, 1);
    EXPECT_LE(answered, 2) << "21 tokens each";
    changed("poor", R"({"budgets":null})");
    EXPECT_EQ(ask(brief).status(), 200);
    made(R"({"name":"eu","regions":["eu"]})");
    expect_all(key_of("eu"), 403);
    made(R"({"name":"elsewhere","allow_ips":["192.0.2.0/24"]})");
    expect_all(key_of("elsewhere"), 403);
    made(R"({"name":"over","expires":"2020-01-01"})");
    expect_all(key_of("over"), 401);
    EXPECT_TRUE(contains(list(), R"("status":"expired")"));
    EXPECT_EQ(admin("GET", "/ai/usage/poor").status(), 200);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Consumers, OutliveAReloadAndAKill) {
    begin();
    made(R"({"name":"stays","tier":"gold","limits":null})");
    made(R"({"name":"goes"})");
    const std::string stays = key_of("stays"), goes = key_of("goes");
    changed("stays", R"({"metadata":{"a":"b"}})");
    loom().reload(conf.set("consumer.other.api_key", "sk-of-another").text());
    expect_all(stays, 200);
    EXPECT_EQ(admin("DELETE", "/ai/consumers/goes").status(), 200);
    const std::string before = list();
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    expect_all(stays, 200);
    expect_all(goes, 401);
    EXPECT_EQ(list(), before);
}

/// Whatever the API takes, the next Loom starts with.
TEST_F(Consumers, AreReadAgainHoweverMuchIsSaidOfThem) {
    begin();
    made(R"({"name":"full"})");
    made(R"({"name":"late","expires":"9999-12-31T23:59:59Z"})");
    expect_error(admin("PATCH", "/ai/consumers/late", R"({"expires":"9999-12-31T23:59:59-00:01"})"), 400,
                 "invalid_consumer");
    const auto list_of = [](const std::string& name, size_t count) {
        std::string document = R"({")" + name + R"(":[)";
        for (size_t i = 0; i < count; ++i) document += (i == 0 ? "\"" : ",\"") + std::string(124, 'a') + "\"";
        return document + "]}";
    };
    (void)changed("full", list_of("models", 30));
    (void)changed("full", list_of("roles", 33));
    int taken = 0;  // byte by byte, until it is full
    while (admin("PATCH", "/ai/consumers/full",
                 R"({"team":")" + std::string(static_cast<size_t>(taken) + 1, 't') + R"("})")
               .status() == 200)
        ++taken;
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, 128) << "full before its team's name is as long as may be";
    const std::string before = list();
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    EXPECT_EQ(list(), before);
}

/// What was right when it was said keeps nobody from disabling a consumer later.
TEST_F(Consumers, AreChangedStillWhereTheConfHasMovedOn) {
    conf.set("rate_limit.enabled", "on").set("token_accounting.enabled", "on").set("route.more.path", "/more/*");
    conf.set("rate_limit.request_rate.limit", "0").set("rate_limit.token_rate.limit", "0");
    begin();
    made(R"({"name":"ci","routes":["more","a*"],"limits":{"request_rate":60},"budgets":{"daily_limit":100000}})");
    const std::string key = key_of("ci");
    expect_all(key, 200);
    conf.set("rate_limit.enabled", "off").set("token_accounting.enabled", "off").set("route.more.path", "");
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    EXPECT_TRUE(contains(changed("ci", R"({"disabled":true})").body, R"("status":"disabled")"));
    expect_all(key, 401);
    (void)changed("ci", R"({"disabled":false,"routes":["a*","more"]})");
    expect_all(key, 200);
    for (const char* const document :
         {R"({"routes":["more","nowhere"]})", R"({"limits":{"request_rate":61}})", R"({"budgets":{"daily_limit":5}})"})
        expect_error(admin("PATCH", "/ai/consumers/ci", document), 400, "invalid_consumer");
    (void)changed("ci", R"({"routes":null,"limits":null,"budgets":null})");
}

TEST_F(Consumers, FindNoneOfAFormersCachedAnswers) {
    conf.set("cache.exact.enabled", "on").set("loop.shards", "1");
    for (const char* const scope : {"tenant", "consumer"}) {
        conf.set("cache.exact.scope", scope);
        begin();
        const auto told = [&](const std::string& key) { return ask(asking(key)).head.value("x-loom-cache"); };
        made(R"({"name":"ci"})");
        const std::string first = key_of("ci");
        EXPECT_EQ(told(first), "miss");
        EXPECT_EQ(told(first), "hit");
        (void)changed("ci", R"({"tier":"gold"})");
        EXPECT_EQ(told(first), "hit") << "a change makes it nobody else";
        EXPECT_EQ(admin("DELETE", "/ai/consumers/ci").status(), 200);
        made(R"({"name":"ci"})");
        EXPECT_EQ(told(key_of("ci")), "miss") << scope;
        EXPECT_EQ(admin("DELETE", "/ai/consumers/ci").status(), 200);
        loom().signal(SIGKILL);
        (void)loom().wait_for_exit();
    }
    begin();
}

/// Whatever was answered is there, and what was not is there whole or not at all.
TEST_F(Consumers, AKillBetweenWriteAndAnswerLeavesAllOrNothing) {
    std::mt19937 random(7);
    std::set<std::string> answered, removed;
    int number = 0;
    for (int turn = 0; turn < 12; ++turn) {
        begin();
        const std::string told = list();
        for (const std::string& name : answered)
            EXPECT_TRUE(contains(told, R"({"name":")" + name + R"(","tenant":"t-)" + name +
                                           R"(","priority":5,"disabled":false,"metadata":{"n":")" + name +
                                           R"("},"created")"))
                << name << " in " << told;
        for (const std::string& name : removed) EXPECT_FALSE(contains(told, R"("name":")" + name + "\"")) << name;
        std::atomic<bool> killed = false;
        std::thread killer([&, after = std::chrono::microseconds(2'000 + random() % 60'000)] {
            std::this_thread::sleep_for(after);
            killed = true;
            loom().signal(SIGKILL);
        });
        try {
            RawClient one(loom().admin_port());
            while (!killed) {
                const std::string name = "c" + std::to_string(number++);
                one.send(request(
                    "POST", "/ai/consumers", "",
                    R"({"name":")" + name + R"(","tenant":"t-)" + name + R"(","metadata":{"n":")" + name + R"("}})"));
                if (one.read_response().status() != 201) break;
                answered.insert(name);
                if (number % 3 != 0) continue;
                answered.erase(name);
                one.send(request("DELETE", "/ai/consumers/" + name));
                if (one.read_response().status() != 200) break;
                removed.insert(name);
            }
        } catch (const std::exception&) {  // it was killed
        }
        killer.join();
        (void)loom().wait_for_exit();
    }
    EXPECT_GT(answered.size(), 5u);
    begin();
}

TEST_F(Consumers, WhatCannotBeDoneIsSaid) {
    conf.set("rate_limit.enabled", "off");
    begin();
    const auto fault = [&](const std::string& document) { return admin("POST", "/ai/consumers", document).body; };
    expect_error(admin("POST", "/ai/consumers", ""), 400, "invalid_consumer");
    expect_error(admin("POST", "/ai/consumers", R"({"name":"a","name":"b"})"), 400, "invalid_consumer");
    EXPECT_TRUE(contains(fault(R"({"name":"a","limits":{"rps":1}})"), "'limits.rps': is not known"));
    EXPECT_TRUE(contains(fault(R"({"name":"a","priority":11})"), "'priority': expected a whole number"));
    EXPECT_TRUE(contains(fault(R"({"name":"a","routes":["nowhere"]})"), "'routes': no route is named"));
    EXPECT_TRUE(contains(fault(R"({"name":"a","limits":{"request_rate":1}})"), "rate_limit.enabled"));
    EXPECT_TRUE(contains(fault(R"({"name":"a","budgets":{"daily_limit":1}})"), "token_accounting.enabled"));
    expect_error(admin("POST", "/ai/consumers", R"({"name":")" + std::string(9000, 'x') + "\"}"), 413);
    const std::string chunked = "POST /ai/consumers HTTP/1.1\r\nHost: loom\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                chunk(std::string(20'000, ' ')) + std::string(last_chunk);
    EXPECT_EQ(ask_once(loom().admin_port(), chunked, false).status(), 413);
    expect_error(admin("POST", "/ai/consumers?name=a", "{}"), 400, "unexpected_query");
    expect_error(admin("POST", "/ai/consumers", R"({"name":"a"})", "Origin: http://127.0.0.1\r\n"), 403,
                 "origin_refused");
    expect_error(admin("PUT", "/ai/consumers", R"({"name":"a"})"), 405);
    expect_error(admin("DELETE", "/ai/consumers/a"), 404);
    expect_error(admin("PATCH", "/ai/consumers/a", "{}"), 404);
    expect_error(admin("GET", "/ai/consumers/"), 404);
    expect_error(admin("GET", "/ai/consumers/a/b"), 404);
    made(R"({"name":"a"})");
    expect_error(admin("POST", "/ai/consumers", R"({"name":"a"})"), 409, "consumer_exists");
    expect_error(admin("PATCH", "/ai/consumers/a", R"({"name":"b"})"), 400, "invalid_consumer");
    expect_error(admin("PUT", "/ai/consumers/a", "{}"), 405);
    EXPECT_TRUE(contains(list(), R"("name":"a")"));
}

TEST_F(Consumers, ABodyMayComeInPiecesAndBeWaitedFor) {
    begin();
    const std::string document = R"({"name":"cut","tier":"gold"})";
    const std::string bytes = request("POST", "/ai/consumers", "", document);
    for (size_t cut = 1; cut < bytes.size(); cut += 7) {
        RawClient one(loom().admin_port());
        one.send(bytes.substr(0, cut));
        one.send(bytes.substr(cut) + request("DELETE", "/ai/consumers/cut"));  // and the next one behind it
        EXPECT_EQ(one.read_response().status(), 201) << cut;
        EXPECT_EQ(one.read_response().status(), 200) << cut;
    }
    const std::string waits = "POST /ai/consumers HTTP/1.1\r\nHost: loom\r\nExpect: 100-continue\r\nContent-Length: " +
                              std::to_string(document.size()) + "\r\n\r\n";
    RawClient one(loom().admin_port());
    one.send(waits);
    EXPECT_EQ(one.read_response().status(), 100);
    one.send(document);
    EXPECT_EQ(one.read_response().status(), 201);
}

TEST_F(Consumers, AreTheAdminsToMake) {
    conf.set("admin.token", "the-admin");
    begin();
    expect_error(admin("POST", "/ai/consumers", R"({"name":"a"})"), 401, "invalid_admin_token");
    expect_error(admin("GET", "/ai/consumers"), 401, "invalid_admin_token");
    EXPECT_EQ(admin("POST", "/ai/consumers", R"({"name":"a"})", "Authorization: Bearer the-admin\r\n").status(), 201);
}

TEST_F(Consumers, AreNotMadeWhereTheyAreNotWanted) {
    conf.set("auth.issued_keys", "off").set("consumer.mobile.api_key", "sk-of-mobile");
    begin();
    expect_error(admin("POST", "/ai/consumers", R"({"name":"a"})"), 404);
}

TEST_F(Consumers, AnyNumberOfChangesTakesNoMoreMemory) {
    begin();
    made(R"({"name":"stays"})");
    const std::string key = key_of("stays");
    const auto change = [&](int times) {
        for (int i = 0; i < times; ++i) {
            made(R"({"name":"other","team":"t"})");
            changed("stays", R"({"metadata":{"n":")" + std::to_string(i) + R"("}})");
            EXPECT_EQ(admin("DELETE", "/ai/consumers/other").status(), 200);
        }
    };
    change(10);
    const size_t before = loom().resident_bytes();
    change(40);
    EXPECT_LT(loom().resident_bytes(), before + (size_t{is_sanitized() ? 512u : 8u} << 20));
    EXPECT_EQ(status_of(key), 200);
}

}  // namespace
}  // namespace loom::wire
