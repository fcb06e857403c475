// One exchange of Loom's own with an upstream that is scripted, on a real ring.
#include "loom/upstream/client.h"

#include <gtest/gtest.h>

#include <mutex>

#include <unistd.h>

#include <fstream>
#include <optional>

#include "../wire/full_backlog.h"
#include "../wire/scripted_upstream.h"
#include "../wire/tls_front.h"
#include "tls_certificates.h"

namespace loom::upstream {
namespace {

using wire::ScriptedUpstream;
using wire::UpstreamConnection;

/// Knows one address, whatever the name.
struct Names final : net::NameService {
    void resolve(std::string, uint16_t port, Done done) override {
        if (fails) return done(loom::fail(Errc::unreachable, Side::upstream, "no such name"), std::chrono::seconds(1));
        done(std::vector{*net::Address::parse("127.0.0.1:" + std::to_string(port))}, std::chrono::seconds(5));
    }
    bool fails = false;
};

class ClientTest : public testing::Test {
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
    void start(ScriptedUpstream::Script script, ClientOptions options = {}) {
        upstream = std::make_unique<ScriptedUpstream>(std::move(script));
        options.endpoint.host = "issuer.test";
        options.endpoint.port = upstream->port();
        options.authority = "issuer.test";
        client = std::make_unique<Client>(shard, names, std::move(options));
    }
    Result<ClientAnswer> ask(std::string body = "a=b") {
        std::optional<Result<ClientAnswer>> got;
        ClientRequest request{.target = "/token"};
        request.lines = Secret(std::string("content-type: text/plain\r\n"));
        request.body = Secret(std::move(body));
        client->ask(std::move(request), [&](Result<ClientAnswer> answer) { got.emplace(std::move(answer)); });
        EXPECT_FALSE(got) << "never inside the call";
        while (!got) shard.tick();
        return std::move(*got);
    }
    static ScriptedUpstream::Script says(std::string bytes) { return wire::answer_always(std::move(bytes)); }

    io::Shard shard{0, io::ShardOptions{.ring_entries = 64, .buffer_count = 8, .buffer_bytes = 4096}};
    Names names;
    wire::Gate gate;  // outlives the scripts that wait for it
    std::unique_ptr<ScriptedUpstream> upstream;
    std::unique_ptr<Client> client;
};

TEST_F(ClientTest, AsksAndIsAnsweredWhole) {
    start(says("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nwrong"));
    const auto answer = ask("grant=1");
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 400);
    EXPECT_EQ(answer->body.view(), "wrong");
    const wire::Message seen = upstream->request(0);
    EXPECT_EQ(seen.head.start_line, "POST /token HTTP/1.1");
    EXPECT_EQ(seen.head.value("host"), "issuer.test");
    EXPECT_EQ(seen.head.value("content-type"), "text/plain");
    EXPECT_EQ(seen.body, "grant=1");
}

TEST_F(ClientTest, TakesAnAnswerCutAtEveryByteInEachFraming) {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    const std::string counted = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
    std::string bytes;
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    for (const std::string& one : {chunked, counted}) {
        bytes = one;
        for (cut = 0; cut <= bytes.size(); ++cut) {
            const auto answer = ask();
            ASSERT_TRUE(answer) << answer.error().what << " cut at " << cut;
            EXPECT_EQ(answer->body.view(), "abcde") << "cut at " << cut;
        }
    }
    EXPECT_EQ(upstream->connection_count(), 1U) << "kept alive";
}

TEST_F(ClientTest, AnAnswerThatEndsWithItsConnection) {
    start([](UpstreamConnection& connection) {
        (void)connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\n\r\nto the end");
        connection.close();
    });
    const auto answer = ask();
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->body.view(), "to the end");
}

