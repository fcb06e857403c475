// Bytes go through untouched, both ways, wherever the wire cuts them.
#include "fixture.h"

namespace loom::wire {
namespace {

class Relay : public WireTest {};

TEST_F(Relay, TheBodyReachesTheUpstreamByteForByte) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.status(), 200);
    const Message seen = upstream().request(0);
    EXPECT_EQ(seen.body, chat_body);
    EXPECT_EQ(seen.method(), "POST");
    EXPECT_EQ(seen.target(), "/v1/chat/completions");
    EXPECT_EQ(seen.head.count("Host"), 1U);
    EXPECT_EQ(seen.head.value("Host"), "127.0.0.1:" + std::to_string(upstream().port()));
}

TEST_F(Relay, TheAnswerReachesTheClientByteForByte) {
    start(answer_always(
        answer(chat_answer, "200 OK", "OpenAI-Processing-Ms: 7\r\nX-Ratelimit-Remaining-Requests: 9\r\n")));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.body, chat_answer);
    EXPECT_EQ(response.head.value("OpenAI-Processing-Ms"), "7");
    EXPECT_EQ(response.head.value("X-Ratelimit-Remaining-Requests"), "9");
    EXPECT_TRUE(response.is_whole());
}

TEST_F(Relay, AnErrorOfTheProviderKeepsItsStatusAndBody) {
    const std::string body =
        R"({"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}})";
    start(answer_always(answer(body, "429 Too Many Requests", "Retry-After: 3\r\n")));
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.status(), 429);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.head.value("Retry-After"), "3");
}

TEST_F(Relay, ARedirectIsPassedOnAndNeverFollowed) {
    ScriptedUpstream elsewhere(answer_always(answer("{}")));
    start(answer_always(answer("{}", "302 Found", "Location: " + elsewhere.origin() + "/v1/chat/completions\r\n")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 302);
    EXPECT_EQ(elsewhere.connection_count(), 0U);
}

TEST_F(Relay, AJsonAnswerCutAtEveryByte) {
    const std::string bytes = answer(chat_answer);
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    RawClient one = client();
    for (cut = 0; cut <= bytes.size(); ++cut) {
        const Message response = one.ask(chat_request(chat_body));
        ASSERT_EQ(response.body, chat_answer) << "cut at " << cut;
        ASSERT_TRUE(response.is_whole()) << "cut at " << cut;
    }
}

TEST_F(Relay, ARequestCutAtEveryByte) {
    start(answer_always(answer(chat_answer)));
    const std::string bytes = chat_request(chat_body);
    RawClient one = client();
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
        one.send_cut_at(bytes, cut);
        ASSERT_EQ(one.read_response().body, chat_answer) << "cut at " << cut;
        ASSERT_EQ(upstream().last_request().body, chat_body) << "cut at " << cut;
    }
}

TEST_F(Relay, AChunkedRequestCutAtEveryByte) {
    start(answer_always(answer(chat_answer)));
    const size_t half = chat_body.size() / 2;
    const std::string bytes = chat_request("", "Transfer-Encoding: chunked\r\n") +
                              chunk(std::string_view(chat_body).substr(0, half)) +
                              chunk(std::string_view(chat_body).substr(half)) + std::string(last_chunk);
    RawClient one = client();
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
        one.send_cut_at(bytes, cut);
        ASSERT_EQ(one.read_response().body, chat_answer) << "cut at " << cut;
        ASSERT_EQ(upstream().last_request().body, chat_body) << "cut at " << cut;
    }
}

TEST_F(Relay, AnAnswerWithoutALengthEndsWithItsConnection) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + chat_answer);
    });
    RawClient one = client();
    for (int turn = 0; turn < 3; ++turn) {
        const Message response = one.ask(chat_request(chat_body));
        EXPECT_EQ(response.body, chat_answer);
        EXPECT_TRUE(response.is_whole());
    }
}

TEST_F(Relay, AnHttp10UpstreamIsUnderstood) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + chat_answer);
    });
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
}

TEST_F(Relay, ChunkedJsonAndTrailersOfTheUpstream) {
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    start(answer_always(head + "5;name=\"va\\\"l\"\r\n" + chat_answer.substr(0, 5) + "\r\n" +
                        chunk(chat_answer.substr(5)) + "0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n"));
    RawClient one = client();
    for (int turn = 0; turn < 2; ++turn) {
        const Message response = one.ask(chat_request(chat_body));
        EXPECT_EQ(response.body, chat_answer);
        EXPECT_FALSE(contains(response.raw(), "a=b"));
    }
    EXPECT_EQ(upstream().connection_count(), 1U);
}

TEST_F(Relay, InterimAnswersOfTheUpstreamAreNotTheAnswer) {
    start(answer_always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
                        answer(chat_answer)));
    RawClient one = client();
    Message response = one.ask(chat_request(chat_body));
    while (response.status() < 200) response = one.read_response();
    EXPECT_EQ(response.status(), 200);
    EXPECT_EQ(response.body, chat_answer);
}

