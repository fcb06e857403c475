// Keys that are made, rotated and ended over the admin listener (/ai/keys): good at once on every shard, gone at once,
// kept over a restart, and nowhere to be read.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class IssuedKeys : public WireTest {
  protected:
    IssuedKeys() {
        conf.set("auth.issued_keys", "on").set("state.directory", state.path()).set("loop.shards", "2");
        conf.set("consumer.mobile.models", "gpt-4o");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    Message admin(std::string_view method, std::string_view target, std::string_view lines = "") {
        return ask_once(loom().admin_port(), request(method, target, lines), false);
    }
    /// One that was made: its key and its id.
    struct Made {
        std::string key;
        std::string id;
    };
    Made made(std::string_view target) {
        const Message told = admin("POST", target);
        EXPECT_EQ(told.status(), 201) << told.raw();
        EXPECT_EQ(told.head.value("cache-control"), "no-store");
        Made one{json_text(told.body, "key"), json_text(told.body, "id")};
        EXPECT_TRUE(one.key.starts_with("sk-loom-")) << told.body;
        EXPECT_EQ(one.key.size(), 51u);
        shown.push_back(one.key);
        return one;
    }
    static std::string asking(const std::string& key, std::string_view model = "gpt-4o") {
        return request("POST", "/v1/chat/completions",
                       "Authorization: Bearer " + key + "\r\nContent-Type: application/json\r\n",
                       R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":"Hi"}]})");
    }
    int status_of(const std::string& key) { return ask(asking(key)).status(); }
    /// On connections enough for both shards.
    void expect_all(const std::string& key, int status) {
        for (int i = 0; i < 12; ++i) ASSERT_EQ(status_of(key), status);
    }
    std::string list() { return admin("GET", "/ai/keys").body; }
    void TearDown() override {
        for (const std::string& key : shown) EXPECT_FALSE(contains(loom().log() + loom().access_log(), key));
        WireTest::TearDown();
    }

    StateDirectory state;
    std::vector<std::string> shown;
};

TEST_F(IssuedKeys, AreGoodAtOnceAndGoneAtOnce) {
    begin();
    EXPECT_EQ(list(), R"({"keys":[]})");
    for (int turn = 0; turn < 5; ++turn) {
        const Made one = made("/ai/keys?consumer=mobile&label=ci%20of%20mobile");
        expect_all(one.key, 200);
        EXPECT_EQ(ask(asking(one.key, "gpt-5")).status(), 403) << "it is its consumer's, with what that may";
        const std::string told = list();
        EXPECT_TRUE(contains(told, R"({"id":")" + one.id + R"(","consumer":"mobile","label":"ci of mobile","tail":")" +
                                       one.key.substr(47) + R"(","created":"20)"))
            << told;
        EXPECT_TRUE(contains(told, R"("expires":null,"status":"active"})")) << told;
        EXPECT_FALSE(contains(told, one.key));
        const Message ended = admin("DELETE", "/ai/keys/" + one.id);
        EXPECT_EQ(ended.body, R"({"id":")" + one.id + R"(","ended":true,"in_force":true})");
        expect_all(one.key, 401);
        EXPECT_EQ(admin("DELETE", "/ai/keys/" + one.id).status(), 404);
    }
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200) << "those of the conf stay";
    EXPECT_TRUE(contains(loom().log(), "of consumer mobile was made by 127.0.0.1"));
    EXPECT_TRUE(contains(loom().log(), "of consumer mobile was ended by 127.0.0.1"));
}

TEST_F(IssuedKeys, ARotationLetsBothBeGoodForAWhile) {
    begin();
    const Made first = made("/ai/keys?consumer=mobile&label=ci");
    const Made second = made("/ai/keys/" + first.id + "/rotate?overlap=3600");
    expect_all(first.key, 200);
    expect_all(second.key, 200);
    const Made third = made("/ai/keys/" + second.id + "/rotate");
    expect_all(second.key, 401);
    expect_all(third.key, 200);
    EXPECT_EQ(admin("POST", "/ai/keys/" + second.id + "/rotate").status(), 409) << "it has ended";
    EXPECT_TRUE(contains(list(), R"("status":"expired"})"));
    EXPECT_EQ(status_of(first.key), 200);
}

