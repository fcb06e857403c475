// A bad request gets its clear error, in OpenAI's shape, and the next one on the same connection is served.
#include <sys/socket.h>

#include "fixture.h"

namespace loom::wire {
namespace {

class Errors : public WireTest {};

TEST_F(Errors, MalformedJsonSaysWhere) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const Message response = one.ask(chat_request(R"({"model":"gpt-4o","messages":[}])"));
    expect_error(response, 400);
    EXPECT_EQ(json_text(response.body, "type"), "invalid_request_error");
    const std::string message = json_text(response.body, "message");
    EXPECT_NE(message.find_first_of("0123456789"), std::string::npos) << "names the offset: " << message;
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200) << "the connection is still good";
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(Errors, BodiesThatAreNoRequest) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const std::string_view bodies[] = {"[]",
                                       "null",
                                       "\"gpt-4o\"",
                                       "{",
                                       R"({"model":"gpt-4o")",
                                       R"({"messages":[]})",
                                       R"({"model":7,"messages":[]})",
                                       R"({"model":"","messages":[]})",
                                       R"({"model":"gpt-4o","messages":[],"stream":"yes"})",
                                       "\xff\xfe{}",
                                       R"({"model":"gpt-4o","messages":[]} trailing)",
                                       R"({"model":"gpt-4o","model":"gpt-4o-mini","messages":[]})"};
    for (const std::string_view body : bodies) {
        const Message response = one.ask(chat_request(body));
        EXPECT_EQ(response.status(), 400) << body << "\n" << response.body;
        EXPECT_TRUE(contains(response.body, "\"error\"")) << body;
    }
    expect_error(one.ask(chat_request("", "Content-Length: 0\r\n")), 400);
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Errors, DeepNestingIsNoCrash) {
    start(answer_always(answer(chat_answer)));
    const std::string deep =
        R"({"model":"gpt-4o","messages":)" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
    const int status = ask(chat_request(deep)).status();
    EXPECT_TRUE(status == 400 || status == 200) << status;
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Errors, NoKeyAndAWrongKeyAre401) {
    start(answer_always(answer(chat_answer)));
    const Message none = ask(request("POST", "/v1/chat/completions", "Content-Type: application/json\r\n", chat_body));
    expect_error(none, 401);
    EXPECT_FALSE(json_text(none.body, "code").empty());
    const Message wrong = ask(request("GET", "/v1/models", "Authorization: Bearer sk-client-0123456789abcdee\r\n"));
    expect_error(wrong, 401, "invalid_api_key");
    EXPECT_FALSE(contains(wrong.body, "sk-client"));
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Errors, AnUnknownModelNamesTheNearest) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat_request(R"({"model":"gpt-4o-mni","messages":[]})"));
    expect_error(response, 404, "model_not_found");
    EXPECT_TRUE(contains(response.body, "gpt-4o-mini")) << response.body;
    EXPECT_EQ(upstream().request_count(), 0U);
}

/// However many are nearer that it may not use.
TEST_F(Errors, AnUnknownModelNamesTheNearestThatItsClientMayUse) {
    conf.set("provider.mock.models", "gpt-4, gpt-4o, gpt-4.1, gpt-4t, gpt-5")
        .set("consumer.tester.models", "gpt-4p*, gpt-5, gpt-4t");
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat_request(R"({"model":"gpt-4p","messages":[]})"));
    expect_error(response, 404, "model_not_found");
    EXPECT_TRUE(contains(response.body, "Did you mean 'gpt-4t', 'gpt-5'?")) << response.body;
    for (const char* const hidden : {"'gpt-4'", "gpt-4o", "gpt-4.1"})
        EXPECT_FALSE(contains(response.body, hidden)) << response.body;
}

TEST_F(Errors, UnknownPathsAre404) {
    start(answer_always(answer(chat_answer)));
    expect_error(ask(get("/v1/chat/completionz")), 404);
    expect_error(ask(get("/nothing/here")), 404);
    expect_error(ask(get("/v1/../etc/passwd")), 400);  // refused, not looked up
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Errors, AFamilyThatIsNotPassedThroughIsRefused) {
    start(answer_always(answer("{}")));
    const int status = ask(get("/v1/files")).status();
    EXPECT_TRUE(status == 403 || status == 404) << status;
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Errors, ABodyOverItsLimitIs413) {
    conf.set("limit.body_size", "4KiB");
    start(answer_always(answer(chat_answer)));
    const std::string large =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(5000, 'x') + "\"}]}";
    expect_error(ask(chat_request(large)), 413);
    const std::string chunked = chat_request("", "Transfer-Encoding: chunked\r\n") + chunk(large.substr(0, 3000)) +
                                chunk(large.substr(3000)) + std::string(last_chunk);
    expect_error(ask(chunked), 413);
    RawClient one = client();
    one.send(chat_request("", "Content-Length: 99999999999\r\n"));
    expect_error(one.read_response(), 413);
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

TEST_F(Errors, AHeadOverItsLimitIs431) {
    conf.set("limit.head_size", "8KiB");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body, "X-Long: " + std::string(9000, 'x') + "\r\n")).status(), 431);
    RawClient one = client();
    one.send("GET /" + std::string(9000, 'x'));
    const int status = one.read_response().status();
    EXPECT_TRUE(status == 431 || status == 414) << status;
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
}

