// What happens between two steps: ends and bytes that meet in one turn of Loom's loop, answers that overtake their
// requests, heads as large as they may be, and deadlines that must and must not fire.
#include <csignal>
#include <thread>

#include "fixture.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

void pace(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }  // of a peer, not a synchronisation

class Edge : public WireTest {
  protected:
    /// What the peers do meanwhile reaches Loom in one turn of its loop, in the order of its doing.
    template <class Do>
    void in_one_turn(Do&& peers) {
        loom().signal(SIGSTOP);
        peers();
        pace(20);  // loopback has delivered it by then
        loom().signal(SIGCONT);
    }
    /// What a client gets whose stream keep-alives have opened before the upstream answers so.
    Message behind_opened_stream(const std::string& bytes) {
        conf.set("route.ai.keepalive", "50ms");
        Gate client_saw_comment;
        start([&](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            client_saw_comment.wait();
            connection.send(bytes);
            connection.wait_closed();
        });
        RawClient one = client();
        one.send(chat_request(stream_body));
        one.reader().start_response();
        one.reader().read_body_until("\n\n");
        client_saw_comment.open();
        return one.reader().read_rest();
    }
    void plain_route(const ScriptedUpstream& web) {
        conf.set("route.web.path", "/web/*").set("route.web.ai_gateway", "off").set("route.web.upstream", web.origin());
        conf.set("route.web.auth.type", "api_key");
    }
};

// --- in one turn

TEST_F(Edge, AClientLeavesInTheTurnOfItsLastBytes) {
    Gate stopped, sent;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hello")));
        stopped.wait();
        connection.send(chunk(delta_event("world")) + chunk(done_event) + std::string(last_chunk));
        sent.open();
        connection.wait_closed();
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("Hello");
    in_one_turn([&] {
        stopped.open();
        sent.wait();
        pace(10);
        one.close();
    });
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_EQ(ask(get("/v1/models")).status(), 200);
}

// The head had been written, though not one byte of it had left: the client got a reset.
TEST_F(Edge, AnAnswerThatIsBrokenInTheReadOfItsHeadIs502) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const std::string chunked = head + "Transfer-Encoding: chunked\r\n";
    const std::string broken[] = {
        chunked + "\r\nzz\r\n",
        chunked + "\r\n" + chunk("{\"half\":") + "zz\r\n",
        chunked + "\r\n" + chunk("{\"half\":}") + "0\r\nno trailer\r\n\r\n",
        head + "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip..",
    };
    const std::string* now = nullptr;
    start([&](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(*now);
        connection.wait_closed();
    });
    RawClient one = client();
    for (const std::string& bytes : broken) {
        now = &bytes;
        expect_error(one.ask(chat_request(chat_body)), 502);
        EXPECT_EQ(one.ask(get("/v1/models")).status(), 200) << "the connection stands at the border of an answer";
    }
    EXPECT_EQ(upstream().request_count(), std::size(broken))
        << "who spoke may have done the work: it is not asked again";
}

// The end may be told in the turn of the head, or in the next: then the head has left.
TEST_F(Edge, AnAnswerThatEndsEarlyBehindItsHeadIs502OrCut) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const std::string early[] = {
        head + "\r\n{\"half\":",  // until close: reset
        head + "Content-Length: 99\r\n\r\n{\"half\":",
        head + "Transfer-Encoding: chunked\r\n\r\n" + chunk("{\"half\":"),
    };
    for (const std::string& bytes : early) {
        for (const bool is_reset : {true, false}) {
            if (&bytes == early && !is_reset) continue;  // that is its regular end
            Gate stopped, sent;
            ScriptedUpstream ending([&](UpstreamConnection& connection) {
                if (!connection.read_request()) return;
                stopped.wait();
                connection.send(bytes);
                pace(10);
                is_reset ? connection.reset() : connection.half_close();
                sent.open();
            });
            LoomProcess loom(Conf().use_upstream(ending.port()).text());
            RawClient one(loom.port());
            one.send(chat_request(chat_body));
            ending.request(0);
            loom.signal(SIGSTOP);
            stopped.open();
            sent.wait();
            pace(20);  // loopback has delivered it by then
            loom.signal(SIGCONT);
            const Message response = one.read_response();
            EXPECT_TRUE(response.status() == 502 || response.end == End::cut_by_fin) << bytes;
            EXPECT_EQ(response.is_whole(), response.status() == 502) << bytes;
        }
    }
}

