// Several Looms on one Redis know each other's sums, whatever happens to it, and nothing is counted twice.
#include <fmt/format.h>

#include <filesystem>

#include "ledger_pages.h"
#include "sharing.h"
#include "tcp_relay.h"

namespace loom::wire {
namespace {

struct Sharer : SharingLoom {
    Sharer(uint16_t upstream_port, const std::string& address) : SharingLoom(upstream_port, address) {
        conf.set("token_accounting.store.redis.interval", "100ms").set("token_accounting.store.redis.timeout", "2s");
        conf.set("consumer.tester.team", "testers");
        conf.set("price.gpt-4o.input_per_1m", "2.50").set("price.gpt-4o.output_per_1m", "10");
    }
    void use(int count) {
        for (int i = 0; i < count; ++i) EXPECT_EQ(ask_once(loom->port(), chat_request(chat_body)).status(), 200);
    }
    std::string page(const std::string& rest = "/tester") const {
        return ask_once(loom->admin_port(), request("GET", "/ai/usage" + rest)).body;
    }
    /// Once all Looms' requests together are so many here.
    std::string wait_for(long requests, bool complete = true) {
        std::string told;
        try {
            wait_until("sums of all", [&] {
                told = page();
                return number_in(told, "requests") == requests &&
                       contains(told, complete ? R"("complete":true)" : R"("complete":false)");
            });
        } catch (const WireError& error) {
            ADD_FAILURE() << error.what() << told << loom->log();
        }
        return told;
    }
};

class SharedUsage : public SharingTest<Sharer> {
  protected:
    SharedUsage() : SharingTest(chat_answer) {}
    Sharer& add(const std::string& address) { return add_one(address); }
    Sharer& add() { return add(redis.address()); }
};

TEST_F(SharedUsage, TwoLoomsTellTheSumsOfBoth) {
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    one.use(3);
    two.use(2);
    for (Sharer* const each : {&one, &two}) {
        const std::string told = each->wait_for(5);
        EXPECT_TRUE(contains(told, R"("tokens":{"prompt":45,"completion":60,"total":105},"requests":5)")) << told;
        EXPECT_TRUE(contains(told, R"("cost":"0.0007125")")) << told;
        EXPECT_TRUE(contains(told, R"("store_up":true,"looms":2,"others_until":"2)")) << told;
        const std::string all = each->page("");
        EXPECT_TRUE(contains(all, R"("teams":[{"team":"testers","tokens":{"prompt":45)")) << all;
    }
    for (const std::string& key : redis.keys())
        EXPECT_TRUE(key.starts_with("loom:tokens:{loom}usage:")) << key << " is in no slot of Loom's";
    EXPECT_GE(one.loom->metric("loom_shared_store_round_trips_total"), 3);
    EXPECT_EQ(one.loom->metric("loom_shared_store_up"), 1);
    EXPECT_EQ(one.loom->metric("loom_shared_store_looms"), 2);
    EXPECT_EQ(one.loom->metric("loom_shared_store_failures_total"), 0);
}

TEST_F(SharedUsage, ARedisThatHasLostEverythingIsFilledAgain) {
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    one.use(3);
    two.use(2);
    one.wait_for(5);
    two.wait_for(5);
    redis.stop();
    one.use(1);
    one.wait_for(6, false);
    redis.start();
    one.wait_for(6);
    two.wait_for(6);
    Sharer& three = add();  // who comes now learns it all from the store alone
    three.start();
    three.wait_for(6);
    for (int round = 0; round < 3; ++round) {
        (void)redis.run({"FLUSHALL"});
        two.use(1);
        for (const auto& each : looms) each->wait_for(7 + round);
    }
}

TEST_F(SharedUsage, ALoomThatWasKilledComesBackAsItself) {
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    two.use(1);
    for (int round = 1; round <= 3; ++round) {
        one.use(2);
        one.wait_for(2 * round + 1);
        two.wait_for(2 * round + 1);
        one.kill();
        EXPECT_EQ(number_in(two.page(), "requests"), 2 * round + 1);
        one.start();
        for (Sharer* const each : {&one, &two}) EXPECT_TRUE(contains(each->wait_for(2 * round + 1), R"("looms":2)"));
    }
}

TEST_F(SharedUsage, WithoutRedisALoomStartsServesAndCountsItsOwn) {
    redis.stop();
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    EXPECT_TRUE(contains(one.page("?period=2024-02"),
                         R"("shared":{"complete":false,"store_up":false,"looms":1,"others_until":null})"))
        << one.page("?period=2024-02");
    for (const std::string query : {"?period=2024-02&group=project", "?period=2024-02&project=x"}) {
        const std::string page = one.page(query);
        EXPECT_TRUE(contains(page, R"("of_this_loom":true)") && !contains(page, "shared")) << page;
    }
    one.use(2);
    one.wait_for(2, false);
    EXPECT_TRUE(contains(one.loom->log(), "token_accounting.store.redis: 127.0.0.1")) << one.loom->log();
    EXPECT_EQ(one.loom->metric("loom_shared_store_up"), 0);
    redis.start();
    two.use(1);
    one.wait_for(3);
    two.wait_for(3);
    EXPECT_TRUE(contains(one.loom->log(), "it answers")) << one.loom->log();
}

TEST_F(SharedUsage, AStalledRedisKeepsNobodyWaiting) {
    Sharer& one = add();
    one.conf.set("token_accounting.store.redis.timeout", "300ms");
    one.start();
    one.use(1);
    one.wait_for(1);
    redis.stall();
    one.use(3);
    one.wait_for(4, false);
    wait_until("the store to be given up", [&one] { return contains(one.page(), R"("store_up":false)"); });
    EXPECT_GE(one.loom->metric("loom_shared_store_failures_total"), 1);
    one.use(3);
    one.wait_for(7, false);
    redis.go_on();
    one.wait_for(7);
}

/// One of two whose way to the store is cut, while the other's is not: neither waits, each goes on with what it knows.
TEST_F(SharedUsage, OneThatIsCutOffAloneIsMissedByNobody_AndTellsAllOfItLater) {
    TcpRelay way(redis.port());
    Sharer &near = add(), &far = add(way.address());
    for (Sharer* const each : {&near, &far}) {
        each->conf.set("token_accounting.store.redis.timeout", "300ms");
        each->start();
        each->use(1);
    }
    for (Sharer* const each : {&near, &far}) each->wait_for(2);
    way.cut();
    far.use(3);
    far.wait_for(5, false);
    near.use(1);
    near.wait_for(3);
    EXPECT_TRUE(contains(near.page(), R"("store_up":true)"));
    way.heal();
    for (Sharer* const each : {&near, &far}) each->wait_for(6);
}

TEST_F(SharedUsage, AWrongPasswordIsToldWithItsRemedyAndNeverShown) {
    RedisServer guarded({"--requirepass", "sesame-open-17"});
    Sharer &none = add(guarded.address()), &wrong = add(guarded.address()), &right = add(guarded.address());
    wrong.conf.set("token_accounting.store.redis.password", "sesame-shut-42");
    right.conf.set("token_accounting.store.redis.password", "sesame-open-17");
    for (const auto& each : looms) {
        each->start();
        each->use(1);
    }
    right.wait_for(1);
    for (Sharer* const each : {&none, &wrong}) {
        each->wait_for(1, false);
        wait_until("the refusal to be told", [each] {
            return contains(each->loom->log(), "it refuses this user or password (token_accounting.store.redis");
        });
        EXPECT_FALSE(contains(each->loom->log(), "sesame"));
        EXPECT_EQ(each->loom->metric("loom_shared_store_up"), 0);
    }
}

/// Each of these answers, to whatever is asked.
TEST_F(SharedUsage, AServerThatIsNoneDoesNoHarm) {
    const std::vector<std::pair<std::string, std::string>> answers = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "no reply of Redis's"},
        {"-LOADING Redis is loading the dataset in memory\r\n", "cannot serve yet"},
        {"-MOVED 3999 127.0.0.1:6381\r\n", "node of a cluster"},
        {"-READONLY You can't write against a read only replica.\r\n", "takes no writes"},
        {"$1000000000\r\n", "no answer in time"},
        {"*1000000000\r\n", "no answer in time"},
        {"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "without having been asked"},
        {"", "no answer in time"},
    };
    for (const auto& [bytes, notice] : answers) {
        ScriptedUpstream server([bytes = bytes](UpstreamConnection& connection) {
            std::string asked;
            if (receive(connection.fd(), asked) == Got::bytes && !bytes.empty()) (void)connection.send(bytes);
            (void)connection.wait_closed();
        });
        Sharer one(upstream.port(), "127.0.0.1:" + std::to_string(server.port()));
        one.conf.set("token_accounting.store.redis.timeout", "300ms");
        one.start();
        one.use(1);
        one.wait_for(1, false);
        wait_until(bytes + " to be told as " + notice, [&] { return contains(one.loom->log(), notice); });
        one.loom->stop_cleanly();
    }
}

/// What the store has as this id's revision.
uint64_t shipped(const RedisServer& redis) {
    const std::vector<std::string> keys = redis.keys("*usage:loom:*");
    if (keys.size() != 1) return 0;
    const std::string text = redis.run({"GET", keys[0]});
    return std::strtoull(text.c_str() + std::min(text.size(), text.find('\n') + 1), nullptr, 10);
}

void copy_state(const std::string& from, const std::string& to) {
    namespace fs = std::filesystem;
    for (const auto& old : fs::directory_iterator(to)) fs::remove_all(old.path());
    fs::copy(from, to, fs::copy_options::recursive);
}

/// Neither outgrows the other: one of them tells no more, and says what is to be done.
TEST_F(SharedUsage, ACopyOfAStateDirectoryIsToldOfAndEndsTheSharingOfOne) {
    Sharer& one = add();
    one.start();
    one.use(1);
    one.wait_for(1);
    one.kill();
    Sharer& two = add();
    copy_state(one.state.path(), two.state.path());
    one.start();
    one.use(1);
    two.start();
    wait_until("the copy to be told of", [&] {
        return contains(one.loom->log() + two.loom->log(),
                        "this one tells and fetches no sums any more; stop both, "
                        "give the copy an empty state.directory");
    });
    const bool is_one = contains(one.loom->log(), "another Loom has this one's id");
    Sharer &twin = is_one ? one : two, &other = is_one ? two : one;
    for (int i = 0; i < 10; ++i) {
        const long before = other.loom->metric("loom_shared_store_round_trips_total");
        one.use(1);
        two.use(1);
        wait_until("another round",
                   [&] { return other.loom->metric("loom_shared_store_round_trips_total") > before + 3; });
    }
    EXPECT_FALSE(contains(other.loom->log(), "no sums any more")) << other.loom->log();
    wait_until("it to be told as not whole", [&] { return contains(twin.page(), R"("complete":false)"); });
    EXPECT_LT(shipped(redis), 100u);
}

TEST_F(SharedUsage, ALostUsageDbIsMadeAnewUnderItsIdAndCountsNothingTwice) {
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    one.use(3);
    two.use(2);
    one.wait_for(5);
    two.wait_for(5);
    for (int round = 1; round <= 2; ++round) {
        one.kill();
        for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"})
            std::filesystem::remove(one.state.path() + "/" + gone);
        one.start();
        one.use(1);
        EXPECT_TRUE(contains(one.wait_for(5 + round), R"("looms":2)"));
        EXPECT_TRUE(contains(two.wait_for(5 + round), R"("looms":2)"));
    }
}

TEST_F(SharedUsage, ACopyThatIsBroughtBackWhileRedisIsEmptyIsHeardAgain) {
    Sharer &one = add(), &two = add();
    one.start();
    two.start();
    two.use(1);
    one.use(2);
    two.wait_for(3);
    one.loom->stop_cleanly();
    const StateDirectory copy;
    copy_state(one.state.path(), copy.path());
    one.start();
    for (int i = 0; i < 4; ++i) {
        one.use(1);
        two.wait_for(4 + i);
    }
    one.kill();
    copy_state(copy.path(), one.state.path());
    (void)redis.run({"FLUSHALL"});
    one.start();
    one.use(1);
    one.wait_for(4);
    two.wait_for(4);
}

TEST_F(SharedUsage, WhatWasSettledLastIsToldAtTheEnd) {
    Sharer &one = add(), &two = add();
    one.conf.set("token_accounting.store.redis.interval", "60s");
    one.start();
    two.start();
    one.use(1);
    one.loom->stop_cleanly();
    two.wait_for(1);
    one.start();
    redis.stop();
    wait_until("the store to be lost", [&] { return one.loom->metric("loom_shared_store_up") == 0; });
    one.use(1);
    one.loom->signal(SIGTERM);
    EXPECT_TRUE(contains(one.loom->wait_for_exit().log, "before all its sums are told"));
    one.loom.reset();
}

TEST_F(SharedUsage, WhatRedisHasDroppedIsToldAnew) {
    Sharer& one = add();
    one.start();
    one.use(2);
    one.wait_for(2);
    wait_until("the month's rows", [&] { return redis.keys("*:order").size() == 1; });
    const std::string rows = redis.keys("*:order")[0].substr(0, redis.keys("*:order")[0].size() - 6);
    for (const std::string& gone : {rows, rows + ":order"}) EXPECT_EQ(redis.run({"DEL", gone}), ":1\r\n");
    Sharer& two = add();
    two.start();
    wait_until("the hole to be told of", [&] { return contains(two.loom->log(), "maxmemory-policy noeviction"); });
    EXPECT_TRUE(contains(two.page("?period=2024-02"), R"("complete":false)"));
    (void)redis.run({"CLIENT", "KILL", "TYPE", "normal"});  // a new connection is looked through as a whole
    two.wait_for(2);
    EXPECT_TRUE(contains(one.loom->log(), "the store has dropped sums of")) << one.loom->log();
}

TEST_F(SharedUsage, RowsOfAnotherVersionAreNotCountedAsRead) {
    Sharer &one = add(), &two = add();
    one.start();
    one.use(1);
    two.start();
    two.wait_for(1);
    const std::string order = redis.keys("*:order")[0], rows = order.substr(0, order.size() - 6);
    const std::string month = rows.substr(0, rows.rfind(':')), loom = rows.substr(rows.rfind(':') + 1);
    (void)redis.run({"HSET", rows, "of tomorrow", "1"});
    (void)redis.run({"ZADD", order, "900", "of tomorrow"});
    (void)redis.run({"HSET", month, loom, "900 0123456789abcdef"});
    two.wait_for(1, false);
    EXPECT_TRUE(contains(two.loom->log(), "cannot be read and are not counted")) << two.loom->log();
    for (int round = 0; round < 2; ++round) {  // the next start asks for it again, and says so
        two.kill();
        two.start();
        two.wait_for(1, false);
        wait_until("it to be told again", [&] { return contains(two.loom->log(), "cannot be read"); });
    }
    (void)redis.run({"HDEL", rows, "of tomorrow"});
    (void)redis.run({"ZREM", order, "of tomorrow"});
    one.kill();
    two.kill();
    one.start();
    one.use(1);
    two.start();
    two.wait_for(2);
}

}  // namespace
}  // namespace loom::wire