/// limit.connections turns nobody away: who is over it waits in the backlog, unread, until another has gone.
TEST_F(Errors, ClientsOverTheLimitWaitForTheirTurn) {
    conf.set("limit.connections", "8");
    start(answer_always(answer(chat_answer)));
    std::vector<RawClient> kept;
    for (int count = 0; count < 8; ++count) {
        kept.push_back(client());
        EXPECT_EQ(kept.back().ask(chat_request(chat_body)).status(), 200);
    }
    RawClient ninth = client();
    ninth.send(chat_request(chat_body));
    for (RawClient& one : kept) EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200) << "the others are served";
    char byte = 0;
    EXPECT_EQ(::recv(ninth.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1) << "neither answered nor closed";
    EXPECT_EQ(loom().eventually("loom_connections_open"), 8);
    EXPECT_EQ(loom().eventually("loom_connections_accepted_total"), 8);
    EXPECT_EQ(upstream().request_count(), 16u) << "nor read";
    kept.pop_back();
    EXPECT_EQ(ninth.read_response().status(), 200);
    EXPECT_EQ(loom().eventually("loom_connections_open"), 8);
    EXPECT_EQ(loom().eventually("loom_connections_accepted_total"), 9);
}

// --- what an upstream does wrong

class BadUpstream : public WireTest {};

TEST_F(BadUpstream, ThatRefusesIs502) {
    start(answer_always(answer(chat_answer)));
    upstream().stop_listening();
    RawClient one = client();
    expect_error(one.ask(chat_request(chat_body)), 502);
    expect_error(one.ask(chat_request(stream_body)), 502);
    EXPECT_TRUE(contains(one.ask(get("/v1/models")).body, "gpt-4o"));
}

TEST_F(WireTest, AHeadThatCannotBeReadHasItsLineInTheLog) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    one.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    EXPECT_EQ(one.read_response().status(), 400);
    const std::string line = loom().wait_for_access_line("\"status\":400");
    EXPECT_TRUE(contains(line, "\"client\":\"127.0.0.1\"")) << line;
    EXPECT_TRUE(contains(line, "error")) << line;
}

TEST_F(WireTest, ARefusalReachesAClientThatSendsNoMore) {
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 20; ++i) {
        RawClient one = client();
        one.send("BAD\r\n\r\n");
        one.half_close();
        EXPECT_EQ(one.read_response().status(), 400);
    }
}

TEST_F(BadUpstream, WhoseFirstAddressRefusesIsReachedByTheNext) {
    ScriptedUpstream only6(answer_always(answer(chat_answer)), listen_on_loopback6());
    conf.set("provider.mock.base_url", "http://localhost:" + std::to_string(only6.port()) + "/v1");  // 127.0.0.1, [::1]
    start_without_upstream();
    RawClient one = client();
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(only6.connection_count(), 1u);
    EXPECT_EQ(loom().eventually_sum("loom_upstream_retries_total"), 1);
    only6.stop_listening();
}

TEST_F(BadUpstream, OfWhoseAddressesNoneAnswersIs502) {
    conf.set("provider.mock.base_url", "http://localhost:" + std::to_string(free_port()) + "/v1");
    start_without_upstream();
    RawClient one = client();
    expect_error(one.ask(chat_request(chat_body)), 502);
    expect_error(one.ask(chat_request(chat_body)), 502);
}

TEST_F(BadUpstream, ThatClosesBeforeItsAnswerIs502) {
    start([](UpstreamConnection& connection) { connection.read_request(); });
    expect_error(ask(chat_request(chat_body)), 502);
}

TEST_F(BadUpstream, ThatResetsBeforeItsAnswerIs502) {
    start([](UpstreamConnection& connection) {
        connection.read_request();
        connection.reset();
    });
    expect_error(ask(chat_request(chat_body)), 502);
}

TEST_F(BadUpstream, WithAGarbageHeadIs502) {
    std::string bytes;
    start([&](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(bytes);
        connection.half_close();
    });
    const std::string_view heads[] = {
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 99 Too Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nBad Header: x\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "\x16\x03\x01\x02",
    };
    for (const std::string_view head : heads) {
        bytes = head;
        EXPECT_EQ(ask(chat_request(chat_body)).status(), 502) << head;
    }
    bytes = "HTTP/1.1 200 OK\r\nX-Endless: " + std::string(1 << 20, 'x');
    expect_error(ask(chat_request(chat_body)), 502);
}