TEST_F(IssuedKeys, ARotationLastsAsLongAsItsKeyWasMadeFor) {
    begin();
    const Made first = made("/ai/keys?consumer=mobile");
    const Made second = made("/ai/keys/" + first.id + "/rotate?overlap=60");
    EXPECT_TRUE(contains(admin("POST", "/ai/keys/" + first.id + "/rotate").body, R"("expires":null)"))
        << "it was to end in a minute, and was made for ever";
    EXPECT_EQ(status_of(first.key), 401);
    EXPECT_EQ(status_of(second.key), 200);
}

/// The table of keys is made anew with each change: it must not grow by that.
TEST_F(IssuedKeys, AnyNumberOfChangesTakesNoMoreMemory) {
    begin();
    const Made stays = made("/ai/keys?consumer=mobile");
    const auto change = [&](int times) {
        for (int i = 0; i < times; ++i)
            EXPECT_EQ(admin("DELETE", "/ai/keys/" + made("/ai/keys?consumer=mobile").id).status(), 200);
    };
    change(5);
    const size_t before = loom().resident_bytes();
    change(30);
    EXPECT_LT(loom().resident_bytes(), before + (size_t{8} << 20));
    EXPECT_EQ(status_of(stays.key), 200);
}

TEST_F(IssuedKeys, OfOneConsumerThereIsAnEnd) {
    begin();
    for (int i = 0; i < 100; ++i) (void)made("/ai/keys?consumer=mobile");
    expect_error(admin("POST", "/ai/keys?consumer=mobile"), 409, "too_many_keys");
    EXPECT_EQ(admin("POST", "/ai/keys?consumer=tester").status(), 201);
}

TEST_F(IssuedKeys, AreEndedWhileLoomDrainsToo) {
    Gate gate;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(chat_answer));
        }
    });
    const Made one = made("/ai/keys?consumer=mobile");
    RawClient waiting = client();
    waiting.send(asking(one.key));
    wait_until("it to be asked", [&] { return upstream().request_count() == 1; });
    loom().signal(SIGTERM);
    wait_until("the drain", [&] { return contains(loom().log(), "draining"); });
    EXPECT_TRUE(contains(admin("DELETE", "/ai/keys/" + one.id).body, R"("in_force":true)"));
    gate.open();
    EXPECT_EQ(waiting.read_response().status(), 200) << "what was let in is answered";
}

TEST_F(IssuedKeys, EndWhenTheirTimeIsOver) {
    begin();
    const Made brief = made("/ai/keys?consumer=mobile&expires_in=2");
    const Made lasting = made("/ai/keys?consumer=mobile&expires_in=3600");
    EXPECT_EQ(status_of(brief.key), 200);
    wait_until("it to end", [&] { return status_of(brief.key) == 401; });
    expect_all(brief.key, 401);
    expect_all(lasting.key, 200);
}

TEST_F(IssuedKeys, OutliveARestartAndAReload) {
    begin();
    const Made one = made("/ai/keys?consumer=mobile"), gone = made("/ai/keys?consumer=mobile");
    EXPECT_EQ(admin("DELETE", "/ai/keys/" + gone.id).status(), 200);
    conf.set("consumer.other.api_key", "sk-of-another");
    loom().reload(conf.text());
    expect_all(one.key, 200);
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    expect_all(one.key, 200);
    expect_all(gone.key, 401);
    for (const auto& file : std::filesystem::directory_iterator(state.path())) {
        if (!file.is_regular_file()) continue;
        EXPECT_FALSE(contains(read_file(file.path()), one.key)) << file.path() << ": hashes alone are kept";
        EXPECT_EQ(file.status().permissions() & std::filesystem::perms(077), std::filesystem::perms::none);
    }
}

