// Every wait of Loom's has its own timer. Confs set the one under test to 200 ms; upstreams and clients wait at gates.
#include <sys/socket.h>

#include <thread>

#include "fixture.h"

namespace loom::wire {
namespace {

class Timeout : public WireTest {
  protected:
    /// Sends `bytes` and is silent until Loom closes the connection.
    ScriptedUpstream::Script silent_after(std::string bytes) {
        return [bytes = std::move(bytes)](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(bytes);
            connection.wait_closed();
        };
    }
};

TEST_F(Timeout, OfTheResponseHeadIs504) {
    conf.set("timeout.response_header", "200ms");
    start(silent_after(""));
    expect_error(ask(chat_request(chat_body)), 504);
    expect_error(ask(chat_request(stream_body)), 504);
    EXPECT_GE(loom().metric_sum("loom_timeouts_total"), 2);
}

TEST_F(Timeout, OfTheResponseHeadBeginsWhenTheRequestHasLeft) {
    conf.set("timeout.response_header", "1500ms");
    const std::string body =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(30'000'000, 'x') + "\"}]}";
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request_head()) return;
        // What the kernel holds on the way has left Loom: little of it, so that the pace is the sending's.
        const int window = 64 * 1024;
        ::setsockopt(connection.fd(), SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
        std::string room(1'000'000, '\0');
        for (size_t left = body.size() - connection.reader().unread().size(); left > 0;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the pace of a peer
            const ssize_t got = ::recv(connection.fd(), room.data(), std::min(left, room.size()), MSG_WAITALL);
            if (got <= 0) return;
            left -= static_cast<size_t>(got);
        }
        connection.send(answer(chat_answer));
    });
    EXPECT_EQ(ask(chat_request(body)).status(), 200) << "it moved all the time";
}

TEST_F(Timeout, OfConnectIs504) {
    conf.set("timeout.connect", "200ms");
    // A backlog that is full drops what knocks, as a firewall does.
    const Listening full = listen_on_loopback();
    ::listen(full.fd.get(), 0);
    const Fd filler = connect_loopback(full.port);
    conf.use_upstream(full.port);
    start_without_upstream();
    const Message response = ask(chat_request(chat_body));
    expect_error(response, 504);
}

TEST_F(Timeout, OfTheFirstTokenIs504OrAnErrorEvent) {
    conf.set("timeout.first_token", "200ms");
    start(silent_after(sse_head + chunk(": comments are no token\n\n")));
    const Message response = ask(chat_request(stream_body));
    if (response.status() == 504) {
        expect_error(response, 504);
    } else {
        EXPECT_TRUE(contains(response.body, "data: {\"error\"")) << response.raw();
    }
    EXPECT_FALSE(contains(response.body, "[DONE]"));
}

TEST_F(Timeout, BetweenEventsEndsTheStreamWithAnErrorEvent) {
    conf.set("timeout.inter_event", "200ms");
    start(silent_after(sse_head + chunk(delta_event("Hello"))));
    const Message response = ask(chat_request(stream_body));
    EXPECT_TRUE(response.body.starts_with(delta_event("Hello") + "data: {\"error\"")) << response.body;
    EXPECT_FALSE(contains(response.body, "[DONE]"));
}

TEST_F(Timeout, BetweenEventsIsNotTheDurationOfAStream) {
    conf.set("timeout.inter_event", "400ms");
    std::string events;
    for (int count = 0; count < 40; ++count) events += delta_event("word");
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head);
        for (int count = 0; count < 40; ++count) {
            connection.send(chunk(delta_event("word")));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the pace of a model, not a synchronisation
        }
        connection.send(chunk(done_event) + std::string(last_chunk));
    });
    EXPECT_EQ(ask(chat_request(stream_body)).body, events + done_event);
}

TEST_F(Timeout, OfTheWholeEndsAnEndlessStream) {
    conf.set("timeout.total", "500ms");
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head);
        while (connection.send(chunk(delta_event("on and on")))) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    });
    const Message response = ask(chat_request(stream_body));
    EXPECT_TRUE(contains(response.body, "data: {\"error\"")) << response.body.substr(0, 300);
    EXPECT_FALSE(contains(response.body, "[DONE]"));
}

TEST_F(Timeout, MayBeNarrowedByProvider) {
    conf.set("timeout.response_header", "60s").set("provider.mock.timeout.response_header", "200ms");
    start(silent_after(""));
    expect_error(ask(chat_request(chat_body)), 504);
}

TEST_F(Timeout, ATimedOutConnectionIsNotUsedAgain) {
    conf.set("timeout.response_header", "200ms");
    start([](UpstreamConnection& connection) {
        if (connection.index() == 0) {
            connection.read_request();
            EXPECT_NE(connection.wait_closed(), End::open);
            return;
        }
        while (connection.read_request()) connection.send(answer(chat_answer));
    });
    expect_error(ask(chat_request(chat_body)), 504);
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(upstream().connection_count(), 2U);
}

// --- slow clients

TEST_F(Timeout, OfAClientsHeadIs408) {
    conf.set("timeout.client_head", "200ms");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    one.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n");
    EXPECT_EQ(one.read_response().status(), 408);
    EXPECT_NE(one.read_end(), End::open);
}

TEST_F(Timeout, ByteByByteDoesNotKeepAHeadAlive) {
    conf.set("timeout.client_head", "300ms");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const std::string bytes = chat_request(chat_body, "X-Slow: " + std::string(1000, 'x') + "\r\n");
    for (const char byte : bytes) {
        if (!one.try_send({&byte, 1})) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // slowloris: each byte within any idle time
    }
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(Timeout, OfAClientsBodyIs408) {
    conf.set("timeout.client_body", "200ms");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const std::string bytes = chat_request(chat_body);
    one.send(bytes.substr(0, bytes.size() - 10));
    expect_error(one.read_response(), 408);
    EXPECT_NE(one.read_end(), End::open);
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(Timeout, AnIdleClientIsClosedWithoutAWord) {
    conf.set("timeout.client_idle", "200ms");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(one.read_end(), End::cut_by_fin);
}

TEST_F(Timeout, AReaderThatStopsIsCutOffAndItsUpstreamToo) {
    conf.set("timeout.client_write", "300ms").set("stream.buffer_max", "64KiB");
    Gate upstream_was_closed;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        const std::string event = chunk(delta_event(std::string(8000, 'x')));
        connection.send(sse_head);
        EXPECT_FALSE(connection.send_forever(event, 1 << 30)) << "Loom goes first";
        upstream_was_closed.open();
    });
    RawClient one = client(4096);
    one.send(chat_request(stream_body));
    upstream_was_closed.wait();
    EXPECT_EQ(ask(get("/v1/models")).status(), 200);
}

}  // namespace
}  // namespace loom::wire