TEST_F(ClientTest, WhatIsNoAnswerIsAnErrorWithItsCause) {
    struct Case {
        std::string bytes;
        Errc code;
    };
    const Case cases[] = {
        {"nonsense\r\n\r\n", Errc::bad_message},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Errc::closed},
        {"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + std::string(200'000, 'x'), Errc::too_large},
        {"HTTP/1.1 200 OK\r\nX-Long: " + std::string(20'000, 'x') + "\r\n\r\n", Errc::head_too_large},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", Errc::unsupported},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Errc::bad_message},
        {"", Errc::closed},
    };
    std::mutex turn;  // the script of the last case may still be at its end
    std::string bytes;
    start([&](UpstreamConnection& connection) {
        (void)connection.read_request();
        std::unique_lock lock(turn);
        const std::string mine = bytes;
        lock.unlock();
        connection.send(mine);
        connection.half_close();
        (void)connection.wait_closed();
    });
    for (const Case& one : cases) {
        {
            const std::lock_guard lock(turn);
            bytes = one.bytes;
        }
        const auto answer = ask();
        ASSERT_FALSE(answer) << one.bytes.substr(0, 60);
        EXPECT_EQ(answer.error().code, one.code) << one.bytes.substr(0, 60) << ": " << answer.error().what;
        EXPECT_EQ(answer.error().side, Side::upstream);
    }
}

TEST_F(ClientTest, AConnectionThatDiedUnseenIsReplacedOnce) {
    start([](UpstreamConnection& connection) {
        for (int turn = 0; connection.read_request(); ++turn) {
            if (connection.index() == 0 && turn == 1) return connection.close();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    EXPECT_TRUE(ask());
    EXPECT_TRUE(ask());
    EXPECT_EQ(upstream->connection_count(), 2U);
}

TEST_F(ClientTest, NoAnswerInTimeAndNoneAtAll) {
    ClientOptions options;
    options.timeout_ms = 50;
    start(
        [&](UpstreamConnection& connection) {
            (void)connection.read_request();
            gate.wait();
        },
        options);
    const auto late = ask();
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::timed_out);
    gate.open();
    upstream->stop_listening();
    const auto refused = ask();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::refused);
}

TEST_F(ClientTest, ANameThatIsNone) {
    names.fails = true;
    start(says(""));
    const auto answer = ask();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unreachable);
    EXPECT_EQ(answer.error().retry, Retry::safe);
}

/// Whoever pays by what has left must not go by how it ended: the same end has either.
TEST_F(ClientTest, TellsWhetherAnythingHasLeft) {
    ClientOptions options;
    options.timeout_ms = 50;
    start(
        [&](UpstreamConnection& connection) {
            (void)connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            (void)connection.read_request();
            gate.wait();
        },
        options);
    EXPECT_TRUE(ask());
    const auto unanswered = ask();
    ASSERT_FALSE(unanswered);
    EXPECT_EQ(unanswered.error().code, Errc::timed_out);
    EXPECT_EQ(unanswered.error().retry, Retry::never);
    gate.open();
    end_client();

    const wire::FullBacklog full;
    options.endpoint = {.host = "issuer.test", .port = full.port()};
    options.authority = "issuer.test";
    client = std::make_unique<Client>(shard, names, options);
    const auto unconnected = ask();
    ASSERT_FALSE(unconnected);
    EXPECT_EQ(unconnected.error().code, Errc::timed_out);
    EXPECT_EQ(unconnected.error().retry, Retry::safe);

    std::optional<Error> ended;
    client->ask({.target = "/"}, [&](Result<ClientAnswer> answer) { ended = answer.error(); });
    shard.tick();
    client->close();
    while (!ended) shard.tick();
    EXPECT_EQ(ended->code, Errc::cancelled) << "while it connects";
    EXPECT_EQ(ended->retry, Retry::safe);
}

/// A pooled connection that died unseen has taken it, perhaps; that the fresh one was not made does not undo that.
TEST_F(ClientTest, WhatLeftInOneTryHasLeft) {
    start([&](UpstreamConnection& connection) {
        (void)connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        (void)connection.read_request();
        upstream->stop_listening();
        connection.reset();
    });
    EXPECT_TRUE(ask());
    const auto answer = ask();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::refused);
    EXPECT_EQ(answer.error().retry, Retry::never);
}

/// The front's certificate is the host's; whether it is believed is up to the trust.
TEST_F(ClientTest, SpeaksTlsWithWhomItTrustsAndSaysWhyNotWithOthers) {
    net::test::Authority good("Good CA"), other("Other CA");
    ScriptedUpstream scripted(says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    wire::TlsFront front(scripted.port(), {.certificates = {good.issue({.names = "DNS:issuer.test"})}});
    const std::string ca_path = testing::TempDir() + "/loom-client-ca-" + std::to_string(::getpid()) + ".pem";
    for (const net::test::Authority* authority : {&good, &other}) {
        std::ofstream(ca_path, std::ios::trunc) << authority->pem();
        const auto trust = net::load_tls_trust(ca_path);
        ASSERT_TRUE(trust);
        ClientOptions options{.authority = "issuer.test"};
        options.endpoint.host = "issuer.test";
        options.endpoint.port = front.port();
        options.endpoint.tls = true;
        options.endpoint.terms.trust = *trust;
        client = std::make_unique<Client>(shard, names, options);
        const auto answer = ask();
        if (authority == &good) {
            ASSERT_TRUE(answer) << answer.error().what;
            EXPECT_EQ(answer->body.view(), "ok");
            EXPECT_EQ(client->tls_fault(), "");
        } else {
            ASSERT_FALSE(answer);
            EXPECT_EQ(answer.error().code, Errc::tls_failed);
            EXPECT_NE(client->tls_fault().find("Good CA"), std::string::npos) << client->tls_fault();
        }
        end_client();
    }
    ::unlink(ca_path.c_str());
}

TEST_F(ClientTest, IsBoundedAndCancelsWhatRuns) {
    ClientOptions options;
    options.exchange_count_max = 2;
    start(
        [&](UpstreamConnection& connection) {
            (void)connection.read_request();
            gate.wait();
        },
        options);
    std::vector<Errc> ends;
    for (int i = 0; i < 3; ++i) {
        client->ask({.target = "/"},
                    [&](Result<ClientAnswer> answer) { ends.push_back(answer ? Errc::ok : answer.error().code); });
    }
    while (ends.empty()) shard.tick();
    EXPECT_EQ(ends, std::vector{Errc::exhausted}) << "the third";
    client->close();
    while (ends.size() < 3) shard.tick();
    EXPECT_EQ(ends[1], Errc::cancelled);
    EXPECT_EQ(ends[2], Errc::cancelled);
    gate.open();
}

/// An exchange that has just failed would be tried again; cancelled in the same turn, it is not.
TEST_F(ClientTest, WhatIsCancelledIsNotTriedAgain) {
    wire::Gate answered, ended;
    start([&](UpstreamConnection& connection) {
        while (const auto request = connection.read_request()) {
            if (request->target() == "/dies") {
                answered.wait();
                connection.close();
                return ended.open();
            }
            if (request->target() == "/first") gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            if (request->target() == "/first") answered.open();
        }
    });
    size_t done = 0;
    std::optional<Errc> end;
    const auto asks = [&](const char* target, Client::Done what) {
        ClientRequest request;
        request.target = target;
        return client->ask(std::move(request), std::move(what));
    };
    const auto tick_until = [&](const auto& is_so) {
        while (!is_so()) shard.tick();
    };
    for (int i = 0; i < 2; ++i) (void)asks("/warm", [&](const Result<ClientAnswer>&) { done += 1; });
    tick_until([&] { return done == 2; });
    uint64_t dies = 0;
    (void)asks("/first", [&](const Result<ClientAnswer>&) {
        done += 1;
        client->cancel(dies);
    });
    dies = asks("/dies", [&](const Result<ClientAnswer>& answer) {
        done += 1;
        end = answer ? Errc::ok : answer.error().code;
    });
    tick_until([&] { return upstream->request_count() == 4; });
    gate.open();
    ended.wait();  // one is answered, and the other's connection is gone, before the loop sees either
    tick_until([&] { return done == 4; });
    EXPECT_EQ(end, Errc::cancelled);
    EXPECT_EQ(upstream->request_count(), 4U);
}

}  // namespace
}  // namespace loom::upstream