// A reset destroys what the client has not read yet, answers to earlier requests among it.
TEST_F(Edge, ABrokenAnswerEndsInOrderWhereItsFramingShowsTheCut) {
    bool is_chunked = false;
    std::unique_ptr<Gate> read;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer(chat_answer));
        if (!connection.read_request()) return;
        const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        connection.send(is_chunked ? head + "Transfer-Encoding: chunked\r\n\r\n" + chunk("{\"half\":")
                                   : head + "Content-Length: 99\r\n\r\n{\"half\":");
        read->wait();
        connection.reset();
    });
    for (const bool chunked : {false, true}) {
        SCOPED_TRACE(chunked ? "chunks" : "a length");
        is_chunked = chunked;
        read = std::make_unique<Gate>();
        RawClient one = client();
        one.send(chat_request(chat_body) + chat_request(chat_body));  // the second before its turn
        EXPECT_EQ(one.read_response().body, chat_answer);
        one.reader().start_response();
        one.reader().read_body_until("half");
        read->open();
        const Message& cut = one.reader().read_rest();
        EXPECT_EQ(cut.end, End::cut_by_fin);
        EXPECT_EQ(cut.body, "{\"half\":");
    }
}

TEST_F(Edge, ABrokenAnswerThatOnlyItsEndDelimitsIsReset) {
    Gate read;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("{\"half\":"));
        read.wait();
        connection.reset();
    });
    RawClient one = client();
    std::string old = chat_request(chat_body);
    old.replace(old.find("HTTP/1.1"), 8, "HTTP/1.0");
    one.send(old);
    one.reader().start_response();
    one.reader().read_body_until("half");
    read.open();
    EXPECT_EQ(one.reader().read_rest().end, End::cut_by_rst);
}

TEST_F(Edge, AnAnswerAndTheEndOfItsConnectionInOneTurnAreNoError) {
    Gate stopped, sent;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        stopped.wait();
        connection.send(answer(chat_answer, "200 OK", "Connection: close\r\n"));
        connection.half_close();
        sent.open();
        connection.wait_closed();
    });
    RawClient one = client();
    one.send(chat_request(chat_body, "X-Request-Id: closed-behind\r\n"));
    upstream().request(0);
    in_one_turn([&] {
        stopped.open();
        sent.wait();
    });
    EXPECT_EQ(one.read_response().body, chat_answer);
    const std::string line = loom().wait_for_access_line("closed-behind");
    EXPECT_FALSE(contains(line, "\"error\"")) << line;
    EXPECT_TRUE(contains(line, "\"upstream_wait_us\":")) << line;
}

// --- connections that are out of step

TEST_F(Edge, BytesBehindABodilessAnswerSpoilTheConnection) {
    // Without consumers, since nobody's file-1 would be asked for.
    conf.set("route.ai.passthrough", "files").set("route.ai.auth.type", "none").set("consumer.tester.api_key", "");
    start(answer_always("HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"));
    RawClient one = client();
    const std::string bytes = request("DELETE", "/v1/files/file-1", auth_header());
    for (int turn = 0; turn < 3; ++turn) {
        const Message response = one.ask(bytes, true);
        EXPECT_EQ(response.status(), 204);
        EXPECT_FALSE(response.head.has("Content-Length")) << response.head.raw;  // RFC 9110, 8.6
    }
    EXPECT_EQ(upstream().connection_count(), 3U);
}

TEST_F(Edge, AConnectionThatDiesLongAfterTheRequestIsNotTakenForStale) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer(chat_answer));
        if (connection.index() == 0) {
            if (connection.read_request()) pace(1500);  // the model has worked, and costs
            return;
        }
        while (connection.read_request()) connection.send(answer(chat_answer));
    });
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
    expect_error(one.ask(chat_request(chat_body)), 502);
    EXPECT_EQ(upstream().connection_count(), 1U);
}

// --- large heads

TEST_F(Edge, ALongMethodAndLongHeadersOfAPlainRequestPass) {
    ScriptedUpstream web(answer_always(answer("{}")));
    plain_route(web);
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(request(std::string(6000, 'M'), "/web/x", auth_header())).status(), 200);
    const std::string header = "X-Long: " + std::string(20'000, 'l') + "\r\n";
    EXPECT_EQ(ask(request("GET", "/web/x", auth_header() + header)).status(), 200);
    EXPECT_EQ(web.request(0).method().size(), 6000U);
}

TEST_F(Edge, ALongHeadOfTheConfAndALongOneOfTheClientPassTogether) {
    conf.set("provider.mock.header.X-Token", std::string(2500, 't'));
    start(answer_always(answer(chat_answer)));
    for (const size_t bytes : {2000, 2500, 2900, 3500, 7000}) {
        const std::string header = "User-Agent: " + std::string(bytes, 'u') + "\r\n";
        EXPECT_EQ(ask(chat_request(chat_body, header)).status(), 200) << bytes;
    }
}