TEST_F(Relay, AnEarlyRefusalOfTheUpstreamIsRelayed) {
    const std::string body = R"({"error":{"message":"too large for us","type":"invalid_request_error","code":null}})";
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request_head()) return;
        connection.send(answer(body, "413 Payload Too Large", "Connection: close\r\n"));
        connection.half_close();
        connection.reader().read_rest();
    });
    allow_script_failures();
    const std::string large =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(4 << 20, 'x') + "\"}]}";
    const Message response = ask(chat_request(large));
    EXPECT_EQ(response.status(), 413);
    EXPECT_EQ(response.body, body);
}

TEST_F(Relay, ConnectionsToTheUpstreamAreUsedAgain) {
    start(answer_always(answer(chat_answer)));
    for (int turn = 0; turn < 5; ++turn) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(upstream().connection_count(), 1U);
}

TEST_F(Relay, ALongBodyOfManyReadsIsWhole) {
    std::string text(3 << 20, 'x');
    for (size_t at = 0; at < text.size(); ++at) text[at] = static_cast<char>('a' + at % 23);
    const std::string body = R"({"messages":[{"role":"user","content":")" + text + R"("}],"model":"gpt-4o"})";
    start(answer_with([](const Message& request) { return answer(request.body); }));
    const Message response = ask(chat_request(body));
    EXPECT_TRUE(upstream().request(0).body == body);
    EXPECT_TRUE(response.body == body);
}

// --- streams

class Stream : public WireTest {};

TEST_F(Stream, GoldenStreamsCutAtEveryByte) {
    const Golden* golden = nullptr;
    std::string bytes;
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    RawClient one = client();
    for (const Golden& stream : golden_streams()) {
        golden = &stream;
        bytes = sse_answer(golden->events);
        for (cut = 0; cut <= bytes.size(); ++cut) {
            const Message response = one.ask(chat_request(stream_body));
            ASSERT_EQ(response.body, golden->events) << golden->name << " cut at " << cut;
            ASSERT_TRUE(response.is_whole()) << golden->name << " cut at " << cut;
        }
    }
    EXPECT_EQ(upstream().connection_count(), 1U) << "a whole stream leaves its connection fit for the next";
}

TEST_F(Stream, GoldenStreamsByteByByte) {
    std::string bytes;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_byte_by_byte(std::string(bytes));
    });
    RawClient one = client();
    for (const Golden& golden : golden_streams()) {
        bytes = sse_answer(golden.events);
        EXPECT_EQ(one.ask(chat_request(stream_body)).body, golden.events) << golden.name;
    }
}

TEST_F(Stream, OneChunkForTheWholeOrNoChunksAtAll) {
    const std::string& events = golden_streams().front().events;
    std::string bytes = sse_answer(events, false);
    bool is_closed_after = false;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            connection.send(bytes);
            if (is_closed_after) return;
        }
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(stream_body)).body, events);
    is_closed_after = true;
    bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events;
    EXPECT_EQ(one.ask(chat_request(stream_body)).body, events);
}

TEST_F(Stream, AnEventGoesOnBeforeTheNextOneCame) {
    Gate client_has_first;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("first")));
        client_has_first.wait();
        connection.send(chunk(delta_event("second")) + chunk(done_event) + std::string(last_chunk));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    const Message& response = one.reader().start_response();
    EXPECT_TRUE(contains(response.head.value("Content-Type"), "text/event-stream"));
    one.reader().read_body_until(delta_event("first"));
    client_has_first.open();
    EXPECT_EQ(one.reader().read_rest().body, delta_event("first") + delta_event("second") + done_event);
}

TEST_F(Stream, FlushIntervalCoalescesAndLosesNothing) {
    conf.set("streaming.flush_interval", "20ms");
    const std::string& events = golden_streams().front().events;
    const std::string bytes = sse_answer(events);
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_byte_by_byte(std::string(bytes));
    });
    const Message response = ask(chat_request(stream_body));
    EXPECT_EQ(response.body, events);
    EXPECT_TRUE(response.is_whole());
}

TEST_F(Stream, KeepAliveCommentsComeBeforeTheFirstTokenWhereAsked) {
    conf.set("route.ai.keepalive", "50ms");
    Gate client_saw_comment;
    const std::string& events = golden_streams().front().events;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        client_saw_comment.wait();
        connection.send(sse_answer(events));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("\n\n");
    EXPECT_TRUE(one.reader().current().body.starts_with(":"));
    client_saw_comment.open();
    const std::string body = one.reader().read_rest().body;
    EXPECT_TRUE(body.ends_with(events)) << body;
}

TEST_F(Stream, StreamingCanBeSwitchedOff) {
    conf.set("streaming.enabled", "off");
    start(answer_always(answer(chat_answer)));
    expect_error(ask(chat_request(stream_body)), 400);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(Stream, TwoHundredAtOnceOnOneShard) {
    const std::string& events = golden_streams().front().events;
    Gate all_open;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(events.substr(0, 50)));
        all_open.wait();
        connection.send(chunk(events.substr(50)) + std::string(last_chunk));
    });
    std::vector<RawClient> clients;
    for (int count = 0; count < 200; ++count) {
        clients.push_back(client());
        clients.back().send(chat_request(stream_body));
    }
    upstream().request(199);
    all_open.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().body, events);
}

}  // namespace
}  // namespace loom::wire
