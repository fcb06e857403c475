// What the cache keeps over a restart, and what it must not: what is purged, expired, damaged, another embedder's or of
// another key.
#include <fmt/format.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "../cache/encoder_fixture.h"
#include "cached_chat.h"
#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view asked = "How do I reset my password?";
constexpr std::string_view asked_again = "how do i reset my password";  // as another person types it

class CacheSnapshot : public WireTest {
  protected:
    CacheSnapshot() {
        conf.set("cache.exact.enabled", "on").set("semantic_cache.enabled", "on");
        conf.set("state.directory", state.path()).set("cache.snapshot", "on").set("loop.shards", "2");
        upstream_ = std::make_unique<ScriptedUpstream>(answer_with(plain_answer));
        conf.use_upstream(upstream_->port());
        begin();
    }
    void begin() { loom_ = std::make_unique<LoomProcess>(conf.text()); }
    /// Until all that is there is loaded.
    void begin_and_load() {
        std::vector<std::string> names;
        for (const char* const name : {"exact.snapshot", "semantic.snapshot"})
            if (is_there(name)) names.emplace_back(name);
        begin();
        for (const std::string& name : names) wait_until(name, [&] { return contains(loom().log(), name + ": "); });
    }
    void TearDown() override { EXPECT_EQ(LoomProcess::complaint_in(loom_->log()), ""); }
    LoomProcess& loom() { return *loom_; }
    size_t asked_upstream() const { return upstream_->request_count(); }

    Message ask(std::string_view bytes) { return ask_once(loom_->port(), bytes); }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        return status_of(ask(chat_request(body, headers)));
    }
    /// Asks for the first time, and waits until it can be found by other words too.
    Message keep(std::string_view prompt, int entries) {
        Message first = ask(chat_request(body_of(prompt)));
        EXPECT_EQ(status_of(first), "miss");
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), entries);
        return first;
    }
    Message admin(std::string_view method, std::string_view target) {
        return ask_once(loom().admin_port(), request(method, target));
    }
    void purge(std::string_view what) {
        EXPECT_EQ(admin("POST", fmt::format("/ai/cache/purge?{}", what)).status(), 200);
    }
    void stop() { loom().stop_cleanly(); }
    void kill() {
        loom().signal(SIGKILL);
        (void)loom().wait_for_exit();
    }
    void restart() {
        stop();
        begin();
    }
    Eventually loaded(std::string_view layer, std::string_view result = "kept") {
        return loom().eventually(
            fmt::format(R"(loom_ai_cache_snapshot_loaded_total{{layer="{}",result="{}"}})", layer, result));
    }
    Eventually refused(std::string_view layer) {
        return loom().eventually(fmt::format(R"(loom_ai_cache_snapshot_refused_total{{layer="{}"}})", layer));
    }
    Eventually written(std::string_view layer) {
        return loom().eventually(fmt::format(R"(loom_ai_cache_snapshot_entries{{layer="{}"}})", layer));
    }
    std::string file(std::string_view name) const { return fmt::format("{}/cache/{}", state.path(), name); }
    bool is_there(std::string_view name) const { return fs::exists(file(name)); }
    /// Behind the front of the file, which is read before anybody is let in.
    void damage(std::string_view name) const {
        std::fstream bytes(file(name), std::ios::binary | std::ios::in | std::ios::out);
        bytes.seekp(-3, std::ios::end);
        bytes.put('\x55');
    }

    StateDirectory state;

  private:
    std::unique_ptr<ScriptedUpstream> upstream_;
    std::unique_ptr<LoomProcess> loom_;
};

