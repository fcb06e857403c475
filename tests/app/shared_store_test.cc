// Leases drawn as who needs them draws them: batches of any size, a server that forgets, is full or goes, and an id
// that outlives its process.
#include "shared_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "../wire/redis_server.h"
#include "../wire/socket.h"

namespace loom::app {
namespace {

using tenant::LeaseDraw;
using tenant::LeaseGrant;
using Grants = Result<std::vector<LeaseGrant>>;

struct Loopback final : net::NameService {
    void resolve(std::string, uint16_t port, Done done) override {
        done(std::vector{*net::Address::parse("127.0.0.1:" + std::to_string(port))}, std::chrono::seconds(5));
    }
};

class SharedStoreTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(shard.open()); }
    void TearDown() override {
        for (auto& one : looms) end(*one);
        shard.close();
        std::filesystem::remove_all(directory);
    }
    struct Loom {
        std::unique_ptr<store::UsageStore> usage;
        std::unique_ptr<SharedStore> shared;
    };
    Loom& start(const std::string& name) {
        Loom& loom = *looms.emplace_back(std::make_unique<Loom>());
        auto usage = store::UsageStore::open({.directory = directory + "/" + name, .shared = true});
        if (!usage) throw std::runtime_error(usage.error());
        loom.usage = std::move(*usage);
        SharedStoreOptions options{.key_prefix = "test:"};
        options.redis.endpoint.host = "redis.test";
        options.redis.endpoint.port = redis.port();
        options.redis.timeout_ms = 300;
        options.redis.pause_max_ms = 100;
        loom.shared = std::make_unique<SharedStore>(shard, names, options, *loom.usage);
        tick_until([&] { return loom.shared->up(); });
        return loom;
    }
    void end(Loom& loom) {
        if (loom.shared == nullptr) return;
        loom.shared->stop();
        tick_until([&] { return loom.shared->idle(); });
        loom.shared.reset();
        loom.usage->stop();
        loom.usage.reset();
    }
    template <class Condition>
    void tick_until(Condition condition) {
        const wire::Deadline deadline = wire::Deadline::standard();
        while (!condition()) {
            deadline.check("the store");
            shard.mailbox().post([] {});
            shard.tick();
        }
    }
    Grants draw(Loom& loom, std::vector<LeaseDraw> draws) {
        std::optional<Grants> got;
        loom.shared->draw(std::move(draws), [&](Grants grants) { got.emplace(std::move(grants)); });
        EXPECT_FALSE(got) << "never inside the call";
        tick_until([&] { return got.has_value(); });
        return std::move(*got);
    }
    static LeaseDraw one_of(const std::string& key, uint64_t limit, uint64_t floor, uint64_t want) {
        return {.key = key, .limit = limit, .floor = floor, .want = want, .ttl_ms = 60'000};
    }

    wire::RedisServer redis;
    std::string directory = [] {
        char name[] = "/tmp/loom-shared-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    io::Shard shard{0, {.ring_entries = 64, .buffer_count = 16, .buffer_bytes = 4096}};
    Loopback names;
    std::vector<std::unique_ptr<Loom>> looms;
};

TEST_F(SharedStoreTest, ABatchOfAnySizeIsAnsweredInItsOrder) {
    Loom &one = start("one"), &two = start("two");
    std::vector<LeaseDraw> draws;
    for (size_t i = 0; i < SharedStore::draws_max; ++i)
        draws.push_back(one_of("k" + std::to_string(i), 100, 0, i % 90));
    const Grants first = draw(one, draws);
    ASSERT_TRUE(first);
    ASSERT_EQ(first->size(), draws.size());
    for (size_t i = 0; i < draws.size(); ++i) ASSERT_EQ((*first)[i].granted, i % 90);
    for (LeaseDraw& each : draws) each.want = 100;
    const Grants second = draw(two, draws);
    ASSERT_TRUE(second);
    for (size_t i = 0; i < draws.size(); ++i) {
        ASSERT_EQ((*second)[i].granted, 100 - i % 90);
        ASSERT_EQ((*second)[i].others, i % 90);
        ASSERT_EQ((*second)[i].looms, i % 90 == 0 ? 1u : 2u);
    }
}

TEST_F(SharedStoreTest, OneBatchAtATime) {
    Loom& loom = start("one");
    std::vector<Errc> told;
    for (int i = 0; i < 3; ++i)
        loom.shared->draw({one_of("k", 10, 0, 5)},
                          [&](const Grants& grants) { told.push_back(grants ? Errc::ok : grants.error().code); });
    tick_until([&] { return told.size() == 3; });
    EXPECT_EQ(std::ranges::count(told, Errc::exhausted), 2);
    bool again = false;
    loom.shared->draw({one_of("k", 10, 0, 5)}, [&](const Grants&) {
        loom.shared->draw({one_of("k", 10, 0, 6)}, [&](const Grants& grants) { again = grants.has_value(); });
    });
    tick_until([&] { return again; });
}

TEST_F(SharedStoreTest, ALoomThatComesBackTakesItsOwnLeaseAgain) {
    Loom& before = start("one");
    EXPECT_EQ((*draw(before, {one_of("k", 100, 70, 90)}))[0].granted, 90u);
    end(before);
    Loom& after = start("one");
    const auto grants = draw(after, {one_of("k", 100, 70, 95)});
    EXPECT_EQ((*grants)[0].granted, 95u);
    EXPECT_EQ((*grants)[0].others, 0u) << "itself is no other";
}

TEST_F(SharedStoreTest, AServerThatForgetsItsScriptsOrEverythingIsNoMatter) {
    Loom& loom = start("one");
    EXPECT_TRUE(draw(loom, {one_of("k", 100, 0, 50)}));
    (void)redis.run({"SCRIPT", "FLUSH"});
    EXPECT_EQ((*draw(loom, {one_of("k", 100, 0, 60)}))[0].granted, 60u);
    redis.stop();
    tick_until([&] { return !loom.shared->up(); });
    const Grants lost = draw(loom, {one_of("k", 100, 0, 60)});
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().side, Side::upstream);
    redis.start();
    tick_until([&] { return loom.shared->up(); });
    EXPECT_EQ((*draw(loom, {one_of("k", 100, 40, 60)}))[0].granted, 60u);
}

/// A copy of long ago that was brought back, or a replica that was promoted: another run has noted that moment.
TEST_F(SharedStoreTest, AServerThatAnotherRunHasWrittenIsNotSettled) {
    Loom& one = start("one");
    const auto settled = [&] {
        const Grants grants = draw(one, {one_of("k", 100, 0, 10)});
        return grants && grants->front().granted == 10 && grants->front().settled;
    };
    EXPECT_FALSE(settled()) << "it was empty";
    const auto since = [&](const std::string& run) {
        EXPECT_EQ(redis.run({"EVAL",
                             "local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') "
                             "return redis.call('SET', KEYS[1], '1 ' .. (ARGV[1] == '' and run or ARGV[1]))",
                             "1", redis.keys("*leases:since").at(0), run}),
                  "+OK\r\n");
    };
    since("");
    EXPECT_TRUE(settled());
    since("0123456789abcdef0123456789abcdef01234567");
    EXPECT_FALSE(settled());
    since("");
    EXPECT_TRUE(settled());
}

TEST_F(SharedStoreTest, AServerThatRefusesAScriptIsAnErrorAndStaysConnected) {
    Loom& loom = start("one");
    (void)redis.run({"SET", "test:{loom}lease:k", "no hash"});
    const Grants wrong = draw(loom, {one_of("k", 100, 0, 50)});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Errc::io);
    (void)redis.run({"CONFIG", "SET", "maxmemory", "1"});
    const Grants full = draw(loom, {one_of("other", 100, 0, 50)});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Errc::io);
    (void)redis.run({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(draw(loom, {one_of("other", 100, 0, 50)}));
    EXPECT_TRUE(loom.shared->up());
}

TEST_F(SharedStoreTest, EndsWithADrawUnderWay) {
    Loom& loom = start("one");
    redis.stall();
    std::optional<Errc> told;
    loom.shared->draw({one_of("k", 10, 0, 5)}, [&](const Grants& grants) { told = grants.error().code; });
    shard.mailbox().post([] {});
    shard.tick();
    end(loom);
    EXPECT_EQ(told, Errc::cancelled);
    redis.go_on();
}

}  // namespace
}  // namespace loom::app