TEST_F(Edge, AnAnswersHeadOfManyFieldsIsWhole) {
    std::string cookies;
    for (int count = 0; count < 80; ++count)
        cookies += "Set-Cookie: cookie-" + std::to_string(count) + "=" + std::string(300, 'c') + "\r\n";
    ScriptedUpstream web(answer_always(answer("{\"a\":1}", "200 OK", cookies)));
    plain_route(web);
    start(answer_always(answer(chat_answer)));
    const Message response = ask(get("/web/x"));
    EXPECT_EQ(response.head.count("Set-Cookie"), 80U);
    EXPECT_EQ(response.body, "{\"a\":1}");
}

TEST_F(Edge, APreflightThatAsksForMuchIsAnsweredWhole) {
    conf.set("cors.origins", "https://app.example");
    start(answer_always(answer(chat_answer)));
    std::string names = "x-a";
    for (int count = 0; count < 500; ++count) names += ", x-header-" + std::to_string(count);
    const std::string headers = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";
    const Message response =
        ask(request("OPTIONS", "/v1/chat/completions", headers + "Access-Control-Request-Headers: " + names + "\r\n"),
            true);
    EXPECT_EQ(response.status(), 204);
    EXPECT_EQ(response.head.value("Access-Control-Allow-Headers"), names);
}

// --- credentials

TEST_F(Edge, AKeyInAnyHeaderThatWasForLoomEndsAtLoom) {
    ScriptedUpstream web(answer_always(answer("{}")));
    plain_route(web);
    start(answer_always(answer(chat_answer)));
    for (const char* name : {"x-api-key", "api-key", "X-Goog-Api-Key"}) {
        EXPECT_EQ(ask(request("GET", "/web/x", name + ": "s + std::string(client_key) + "\r\n")).status(), 200) << name;
        EXPECT_FALSE(contains(web.last_request().head.raw, client_key)) << web.last_request().head.raw;
    }
}

// --- deadlines

TEST_F(Edge, AnAnswerThatFlowsIsNotCutForItsDuration) {
    conf.set("timeout.inter_event", "400ms").set("route.ai.passthrough", "files");
    conf.set("route.ai.auth.type", "none").set("consumer.tester.api_key", "");  // nobody to keep files apart for
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n");
        for (int count = 0; count < 10; ++count) {
            pace(100);
            if (!connection.send(std::string(10, 'x'))) return;
        }
    });
    const Message response = ask(get("/v1/files/file-1/content"));
    EXPECT_TRUE(response.is_whole());
    EXPECT_EQ(response.body, std::string(100, 'x'));
}

TEST_F(Edge, AnUploadThatFlowsIsNotCutForItsDuration) {
    conf.set("timeout.response_header", "400ms").set("route.ai.passthrough", "audio");
    start(answer_always(answer("{\"id\":\"file-1\"}")));
    RawClient one = client();
    one.send(request("POST", "/v1/audio/transcriptions", auth_header() + "Content-Length: 100\r\n"));
    for (int count = 0; count < 10; ++count) {
        pace(100);
        one.send(std::string(10, 'x'));
    }
    EXPECT_EQ(one.read_response().body, "{\"id\":\"file-1\"}");
}

TEST_F(Edge, AnUploadThatStandsStillIs408) {
    conf.set("timeout.client_body", "200ms").set("route.ai.passthrough", "audio");
    Gate refused;
    start([&](UpstreamConnection& connection) {
        if (connection.read_request_head()) refused.wait();
    });
    RawClient one = client();
    one.send(request("POST", "/v1/audio/transcriptions", auth_header() + "Content-Length: 100\r\n") + "half");
    expect_error(one.read_response(), 408);
    refused.open();
}

TEST_F(Edge, AStreamThatBeganBeforeItsRequestHadEndedIsNotCut) {
    conf.set("timeout.response_header", "300ms").set("route.ai.passthrough", "audio");
    Gate answered;
    std::string events;
    for (int count = 0; count < 16; ++count) events += delta_event("word");
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request_head()) return;
        connection.send(sse_head);
        answered.open();
        for (int count = 0; count < 16; ++count) {
            pace(50);
            if (!connection.send(chunk(delta_event("word")))) return;
        }
        connection.send(chunk(done_event) + std::string(last_chunk));
    });
    RawClient one = client();
    one.send(request("POST", "/v1/audio/transcriptions", auth_header() + "Content-Length: 10\r\n") + "half ");
    answered.wait();
    one.reader().start_response();
    one.send("whole");
    EXPECT_EQ(one.reader().read_rest().body, events + done_event);
}

