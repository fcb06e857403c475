// Clients that leave, and pooled connections that the upstream has closed.
#include <atomic>

#include "fixture.h"

namespace loom::wire {
namespace {

class ClientLeaves : public WireTest {
  protected:
    /// Streams one event, then waits for Loom to close the connection.
    ScriptedUpstream::Script streaming_until_closed() {
        return [this](UpstreamConnection& connection) {
            while (connection.read_request()) {
                if (!connection.send(sse_head + chunk(delta_event("Hello")))) return;
                const Deadline at_once = Deadline::in(std::chrono::seconds(5));
                closed_count += connection.wait_closed(at_once) != End::open ? 1 : 0;
            }
        };
    }
    std::atomic<int> closed_count = 0;
};

TEST_F(ClientLeaves, MidStreamAndTheUpstreamIsClosedAtOnce) {
    start(streaming_until_closed());
    for (const bool is_reset : {true, false}) {
        const int before = closed_count;
        RawClient one = client();
        one.send(
            chat_request(stream_body, is_reset ? "X-Request-Id: left-by-rst\r\n" : "X-Request-Id: left-by-fin\r\n"));
        one.reader().start_response();
        one.reader().read_body_until("Hello");
        is_reset ? one.reset() : one.close();
        wait_until("the upstream's seeing it", [&] { return closed_count > before; });
    }
    EXPECT_TRUE(contains(loom().wait_for_access_line("left-by-rst"), "\"status\":499"));
    wait_until("the count of cancels", [&] { return loom().metric_sum("loom_client_cancels_total") >= 1; });
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
}

TEST_F(ClientLeaves, BeforeTheAnswer) {
    start([this](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        closed_count += connection.wait_closed() != End::open ? 1 : 0;
    });
    RawClient one = client();
    one.send(chat_request(chat_body, "X-Request-Id: impatient\r\n"));
    upstream().request(0);
    one.reset();
    wait_until("the upstream's seeing it", [&] { return closed_count == 1; });
    EXPECT_TRUE(contains(loom().wait_for_access_line("impatient"), "\"status\":499"));
}

TEST_F(ClientLeaves, AtEveryByteOfItsRequest) {
    start(answer_always(answer(chat_answer)));
    const std::string bytes = chat_request(chat_body);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
        RawClient one = client();
        one.send(bytes.substr(0, cut));
        cut % 2 == 0 ? one.reset() : one.close();
    }
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(upstream().request_count(), 1U) << "half a request is none";
    wait_until("every connection's end", [&] { return loom().metric_sum("loom_connections_open") <= 1; });
}

TEST_F(ClientLeaves, AStormLeavesNothingBehind) {
    start(streaming_until_closed());
    allow_script_failures();
    const size_t descriptors_before = loom().descriptor_count();
    for (int round = 0; round < 5; ++round) {
        std::vector<RawClient> clients;
        for (int count = 0; count < 100; ++count) {
            clients.push_back(client());
            clients.back().send(chat_request(stream_body));
        }
        for (size_t index = 0; index < clients.size(); ++index) {
            if (index % 3 == 0) clients[index].reader().start_response();
            index % 2 == 0 ? clients[index].reset() : clients[index].close();
        }
    }
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    wait_until("no leased buffer", [&] { return loom().metric_sum("loom_buffers_leased") == 0; });
    wait_until("its descriptors' return", [&] { return loom().descriptor_count() <= descriptors_before + 8; });
}

// --- connections kept for the next request

class Pool : public WireTest {};

TEST_F(Pool, AStreamThatBrokeLeavesItsClientsConnectionGood) {
    // The error event ended a whole message. A client that finds its kept-alive connection closed unannounced fails its
    // next request (openai 4.x over node-fetch did).
    int turn = 0;
    start([&turn](UpstreamConnection& connection) {
        while (connection.read_request()) {
            if (turn++ > 0) {
                connection.send(answer(chat_answer));
                continue;
            }
            connection.send(sse_head + chunk(delta_event("Hello")));
            return;  // closes in the middle of the stream
        }
    });
    RawClient one = client();
    const Message broken = one.ask(chat_request(stream_body));
    EXPECT_TRUE(contains(broken.body, "upstream_stream_broken")) << broken.body;
    EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
}

TEST_F(Pool, AConnectionClosedWhileIdleIsReplaced) {
    start([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(answer(chat_answer));
    });
    RawClient one = client();
    for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer) << turn;
    EXPECT_EQ(upstream().request_count(), 20U);
}

TEST_F(Pool, AStaleConnectionIsRetriedOnAFreshOne) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer(chat_answer));
        // The first takes a second request and closes without a byte: what a server's idle timer does.
        if (connection.index() == 0) {
            connection.reader().start_request();
            return;
        }
        while (connection.read_request()) connection.send(answer(chat_answer));
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(upstream().connection_count(), 2U);
    EXPECT_EQ(upstream().request(1).body, chat_body) << "from the immutable original";
    EXPECT_EQ(loom().eventually_where("loom_upstream_connections_total", {"result=\"stale\""}), 1);
}

TEST_F(Pool, ARetryHappensOnceAndNeverOnAFreshConnection) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        if (connection.index() == 0) {
            connection.send(answer(chat_answer));
            connection.reader().start_request();
        }
        // index 1 and on: closed without a byte
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    expect_error(one.ask(chat_request(chat_body)), 502);
    EXPECT_EQ(upstream().connection_count(), 2U);
}

TEST_F(Pool, OneByteOfAnAnswerForbidsTheRetry) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer(chat_answer));
        if (connection.reader().start_request() == nullptr) return;
        connection.send("H");
        connection.wait_until_loom_has_read();
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    expect_error(one.ask(chat_request(chat_body)), 502);
    EXPECT_EQ(upstream().connection_count(), 1U);
}

TEST_F(Pool, ConnectionCloseOfTheUpstreamIsObeyed) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer(chat_answer, "200 OK", "Connection: close\r\n"));
        EXPECT_NE(connection.wait_closed(), End::open) << "Loom does not ask it again";
    });
    RawClient one = client();
    for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(upstream().connection_count(), 3U);
}

TEST_F(Pool, AnAnswerOfOneClientNeverReachesAnother) {
    start(answer_with([](const Message& request) { return answer(request.body); }));
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            try {
                for (int turn = 0; turn < 200; ++turn) {
                    const std::string body = R"({"model":"gpt-4o","messages":[],"user":")" + std::to_string(thread) +
                                             "-" + std::to_string(turn) + std::string(static_cast<size_t>(turn), 'p') +
                                             "\"}";
                    RawClient one(loom().port());
                    if (turn % 5 == 4) {
                        one.send(chat_request(body));
                        one.reset();
                    } else {
                        wrong += one.ask(chat_request(body)).body != body ? 1 : 0;
                    }
                }
            } catch (const WireError& error) {
                wrong += 1;
                ADD_FAILURE() << error.what();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace loom::wire