TEST_F(IssuedKeys, AreNobodysWithoutTheirConsumer) {
    begin();
    const Made one = made("/ai/keys?consumer=mobile");
    Conf without = conf;
    without.set("consumer.mobile.models", "");
    const std::string text = without.text();
    std::string lines;
    for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at) + 1;
        if (!contains(text.substr(at, end - at), "consumer.mobile")) lines += text.substr(at, end - at);
        at = end;
    }
    loom().reload(lines);
    expect_all(one.key, 401);
    EXPECT_TRUE(contains(list(), R"("status":"consumer_unknown"})"));
    EXPECT_EQ(admin("POST", "/ai/keys/" + one.id + "/rotate").status(), 409);
    loom().reload(conf.text());
    expect_all(one.key, 200);
}

TEST_F(IssuedKeys, WhatCannotBeDoneIsSaid) {
    begin();
    expect_error(admin("POST", "/ai/keys"), 400, "missing_consumer");
    expect_error(admin("POST", "/ai/keys?consumer=nobody"), 404, "consumer_not_found");
    for (const char* const query :
         {"consumer=mobile&expires_in=0", "consumer=mobile&expires_in=30d", "consumer", "consumer=mobile&expires_in=-5",
          "consumer=mobile&expires_in=99999999999999", "consumer=mobile&model=gpt-4o", "consumer=mobile&label=a%0ab",
          "consumer=%zz", "consumer=mobile&overlap=5"})
        expect_error(admin("POST", "/ai/keys?" + std::string(query)), 400);
    expect_error(admin("POST", "/ai/keys?consumer=mobile&label=" + std::string(129, 'x')), 400);
    expect_error(admin("POST", "/ai/keys?consumer=mobile", "Origin: http://127.0.0.1\r\n"), 403, "origin_refused");
    expect_error(admin("PUT", "/ai/keys?consumer=mobile"), 405);
    expect_error(admin("GET", "/ai/keys/key_1"), 405);
    expect_error(admin("DELETE", "/ai/keys/key_1"), 404);
    expect_error(admin("DELETE", "/ai/keys/"), 404);
    expect_error(admin("POST", "/ai/keys/key_1/rotated"), 404);
    EXPECT_EQ(list(), R"({"keys":[]})");
}

TEST_F(IssuedKeys, AreTheAdminsToMake) {
    conf.set("admin.token", "the-admin");
    begin();
    expect_error(admin("POST", "/ai/keys?consumer=mobile"), 401, "invalid_admin_token");
    expect_error(admin("GET", "/ai/keys"), 401, "invalid_admin_token");
    EXPECT_EQ(admin("POST", "/ai/keys?consumer=mobile", "Authorization: Bearer the-admin\r\n").status(), 201);
}

TEST_F(IssuedKeys, AreNotMadeWhereTheyAreNotWanted) {
    conf.set("auth.issued_keys", "off").set("consumer.mobile.api_key", "sk-of-mobile");
    begin();
    expect_error(admin("POST", "/ai/keys?consumer=mobile"), 404);
}

TEST_F(IssuedKeys, NeedAPlaceToBeKept) {
    conf.set("state.directory", "");
    const Exit refused = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(refused.code, 78);
    EXPECT_TRUE(contains(refused.log, "auth.issued_keys: needs state.directory")) << refused.log;
}

TEST_F(IssuedKeys, ADamagedFileIsToldAndNotOverwritten) {
    begin();
    const Made one = made("/ai/keys?consumer=mobile");
    loom().stop_cleanly();
    const std::string path = state.path() + "/keys.db";
    std::filesystem::remove(path + "-wal");
    std::string bytes = read_file(path);
    ASSERT_FALSE(bytes.empty());
    write_file(path, "no database at all, but long enough to be looked at as one" + std::string(4096, 'x'));
    const Exit refused = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(refused.code, 78);
    EXPECT_TRUE(contains(refused.log, "keys.db: is damaged")) << refused.log;
    write_file(path, bytes);
    begin();
    expect_all(one.key, 200);
}

}  // namespace
}  // namespace loom::wire