TEST_F(Edge, AReaderThatStopsIsCutOffThoughItsAnswerIsAllHere) {
    conf.set("timeout.client_write", "300ms").set("stream.buffer_max", "32MiB");
    Gate sent;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(answer("\"" + std::string(16 << 20, 'x') + "\"", "200 OK", "Connection: close\r\n"));
        sent.open();
        connection.wait_closed();
    });
    RawClient one = client(4096);
    one.send(chat_request(chat_body));
    sent.wait();
    wait_until(
        "no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; },
        Deadline::in(std::chrono::seconds(5)));
}

TEST_F(Edge, ZeroSwitchesAClientsDeadlinesOff) {
    conf.set("timeout.client_idle", "0ms").set("timeout.client_head", "0ms").set("timeout.client_body", "0ms");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    pace(50);
    for (int turn = 0; turn < 2; ++turn) {
        const std::string bytes = chat_request(chat_body);
        one.send(bytes.substr(0, 30));
        pace(50);
        one.send(bytes.substr(30, bytes.size() - 40));
        pace(50);
        one.send(bytes.substr(bytes.size() - 10));
        EXPECT_EQ(one.read_response().body, chat_answer);
        pace(50);
    }
}

// --- the rest

TEST_F(Edge, ARefusalBehindAStreamOpenedEarlyIsAnErrorEvent) {
    const Message response =
        behind_opened_stream(answer("{\"error\":{\"message\":\"slow down\"}}", "429 Too Many Requests"));
    EXPECT_TRUE(contains(response.body, "data: {\"error\"")) << response.raw();
    EXPECT_TRUE(response.is_whole());
}

/// Keep-alives have opened a stream, and the upstream answers whole: that is an error, which was paid for.
TEST_F(Edge, AWholeAnswerBehindAStreamOpenedEarlyIsAnErrorWhoseUsageIsBooked) {
    const Message response = behind_opened_stream(answer(chat_answer));
    EXPECT_TRUE(contains(response.body, "data: {\"error\"")) << response.raw();
    EXPECT_TRUE(response.is_whole());
    EXPECT_EQ(loom().eventually_where("loom_ai_tokens_total", {"type=\"input\""}), 9);
    EXPECT_EQ(loom().eventually_where("loom_ai_tokens_total", {"type=\"output\""}), 12);
}

TEST_F(Edge, ALimitOfConnectionsThatWasRaisedLetsWaitingClientsIn) {
    conf.set("limit.connections", "4");
    start(answer_always(answer(chat_answer)));
    std::vector<RawClient> kept;
    for (int count = 0; count < 4; ++count) {
        kept.push_back(client());
        EXPECT_EQ(kept.back().ask(chat_request(chat_body)).status(), 200);
        if (count == 2) kept.back().close();  // the admin listener's scrapes need a place
    }
    RawClient waiting = client();
    waiting.send(chat_request(chat_body));
    conf.set("limit.connections", "100");
    loom().reload(conf.text());
    RawClient another = client();
    EXPECT_EQ(another.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(waiting.read_response().status(), 200);
}

TEST_F(Edge, TheEmbeddedProvidersLatencyIsNoOverflow) {
    conf.use_echo();
    start_without_upstream();
    EXPECT_EQ(ask(chat_request(R"({"model":"echo","messages":[{"role":"user","content":"hi"}]})")).status(), 200);
    wait_until("the booking", [&] { return loom().metric_sum("loom_ai_requests_total") >= 1; });
    EXPECT_LT(loom().metric_sum("loom_ai_provider_latency_seconds_sum"), 60);
}

TEST_F(Edge, RequestsBehindAStreamedBodyAreTheNext) {
    conf.set("route.ai.passthrough", "audio");
    start(answer_with([](const Message& request) { return answer(request.body.empty() ? "{}" : request.body); }));
    RawClient one = client();
    for (int turn = 0; turn < 20; ++turn) {
        const std::string body(static_cast<size_t>(100 + turn * 997), static_cast<char>('a' + turn));
        one.send(request("POST", "/v1/audio/transcriptions", auth_header(), body) + chat_request(chat_body));
        EXPECT_EQ(one.read_response().body, body);
        EXPECT_EQ(one.read_response().body, chat_body);
    }
}

TEST_F(Edge, APathThatTwoServersCouldReadAsTwoIsRefused) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    for (const char* path : {"/v1/../secret", "/v1/%2e%2E/secret", "/v1/./models", "/v1/.%2e", "/.."})
        EXPECT_EQ(one.ask(request("GET", path, auth_header())).status(), 400) << path;
    for (const char* path : {"/v1/models/...", "/v1/models/.hidden", "/v1/models/a..b"})
        EXPECT_EQ(one.ask(request("GET", path, auth_header())).status(), 404) << path;
}

}  // namespace
}  // namespace loom::wire
