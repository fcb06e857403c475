// The connection to a Redis, against a real one that is restarted and stalled, and against a scripted one that is none;
// and the law of leases: whatever is drawn, all together have no more than the limit, or their floors.
#include "loom/upstream/redis_client.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>

#include "../wire/redis_server.h"
#include "../wire/scripted_upstream.h"
#include "../wire/tls_front.h"
#include "loom/base/clock.h"
#include "loom/store/lease_script.h"
#include "tls_certificates.h"

namespace loom::upstream {
namespace {

using store::RedisReply;
using wire::RedisServer;
using wire::ScriptedUpstream;
using wire::UpstreamConnection;

struct Loopback final : net::NameService {
    void resolve(std::string, uint16_t port, Done done) override {
        done(std::vector{*net::Address::parse("127.0.0.1:" + std::to_string(port))}, std::chrono::seconds(5));
    }
};

class RedisClientTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(shard.open()); }
    void TearDown() override {
        end_client();
        shard.close();
    }
    void end_client() {
        if (client == nullptr) return;
        client->close();
        for (int turn = 0; turn < 1000 && !client->idle(); ++turn) shard.tick();
        EXPECT_TRUE(client->idle());
        client.reset();
    }
    void connect(uint16_t port, RedisOptions options = {}) {
        options.endpoint.host = "redis.test";
        options.endpoint.port = port;
        options.endpoint.idle_max = 0;
        options.timeout_ms = 300;
        options.pause_max_ms = 100;
        client = std::make_unique<RedisClient>(shard, names, std::move(options), [this](bool good, std::string text) {
            told += (good ? "+" : "-") + text + "\n";
        });
    }
    template <class Condition>
    void tick_until(Condition condition) {
        const wire::Deadline deadline = wire::Deadline::standard();
        while (!condition()) {
            deadline.check("the client; it told:\n" + told);
            turn();
        }
    }
    /// A turn that does not wait for ever where nothing happens.
    void turn() {
        shard.mailbox().post([] {});
        shard.tick();
    }
    void wait_until_up() {
        tick_until([this] { return client->up(); });
    }
    Result<RedisReply> ask(std::initializer_list<std::string_view> words) {
        return ask(store::redis_command({words.begin(), words.size()}));
    }
    Result<RedisReply> ask(std::string command) {
        std::optional<Result<RedisReply>> got;
        client->ask(std::move(command), [&](Result<RedisReply> reply) { got.emplace(std::move(reply)); });
        EXPECT_FALSE(got) << "never inside the call";
        tick_until([&] { return got.has_value(); });
        return std::move(*got);
    }
    bool was_told(std::string_view text) const { return told.find(text) != told.npos; }

    io::Shard shard{0, {.ring_entries = 64, .buffer_count = 16, .buffer_bytes = 4096}};
    Loopback names;
    std::string told;
    std::unique_ptr<RedisClient> client;
};