TEST_F(CacheSnapshot, WhatWasKeptIsGivenAgainAfterARestart) {
    const Message first = keep(asked, 1);
    const Message stream = ask(chat_request(body_of("tell me a story", R"(,"stream":true)")));
    EXPECT_EQ(status_of(stream), "miss");
    restart();
    EXPECT_EQ(loaded("exact"), 2);
    EXPECT_EQ(loaded("semantic"), 2);
    const Message again = ask(chat_request(body_of(asked)));
    EXPECT_EQ(status_of(again), "hit");
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key"));
    const Message like = ask(chat_request(body_of(asked_again)));
    EXPECT_EQ(status_of(like), "semantic");
    EXPECT_EQ(like.body, first.body);
    EXPECT_EQ(like.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key"));
    const Message stream_again = ask(chat_request(body_of("tell me a story", R"(,"stream":true)")));
    EXPECT_EQ(status_of(stream_again), "hit");
    EXPECT_EQ(stream_again.body, stream.body);
    EXPECT_EQ(status(body_of("tell me a story")), "hit") << "each form answers the other";
    EXPECT_TRUE(contains(ask(chat_request(body_of(asked, R"(,"stream":true)"))).body, "data: [DONE]"));
    EXPECT_EQ(asked_upstream(), 2u);
    EXPECT_EQ(loom().eventually(R"(loom_ai_cache_saved_tokens_total{type="output"})"), 12 * 5);
    EXPECT_TRUE(contains(loom().log(), "exact.snapshot: 2 entries loaded")) << loom().log();
}

TEST_F(CacheSnapshot, OutlivesManyRestarts_AndAnotherCountOfShards) {
    for (int i = 0; i < 40; ++i) EXPECT_EQ(status(body_of(fmt::format("question {}", i))), "miss");
    for (const char* const shards : {"1", "3", "2"}) {
        conf.set("loop.shards", shards);
        restart();
        EXPECT_EQ(loaded("exact"), 40) << shards;
        for (int i = 0; i < 40; ++i) EXPECT_EQ(status(body_of(fmt::format("question {}", i))), "hit") << i;
    }
    EXPECT_EQ(asked_upstream(), 40u);
}

TEST_F(CacheSnapshot, IsOffUnlessItIsSwitchedOn_AndThenLeavesNothing) {
    (void)keep(asked, 1);
    stop();
    EXPECT_TRUE(is_there("exact.snapshot") && is_there("semantic.snapshot"));
    conf.set("cache.snapshot", "");
    begin();
    EXPECT_FALSE(is_there("exact.snapshot") || is_there("semantic.snapshot"));
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(loom().metrics().contains(R"(loom_ai_cache_snapshot_entries{layer="exact"})"), false);
    restart();
    EXPECT_FALSE(is_there("exact.snapshot"));
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, IsWrittenNowAndThen_SoThatAKilledProcessLeavesIt) {
    conf.set("cache.snapshot_interval", "1s");
    restart();
    (void)keep(asked, 1);
    EXPECT_EQ(written("exact"), 1);
    EXPECT_EQ(written("semantic"), 1);
    kill();
    begin();
    EXPECT_EQ(loaded("semantic"), 1);
    EXPECT_EQ(status(body_of(asked)), "hit");
    EXPECT_EQ(status(body_of(asked_again)), "semantic");
    EXPECT_EQ(asked_upstream(), 1u);
    stop();
}

TEST_F(CacheSnapshot, WhatIsPurgedDoesNotComeBack_HoweverTheProcessEnds) {
    conf.set("cache.snapshot_interval", "1s");
    restart();
    const std::string key = keep(asked, 1).head.value("x-loom-cache-key");
    (void)keep("What is the weather like in Oslo?", 2);
    EXPECT_EQ(written("exact"), 2);
    EXPECT_EQ(written("semantic"), 2);
    purge("key=" + key);
    kill();
    begin_and_load();
    EXPECT_EQ(status(body_of(asked)), "miss") << "neither the same nor nearly the same";
    stop();
}

TEST_F(CacheSnapshot, AfterAPurgeTheRestIsWrittenAnew) {
    conf.set("cache.snapshot_interval", "1s");
    restart();
    const std::string key = keep(asked, 1).head.value("x-loom-cache-key");
    (void)keep("What is the weather like in Oslo?", 2);
    EXPECT_EQ(written("exact"), 2);
    purge("key=" + key);
    EXPECT_EQ(written("exact"), 1);
    EXPECT_EQ(written("semantic"), 1);
    kill();
    begin();
    EXPECT_EQ(loaded("exact"), 1);
    EXPECT_EQ(loaded("semantic"), 1);
    EXPECT_EQ(status(body_of("What is the weather like in Oslo?")), "hit");
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, APurgeThatMayNotLastIsNoSuccess) {
    const std::string key = keep(asked, 1).head.value("x-loom-cache-key");
    fs::create_directory(file("exact.snapshot"));  // what cannot be removed as a file
    const Message answer = admin("POST", "/ai/cache/purge?key=" + key);
    EXPECT_EQ(answer.status(), 500);
    EXPECT_TRUE(contains(answer.body, "exact.snapshot cannot be removed")) << answer.body;
    EXPECT_EQ(status(body_of(asked)), "miss") << "it is gone all the same";
    fs::remove(file("exact.snapshot"));
    purge("key=" + key);
    stop();
}

TEST_F(CacheSnapshot, WhatIsPurgedJustBeforeTheEndIsNotWritten) {
    (void)keep(asked, 1);
    (void)keep("What is the weather like in Oslo?", 2);
    purge("all=true");
    restart();
    EXPECT_EQ(loaded("exact"), 0);
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(status(body_of("what's the weather like in Oslo")), "miss");
    stop();
}

TEST_F(CacheSnapshot, WhatIsOverIsNotLoaded) {
    conf.set("cache.exact.ttl", "3s").set("semantic_cache.ttl", "3s");
    restart();
    (void)keep(asked, 1);
    stop();
    ASSERT_TRUE(is_there("exact.snapshot"));
    const Deadline over = Deadline::in(std::chrono::milliseconds(3'050));
    while (!over.passed()) ::usleep(10'000);
    begin();
    EXPECT_EQ(loaded("exact", "expired"), 1);
    EXPECT_EQ(loaded("semantic", "expired"), 1);
    EXPECT_EQ(loaded("exact"), 0);
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, AShorterTimeToLiveCountsForWhatWasKeptBefore) {
    (void)keep(asked, 1);
    conf.set("cache.exact.ttl", "10ms").set("semantic_cache.ttl", "10ms");
    restart();
    EXPECT_EQ(loaded("exact", "expired"), 1);
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, AgeGoesOn) {
    (void)keep(asked, 1);
    const Deadline aged = Deadline::in(std::chrono::milliseconds(1'100));
    stop();
    while (!aged.passed()) ::usleep(10'000);
    begin();
    EXPECT_EQ(loaded("semantic"), 1);
    EXPECT_GE(std::stoi(ask(chat_request(body_of(asked))).head.value("age")), 1);
    EXPECT_GE(std::stoi(ask(chat_request(body_of(asked_again))).head.value("age")), 1);
    EXPECT_EQ(status(body_of(asked), "Cache-Control: max-age=0\r\n"), "miss");
    stop();
}

TEST_F(CacheSnapshot, ATenantNeverGetsAnothersAfterARestartEither) {
    conf.set("consumer.other.api_key", "sk-other-0123456789abcdef").set("consumer.other.tenant", "globex");
    conf.set("consumer.tester.tenant", "acme");
    restart();
    (void)keep(asked, 1);
    restart();
    EXPECT_EQ(loaded("semantic"), 1);
    const auto of_other = [&](std::string_view prompt) {
        return status_of(ask(request("POST", "/v1/chat/completions",
                                     "Authorization: Bearer sk-other-0123456789abcdef\r\nContent-Type: "
                                     "application/json\r\n",
                                     body_of(prompt))));
    };
    EXPECT_EQ(of_other(asked), "miss");
    EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), 2);
    EXPECT_EQ(of_other(asked_again), "semantic") << "by its own answer";
    EXPECT_EQ(status(body_of(asked)), "hit");
    purge("tenant=acme");
    restart();
    EXPECT_EQ(loaded("exact"), 1);
    EXPECT_EQ(of_other(asked), "hit");
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, ADamagedFileIsSetAside_AndTheOtherOneIsGood) {
    (void)keep(asked, 1);
    stop();
    damage("exact.snapshot");
    begin();
    EXPECT_EQ(refused("exact"), 1);
    EXPECT_EQ(loaded("semantic"), 1);
    EXPECT_EQ(loaded("exact"), 0);
    EXPECT_TRUE(is_there("exact.snapshot.refused"));
    EXPECT_TRUE(contains(loom().log(), "is damaged at byte")) << loom().log();
    EXPECT_EQ(status(body_of(asked_again)), "semantic");
    restart();
    EXPECT_EQ(refused("exact"), 0) << "what was written since is good";
    stop();
    for (const char* const name : {"exact.snapshot", "semantic.snapshot"}) fs::resize_file(file(name), 70);
    begin();
    EXPECT_EQ(refused("exact"), 1);
    EXPECT_EQ(refused("semantic"), 1);
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, AnotherEmbeddersVectorsAreSetAside_AndExactAnswersStay) {
    (void)keep(asked, 1);
    stop();
    const StateDirectory model;
    conf.set("semantic_cache.embedding.model_path", model.path());
    const cache::testing::SmallEncoder small;
    std::ofstream(model.path() + "/config.json") << small.config();
    std::ofstream(model.path() + "/vocab.txt") << small.vocabulary_file();
    std::ofstream(model.path() + "/model.safetensors", std::ios::binary) << small.weights_file();
    begin();
    EXPECT_EQ(refused("semantic"), 1);
    EXPECT_EQ(loaded("semantic"), 0);
    EXPECT_TRUE(is_there("semantic.snapshot.refused"));
    EXPECT_TRUE(contains(loom().log(), "another embedder")) << loom().log();
    EXPECT_EQ(status(body_of(asked)), "hit");
    stop();
}

TEST_F(CacheSnapshot, IsEncryptedWithTheDirectory) {
    stop();
    fs::remove_all(state.path());
    conf.set("state.encryption_key", std::string(64, 'a'));
    begin();
    (void)keep(asked, 1);
    stop();
    for (const char* const name : {"exact.snapshot", "semantic.snapshot"}) {
        const std::string bytes = read_file(file(name));
        EXPECT_GT(bytes.size(), 100u);
        for (const char* const secret : {"password", "gpt-4o", "tester"}) EXPECT_FALSE(contains(bytes, secret)) << name;
    }
    begin();
    EXPECT_EQ(loaded("semantic"), 1);
    EXPECT_EQ(status(body_of(asked)), "hit");
    EXPECT_EQ(status(body_of(asked_again)), "semantic");
    stop();
    fs::remove(state.path() + "/encryption");  // as if the directory had been made with another key
    conf.set("state.encryption_key", std::string(64, 'b'));
    begin();
    EXPECT_EQ(refused("exact"), 1);
    EXPECT_TRUE(contains(loom().log(), "another key")) << loom().log();
    EXPECT_EQ(status(body_of(asked)), "miss");
    stop();
}

TEST_F(CacheSnapshot, APlainFileDoesNotStayWhereTheDirectoryIsEncrypted) {
    (void)keep(asked, 1);
    stop();
    EXPECT_TRUE(contains(read_file(file("semantic.snapshot")), "password"));
    conf.set("state.encryption_key", std::string(64, 'a'));
    begin();
    EXPECT_EQ(refused("exact"), 1);
    EXPECT_FALSE(is_there("exact.snapshot.refused"));
    EXPECT_EQ(status(body_of("something else")), "miss");
    stop();
    for (const auto& entry : fs::recursive_directory_iterator(state.path()))
        if (entry.is_regular_file()) EXPECT_FALSE(contains(read_file(entry.path().string()), "password"));
}

TEST_F(CacheSnapshot, ASecondLoomInTheSameDirectoryKeepsNothing) {
    (void)keep(asked, 1);
    {
        LoomProcess second(conf.text());
        EXPECT_TRUE(contains(second.log(), "another Loom keeps its cache")) << second.log();
        EXPECT_EQ(status_of(ask_once(second.port(), chat_request(body_of("only here")))), "miss");
        second.stop_cleanly();
    }
    restart();
    EXPECT_EQ(loaded("exact"), 1);
    EXPECT_EQ(status(body_of(asked)), "hit");
    stop();
}

TEST_F(CacheSnapshot, APurgeOfOneThatHasNotTheDirectoryIsNoSuccess_AndNothingComesBack) {
    const std::string key = keep(asked, 1).head.value("x-loom-cache-key");
    {
        LoomProcess second(conf.text());
        const auto purge_there = [&] {
            return ask_once(second.admin_port(), request("POST", "/ai/cache/purge?key=" + key));
        };
        const Message refused = purge_there();
        EXPECT_EQ(refused.status(), 500);
        EXPECT_TRUE(contains(refused.body, "another Loom keeps its cache")) << refused.body;
        stop();  // and writes it
        EXPECT_EQ(purge_there().status(), 200);
        EXPECT_FALSE(is_there("exact.snapshot") || is_there("semantic.snapshot"));
        second.stop_cleanly();
    }
    begin_and_load();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(status(body_of(asked_again)), "semantic") << "of what was asked just now";
    stop();
}

TEST_F(CacheSnapshot, IsOff_AndWhatCannotBeRemovedMakesAPurgeNoSuccess) {
    const std::string key = keep(asked, 1).head.value("x-loom-cache-key");
    stop();
    fs::remove(file("exact.snapshot"));
    fs::create_directory(file("exact.snapshot"));  // what cannot be removed as a file
    conf.set("cache.snapshot", "");
    begin();
    EXPECT_TRUE(contains(loom().log(), "exact.snapshot cannot be removed")) << loom().log();
    EXPECT_EQ(admin("POST", "/ai/cache/purge?key=" + key).status(), 500);
    fs::remove(file("exact.snapshot"));
    purge("key=" + key);
    stop();
}

TEST_F(CacheSnapshot, AFullDiskIsTold_AndWhatWasWrittenBeforeStays) {
    stop();
    if (::mount("none", state.path().c_str(), "tmpfs", 0, "size=1m") != 0)
        GTEST_SKIP() << "mounting a file system is not allowed here";
    conf.set("cache.snapshot_interval", "1s");
    begin();
    (void)keep(asked, 1);
    EXPECT_EQ(written("semantic"), 1);
    {
        std::ofstream filler(state.path() + "/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    EXPECT_EQ(status(body_of("one more")), "miss");
    wait_until("the failure to be told",
               [&] { return loom().metric(R"(loom_ai_cache_snapshot_failures_total{layer="exact"})") > 0; });
    EXPECT_TRUE(contains(loom().log(), "No space left on device")) << loom().log();
    EXPECT_EQ(status(body_of(asked)), "hit");
    kill();
    begin();
    EXPECT_EQ(loaded("exact"), 1);
    EXPECT_EQ(status(body_of(asked)), "hit");
    fs::remove(state.path() + "/filler");
    stop();
    ::umount2(state.path().c_str(), MNT_DETACH);
}

TEST_F(CacheSnapshot, TheCheckSaysWhatItNeeds) {
    EXPECT_TRUE(contains(loom().check_conf(), "lie unencrypted in state.directory"));
    stop();
    conf.set("state.directory", "");
    const Exit exit = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(exit.code, 78);
    EXPECT_TRUE(contains(exit.log, "cache.snapshot: there is no place to keep it")) << exit.log;
}

}  // namespace
}  // namespace loom::wire