TEST_F(BadUpstream, KilledMidStreamEndsInAnErrorEvent) {
    const std::string first = delta_event("Hello");
    for (const bool is_reset : {true, false}) {
        SCOPED_TRACE(is_reset ? "RST" : "FIN");
        ScriptedUpstream dying([&](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(sse_head + chunk(first));
            connection.wait_until_loom_has_read();
            is_reset ? connection.reset() : connection.close();
        });
        LoomProcess loom(Conf().use_upstream(dying.port()).text());
        RawClient one(loom.port());
        one.send(chat_request(stream_body));
        one.reader().start_response();
        one.reader().read_body_until(first);
        const Message response = one.reader().read_rest();
        EXPECT_TRUE(response.body.starts_with(first)) << response.body;
        const std::string rest = response.body.substr(first.size());
        EXPECT_TRUE(rest.starts_with("data: {\"error\"") || rest.starts_with("event: error")) << rest;
        EXPECT_TRUE(rest.ends_with("\n\n")) << rest;
        EXPECT_FALSE(contains(response.body, "[DONE]")) << response.body;
        wait_until("the booking", [&] { return loom.metric_sum("loom_stream_breaks_total") >= 1; });
        EXPECT_NO_THROW(loom.stop_cleanly());
    }
}

TEST_F(BadUpstream, KilledInTheMiddleOfAnEventLeavesNoHalfEvent) {
    const std::string first = delta_event("Hello");
    const std::string second = delta_event("never whole");
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(first + second.substr(0, cut)));
        connection.wait_until_loom_has_read();
        connection.reset();
    });
    for (cut = 1; cut < second.size(); cut += 9) {
        const Message response = ask(chat_request(stream_body));
        // However much of it had gone out already, the error stands as an event of its own.
        const size_t error = response.body.find("data: {\"error\"");
        ASSERT_NE(error, std::string::npos) << "cut at " << cut << "\n" << response.body;
        EXPECT_TRUE(response.body.substr(0, error).ends_with("\n\n")) << "cut at " << cut << "\n" << response.body;
    }
}

TEST_F(BadUpstream, AStreamThatEndsWithoutDoneIsNotSilent) {
    const std::string first = delta_event("Hello");
    start(answer_always(sse_head + chunk(first) + std::string(last_chunk)));
    const Message response = ask(chat_request(stream_body));
    // A clean end of the body without [DONE] is the upstream's own: passed on as it came, or marked; never made whole.
    EXPECT_TRUE(response.body.starts_with(first));
    EXPECT_FALSE(contains(response.body, "[DONE]"));
}

TEST_F(BadUpstream, KilledMidJsonIsNeverACleanShortBody) {
    const std::string bytes = answer(chat_answer);
    bool is_chunked = false;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        if (is_chunked) {
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            chunk(chat_answer.substr(0, 30)));
        } else {
            connection.send(bytes.substr(0, bytes.size() - 20));
        }
        connection.wait_until_loom_has_read();
        connection.reset();
    });
    for (const bool chunked : {false, true}) {
        is_chunked = chunked;
        RawClient one = client();
        one.send(chat_request(chat_body));
        try {
            const Message response = one.read_response();
            EXPECT_TRUE(!response.is_whole() || response.status() == 502) << response.raw();
        } catch (const WireError&) {
            // a connection cut before the head says it too
        }
    }
}

TEST_F(BadUpstream, BrokenChunksMidStreamEndInAnErrorEvent) {
    const std::string first = delta_event("Hello");
    bool in_one_read = false;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        const std::string good = sse_head + chunk(first);
        if (!in_one_read) connection.send(good);
        if (!in_one_read) connection.wait_until_loom_has_read();
        connection.send((in_one_read ? good : std::string()) + "zz\r\nnonsense\r\n");
        connection.wait_closed();
    });
    for (const bool together : {false, true}) {
        in_one_read = together;
        const Message response = ask(chat_request(stream_body));
        EXPECT_TRUE(response.body.starts_with(first + "data: {\"error\"")) << response.body;
        EXPECT_FALSE(contains(response.body, "nonsense"));
    }
}

TEST_F(BadUpstream, BytesBehindAnAnswerSpoilTheConnectionOnly) {
    start(answer_always(answer(chat_answer) + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
    RawClient one = client();
    for (int turn = 0; turn < 4; ++turn) EXPECT_EQ(one.ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_EQ(upstream().connection_count(), 4U) << "a connection with bytes nobody asked for is not used again";
}

}  // namespace
}  // namespace loom::wire