TEST_F(RedisClientTest, AsksInOrderManyAtOnce) {
    RedisServer redis;
    connect(redis.port(), {.client_name = "loom-test"});
    wait_until_up();
    EXPECT_EQ(told, "+it answers\n");
    EXPECT_EQ(ask({"SET", "a", std::string(100'000, 'x')})->text, "OK");
    EXPECT_EQ(ask({"GET", "a"})->text, std::string(100'000, 'x'));
    std::vector<int64_t> numbers;
    for (int i = 0; i < 64; ++i) {
        const std::string_view words[] = {"INCR", "n"};
        client->ask(store::redis_command(words), [&](Result<RedisReply> reply) { numbers.push_back(reply->integer); });
    }
    tick_until([&] { return numbers.size() == 64; });
    for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(numbers[static_cast<size_t>(i)], i + 1);
    EXPECT_EQ(ask({"CLIENT", "GETNAME"})->text, "loom-test");
    EXPECT_TRUE(ask({"LPUSH", "a", "x"})->is_error()) << "of one command: the connection stays";
    EXPECT_EQ(ask({"GET", "missing"})->type, RedisReply::Type::nil);
    EXPECT_EQ(client->counts().failures, 0u);
    EXPECT_EQ(client->counts().refusals, 1u);
}

TEST_F(RedisClientTest, NoMoreWaitThanThereIsRoomFor) {
    RedisServer redis;
    connect(redis.port(), {.queue_max = 4});
    wait_until_up();
    int answered = 0, refused = 0;
    for (int i = 0; i < 100; ++i) {
        const std::string_view words[] = {"PING"};
        client->ask(store::redis_command(words), [&](const Result<RedisReply>& reply) {
            if (reply) answered += 1;
            if (!reply && reply.error().code == Errc::exhausted) refused += 1;
        });
    }
    tick_until([&] { return answered + refused == 100; });
    EXPECT_LE(answered, 10);
    EXPECT_EQ(ask({"PING"})->text, "PONG");
}

TEST_F(RedisClientTest, SpeaksAsTheUserThatItIs) {
    RedisServer redis({"--requirepass", "sesame-17"});
    const auto password = [](const char* text) { return std::make_shared<const Secret>(std::string(text)); };
    connect(redis.port(), {.password = password("sesame-17"), .database = 3});
    wait_until_up();
    EXPECT_EQ(ask({"SET", "here", "1"})->text, "OK");
    EXPECT_EQ(redis.run({"EXISTS", "here"}), ":0\r\n") << "in database 3";
    (void)redis.run({"ACL", "SETUSER", "loom", "on", ">open-23", "~*", "+set", "+get"});
    end_client();
    connect(redis.port(), {.username = "loom", .password = password("open-23")});
    wait_until_up();
    EXPECT_EQ(ask({"SET", "there", "1"})->text, "OK") << "who may not even PING serves";
    for (const char* const wrong : {"sesame-18", ""}) {
        end_client();
        told.clear();
        connect(redis.port(), {.password = *wrong == '\0' ? nullptr : password(wrong)});
        tick_until([&] { return was_told("refuses this user or password"); });
        EXPECT_FALSE(client->up());
        EXPECT_EQ(ask({"PING"}).error().code, Errc::unauthenticated);
        EXPECT_FALSE(was_told("sesame")) << told;
    }
}

TEST_F(RedisClientTest, ComesBackAfterARestart) {
    RedisServer redis;
    connect(redis.port());
    std::vector<bool> changes;
    client->on_change([&](bool up) { changes.push_back(up); });
    wait_until_up();
    for (int round = 0; round < 3; ++round) {
        redis.stop();
        tick_until([&] { return !client->up(); });
        const uint64_t asked_ms = monotonic_ns() / 1'000'000;
        EXPECT_FALSE(ask({"PING"}));
        EXPECT_LT(monotonic_ns() / 1'000'000 - asked_ms, 5'000u);
        redis.start();
        wait_until_up();
        EXPECT_EQ(ask({"PING"})->text, "PONG");
    }
    end_client();
    EXPECT_EQ(changes, (std::vector{true, false, true, false, true, false, true, false}));
}

TEST_F(RedisClientTest, AServerThatStallsIsGivenUpInTime) {
    RedisServer redis;
    connect(redis.port());
    wait_until_up();
    redis.stall();
    EXPECT_EQ(ask({"PING"}).error().code, Errc::timed_out);
    EXPECT_FALSE(client->up());
    EXPECT_TRUE(was_told("-no answer in time")) << told;
    tick_until([&] { return client->counts().failures >= 3; });  // it connects, and nobody greets
    redis.go_on();
    wait_until_up();
    EXPECT_EQ(ask({"PING"})->text, "PONG");
}

/// The answer is there by then, and only nobody has looked.
TEST_F(RedisClientTest, AThreadThatWasBusyIsNoFaultOfTheServers) {
    RedisServer redis;
    connect(redis.port());
    wait_until_up();
    std::optional<Result<RedisReply>> got;
    redis.stall();
    const std::string_view words[] = {"INCR", "n"};
    client->ask(store::redis_command(words), [&](Result<RedisReply> reply) { got.emplace(std::move(reply)); });
    for (int i = 0; i < 3; ++i) turn();  // it is sent
    redis.go_on();
    const wire::Deadline deadline = wire::Deadline::standard();
    while (redis.run({"EXISTS", "n"}) != ":1\r\n") deadline.check("the command");
    const uint64_t until_ns = monotonic_ns() + 400'000'000;  // longer than its time
    while (monotonic_ns() < until_ns) ::usleep(1'000);
    tick_until([&] { return got.has_value(); });
    EXPECT_TRUE(*got) << got->error().what;
    EXPECT_EQ(client->counts().failures, 0u) << told;
}

TEST_F(RedisClientTest, IsEndedWhateverItIsAt) {
    RedisServer redis;
    for (int turns = 0; turns < 12; ++turns) {
        connect(redis.port());
        int told_of = 0;
        for (int i = 0; i < 3; ++i) {
            const std::string_view words[] = {"PING"};
            client->ask(store::redis_command(words), [&](const Result<RedisReply>&) { told_of += 1; });
        }
        for (int i = 0; i < turns; ++i) turn();
        end_client();
        EXPECT_EQ(told_of, 3) << "once each, behind " << turns << " turns";
    }
}

/// Answers by its script to a connection's first bytes, whatever they are.
std::unique_ptr<ScriptedUpstream> server_that_says(std::string bytes) {
    return std::make_unique<ScriptedUpstream>([bytes = std::move(bytes)](UpstreamConnection& connection) {
        std::string asked;
        if (wire::receive(connection.fd(), asked) != wire::Got::bytes) return;
        (void)connection.send(bytes);
        (void)connection.wait_closed();
    });
}

TEST_F(RedisClientTest, AServerThatIsNoneIsNamedAsWhatItIs) {
    const std::tuple<const char*, const char*, Errc> answers[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "no reply of Redis's", Errc::bad_message},
        {"-LOADING Redis is loading\r\n", "cannot serve yet (LOADING", Errc::unsupported},
        {"-NOAUTH Authentication required.\r\n", "refuses this user or password", Errc::unauthenticated},
        {"-MOVED 1 10.0.0.1:6379\r\n", "name the node that has it in token_accounting.store.redis.address (MOVED 1 10.",
         Errc::unsupported},
        {"-READONLY no\r\n", "takes no writes", Errc::unsupported},
        {"-ERR unknown command 'PING'\r\n", "", Errc::ok},
        {"+OK\r\n+OK\r\n+OK\r\n", "without having been asked", Errc::bad_message},
        {"+OK\r\n+OK\r\n", "answers PING as no Redis does", Errc::bad_message},
        {"-ERR max number of clients reached\r\n", "raise its maxclients", Errc::unsupported},
        {"$1000000000\r\nabc", "no answer in time", Errc::timed_out},
        {"*3\r\n:1\r\n", "no answer in time", Errc::timed_out},
        {"", "no answer in time", Errc::timed_out},
    };
    for (const auto& [bytes, notice, code] : answers) {
        const auto server = server_that_says(bytes);
        told.clear();
        connect(server->port(), {.client_name = code == Errc::ok ? "" : "loom-test"});
        if (code == Errc::ok) {
            wait_until_up();  // it answers: what it cannot do, a command will tell
        } else {
            tick_until([&, text = notice] { return was_told(text); });
            EXPECT_EQ(ask({"PING"}).error().code, code) << bytes;
        }
        end_client();
    }
}

TEST_F(RedisClientTest, RepliesMayComeByteByByte) {
    std::atomic<bool> all_read = false;
    const ScriptedUpstream server([&all_read](UpstreamConnection& connection) {
        std::string asked;
        if (wire::receive(connection.fd(), asked) != wire::Got::bytes) return;
        if (!connection.send_byte_by_byte("+PONG\r\n")) return;
        if (wire::receive(connection.fd(), asked) != wire::Got::bytes) return;
        (void)connection.send_byte_by_byte("*2\r\n$2\r\nab\r\n:5\r\n");
        all_read = true;
        (void)connection.wait_closed();
    });
    connect(server.port());
    wait_until_up();
    const auto reply = ask({"ANY"});
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->items.size(), 2u);
    EXPECT_EQ(reply->items[0].text, "ab");
    EXPECT_EQ(reply->items[1].integer, 5);
    tick_until([&] { return all_read.load(); });
    end_client();
}

/// The front's certificate is the host's; whether it is believed is up to the trust.
TEST_F(RedisClientTest, SpeaksTlsWithWhomItTrustsAndSaysWhyNotWithOthers) {
    RedisServer redis;
    net::test::Authority good("Good CA"), other("Other CA");
    wire::TlsFront front(redis.port(), {.certificates = {good.issue({.names = "DNS:redis.test"})}});
    const std::string ca_path = testing::TempDir() + "/loom-redis-ca-" + std::to_string(::getpid()) + ".pem";
    for (const net::test::Authority* authority : {&good, &other}) {
        std::ofstream(ca_path, std::ios::trunc) << authority->pem();
        const auto trust = net::load_tls_trust(ca_path);
        ASSERT_TRUE(trust);
        RedisOptions options;
        options.endpoint.tls = true;
        options.endpoint.terms.trust = *trust;
        connect(front.port(), std::move(options));
        if (authority == &good) {
            wait_until_up();
            EXPECT_EQ(ask({"SET", "a", std::string(100'000, 'x')})->text, "OK");
            EXPECT_EQ(ask({"GET", "a"})->text, std::string(100'000, 'x'));
        } else {
            tick_until([this] { return was_told("Good CA"); });
            EXPECT_EQ(ask({"PING"}).error().code, Errc::tls_failed);
        }
        end_client();
    }
    ::unlink(ca_path.c_str());
}

TEST_F(RedisClientTest, NobodyListensThere) {
    connect(wire::free_port());
    tick_until([&] { return client->counts().failures >= 3; });
    EXPECT_EQ(ask({"PING"}).error().code, Errc::refused) << told;
}

class Leases : public RedisClientTest {
  protected:
    Result<std::vector<tenant::LeaseGrant>> draw(const std::string& loom, const std::vector<tenant::LeaseDraw>& draws) {
        auto reply = ask(store::lease_command("test:", loom, draws, false));
        if (reply && reply->is_error() && store::redis_fault(reply->text) == store::RedisFault::no_script)
            reply = ask(store::lease_command("test:", loom, draws, true));
        if (!reply) return std::unexpected(reply.error());
        EXPECT_FALSE(reply->is_error()) << reply->text;
        return store::read_lease_grants(*reply, draws.size());
    }
    tenant::LeaseGrant draw_one(const std::string& loom, uint64_t limit, uint64_t floor, uint64_t want,
                                uint64_t ttl_ms = 60'000) {
        const auto grants = draw(loom, {{.key = "k", .limit = limit, .floor = floor, .want = want, .ttl_ms = ttl_ms}});
        EXPECT_TRUE(grants);
        return grants ? (*grants)[0] : tenant::LeaseGrant{};
    }
    RedisServer redis;
};

TEST_F(Leases, AreNoMoreThanTheLimitTogether) {
    connect(redis.port());
    wait_until_up();
    EXPECT_EQ(draw_one("a", 100, 0, 60).granted, 60u);
    const auto second = draw_one("b", 100, 0, 60);
    EXPECT_EQ(second.granted, 40u);
    EXPECT_EQ(second.others, 60u);
    EXPECT_EQ(second.looms, 2u);
    EXPECT_EQ(draw_one("a", 100, 10, 20).granted, 20u) << "the rest goes back";
    EXPECT_EQ(draw_one("b", 100, 0, 90).granted, 80u);
    EXPECT_EQ(draw_one("c", 100, 5, 50).granted, 5u) << "what was used is, over the limit too";
    EXPECT_EQ(draw_one("a", 100, 0, 0).granted, 0u);
    EXPECT_EQ(draw_one("b", 100, 0, 1).looms, 2u) << "who lets go is not there";
}

TEST_F(Leases, AreExactUpToTheirBound) {
    connect(redis.port());
    wait_until_up();
    constexpr uint64_t most = uint64_t{1} << 52;
    EXPECT_EQ(draw_one("a", most, most - 3, most - 1).granted, most - 1);
    EXPECT_EQ(draw_one("b", most, 0, most).granted, 1u);
    EXPECT_EQ(draw_one("b", most, most, most).granted, most);
    EXPECT_EQ(draw_one("c", most, 0, 5).others, 2 * most - 1);
}

/// What no Loom writes keeps no batch from being done, and no key for ever.
TEST_F(Leases, AFieldThatNoLoomHasWrittenIsBounded) {
    connect(redis.port());
    wait_until_up();
    (void)redis.run({"HSET", "test:{loom}lease:k", "x", "1 99999999999999999 0 1"});
    (void)redis.run({"HSET", "test:{loom}lease:k", "y", "no lease"});
    const auto grants = draw("a", {{.key = "k", .limit = 100, .floor = 0, .want = 60, .ttl_ms = 60'000},
                                   {.key = "l", .limit = 100, .floor = 0, .want = 60, .ttl_ms = 60'000}});
    ASSERT_TRUE(grants);
    EXPECT_EQ((*grants)[0].granted, 60u);
    EXPECT_EQ((*grants)[1].granted, 60u);
    EXPECT_EQ(redis.run({"HEXISTS", "test:{loom}lease:k", "y"}), ":0\r\n");
    const std::string left = redis.run({"PTTL", "test:{loom}lease:k"});
    EXPECT_LE(std::strtoll(left.c_str() + 1, nullptr, 10), 34'560'000'000) << left;
}

TEST_F(Leases, OfWhoDoesNotComeBackAreNobodysInTime) {
    connect(redis.port());
    wait_until_up();
    EXPECT_EQ(draw_one("gone", 100, 90, 90, 50).granted, 90u);
    EXPECT_EQ(draw_one("here", 100, 0, 50).granted, 10u);
    tick_until([&] { return draw_one("here", 100, 0, 50).granted == 50; });
    EXPECT_EQ(redis.run({"HLEN", "test:{loom}lease:k"}), ":1\r\n");
    EXPECT_EQ(draw_one("here", 100, 0, 1, 50).granted, 1u);
    tick_until([&] { return redis.run({"EXISTS", "test:{loom}lease:k"}) == ":0\r\n"; });
}

/// Whatever several draw in whatever order, also with a server that has lost everything in between: who still holds a
/// lease then has used some of it, and that stays his.
TEST_F(Leases, TheLawHoldsForRandomDraws) {
    connect(redis.port());
    wait_until_up();
    const uint64_t seed = std::random_device{}();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const auto up_to = [&](uint64_t most) { return random() % (most + 1); };
    struct Held {
        uint64_t granted = 0, used = 0;
    };
    std::map<std::pair<int, int>, Held> held;  // by Loom and limit
    constexpr uint64_t limits[] = {0, 7, 100, uint64_t{1} << 40, uint64_t{1} << 52};
    for (int step = 0; step < 1500; ++step) {
        if (step == 500 || step == 1000) {
            redis.stop();
            tick_until([&] { return !client->up(); });
            redis.start();
            wait_until_up();
            for (auto& [of, one] : held) one.granted = one.used;  // drawn anew before anything more is spent
            for (auto& [of, one] : held) {
                const auto grants = draw("loom-" + std::to_string(of.first), {{.key = "k" + std::to_string(of.second),
                                                                               .limit = limits[of.second],
                                                                               .floor = one.used,
                                                                               .want = one.used,
                                                                               .ttl_ms = 600'000}});
                ASSERT_TRUE(grants);
                ASSERT_EQ((*grants)[0].granted, one.used);
            }
        }
        const int loom = static_cast<int>(up_to(3));
        std::vector<tenant::LeaseDraw> draws;
        for (int k = 0; k < 5; ++k) {
            Held& mine = held[{loom, k}];
            mine.used += up_to(mine.granted - mine.used);
            const uint64_t want = mine.used + up_to(limits[k]);
            draws.push_back({.key = "k" + std::to_string(k),
                             .limit = limits[k],
                             .floor = mine.used,
                             .want = std::min(want, uint64_t{1} << 52),
                             .ttl_ms = 600'000});
        }
        const auto grants = draw("loom-" + std::to_string(loom), draws);
        ASSERT_TRUE(grants);
        for (int k = 0; k < 5; ++k) {
            const tenant::LeaseDraw& asked = draws[static_cast<size_t>(k)];
            const tenant::LeaseGrant& got = (*grants)[static_cast<size_t>(k)];
            uint64_t others = 0;
            for (const auto& [of, one] : held)
                if (of.second == k && of.first != loom) others += one.granted;
            ASSERT_EQ(got.others, others) << step;
            const uint64_t left = asked.limit > others ? asked.limit - others : 0;
            ASSERT_EQ(got.granted, std::max(asked.floor, std::min(asked.want, left))) << step;
            held[{loom, k}].granted = got.granted;
            ASSERT_LE(others + got.granted, asked.limit) << "no floor is ever above what was granted";
        }
    }
}

}  // namespace
}  // namespace loom::upstream
