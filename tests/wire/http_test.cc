// HTTP/1.1 as RFC 9112 asks of an intermediary, on the client's side.
#include <signal.h>

#include "fixture.h"

namespace loom::wire {
namespace {

class Http : public WireTest {};

TEST_F(Http, ThreePipelinedRequestsAreAnsweredInOrder) {
    start(answer_with([](const Message& request) { return answer(request.body); }));
    const auto body = [](int n) { return R"({"model":"gpt-4o","n":)" + std::to_string(n) + R"(,"messages":[]})"; };
    RawClient one = client();
    one.send(chat_request(body(1)) + chat_request(body(2)) + chat_request(body(3)));
    for (int n = 1; n <= 3; ++n) EXPECT_EQ(one.read_response().body, body(n));
}

TEST_F(Http, PipelinedStreamsDoNotMix) {
    const std::string& events = golden_streams().front().events;
    start(answer_always(sse_answer(events)));
    RawClient one = client();
    one.send(chat_request(stream_body) + get("/v1/models") + chat_request(stream_body));
    EXPECT_EQ(one.read_response().body, events);
    EXPECT_TRUE(contains(one.read_response().body, "gpt-4o-mini"));
    EXPECT_EQ(one.read_response().body, events);
}

TEST_F(Http, AnHttp10ClientGetsNoChunksAndItsConnectionEnds) {
    const std::string& events = golden_streams().front().events;
    start(answer_always(sse_answer(events)));
    RawClient one = client();
    std::string bytes = chat_request(stream_body);
    bytes.replace(bytes.find("HTTP/1.1"), 8, "HTTP/1.0");
    const Message response = one.ask(bytes);
    EXPECT_EQ(response.framing, Framing::until_close);
    EXPECT_EQ(response.body, events);
    EXPECT_TRUE(response.is_whole());
}

TEST_F(Http, AnHttp10ClientMayKeepItsConnectionForALengthKnown) {
    start(answer_always(answer(chat_answer)));
    std::string bytes = chat_request(chat_body);
    bytes.replace(bytes.find("HTTP/1.1"), 8, "HTTP/1.0");
    RawClient one = client();
    EXPECT_EQ(one.ask(bytes).body, chat_answer);
    EXPECT_EQ(one.read_end(), End::cut_by_fin) << "no keep-alive was asked for";
}

TEST_F(Http, ConnectionCloseIsObeyed) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const Message response = one.ask(chat_request(chat_body, "Connection: close\r\n"));
    EXPECT_EQ(response.body, chat_answer);
    EXPECT_TRUE(same_name(response.head.value("Connection"), "close"));
    EXPECT_EQ(one.read_end(), End::cut_by_fin);
}

TEST_F(Http, ExpectContinueIsAnsweredBeforeTheBodyComes) {
    start(answer_always(answer(chat_answer)));
    const std::string bytes = chat_request(chat_body, "Expect: 100-continue\r\n");
    RawClient one = client();
    one.send(bytes.substr(0, bytes.size() - chat_body.size()));
    EXPECT_EQ(one.read_response().status(), 100);
    one.send(chat_body);
    EXPECT_EQ(one.read_response().body, chat_answer);
    EXPECT_FALSE(upstream().request(0).head.has("Expect"));
}

TEST_F(Http, ExpectContinueOfARefusedRequestGetsTheRefusal) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    one.send(request("POST", "/v1/chat/completions", "Expect: 100-continue\r\nContent-Length: 10\r\n"));
    expect_error(one.read_response(), 401);
}

TEST_F(Http, HeadGetsTheHeadAlone) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    const Message head = one.ask(request("HEAD", "/v1/models", auth_header()), true);
    EXPECT_EQ(head.status(), 200);
    EXPECT_TRUE(contains(one.ask(get("/v1/models")).body, "gpt-4o")) << "the next answer follows at once";
    EXPECT_EQ(one.ask(request("HEAD", "/healthz"), true).status(), 200);
}

TEST_F(Http, TraceIsRefused) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(request("TRACE", "/v1/models", auth_header())).status(), 405);
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Http, AMethodThatAnEndpointDoesNotHaveIs405WithAllow) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(request("DELETE", "/v1/chat/completions", auth_header()));
    EXPECT_TRUE(response.status() == 405 || response.status() == 404) << response.raw();
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Http, AbsoluteFormIsUnderstoodAndItsHostWins) {
    start(answer_always(answer(chat_answer)));
    std::string bytes = chat_request(chat_body);
    bytes.replace(bytes.find("/v1"), 3, "http://loom.example/v1");
    EXPECT_EQ(ask(bytes).body, chat_answer);
    EXPECT_EQ(upstream().request(0).target(), "/v1/chat/completions");
}

TEST_F(Http, HeadersNamedInConnectionAreDropped) {
    start(answer_always(
        answer(chat_answer, "200 OK", "Connection: X-Secret-Hop\r\nX-Secret-Hop: up\r\nKeep-Alive: timeout=5\r\n")));
    const Message response = ask(chat_request(
        chat_body,
        "Connection: keep-alive, X-Hop\r\nX-Hop: down\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\n"));
    const Message seen = upstream().request(0);
    for (const char* name : {"X-Hop", "TE", "Upgrade", "Proxy-Authorization"})
        EXPECT_FALSE(seen.head.has(name)) << name;
    EXPECT_FALSE(response.head.has("X-Secret-Hop"));
    EXPECT_FALSE(response.head.has("Keep-Alive"));
}

TEST_F(Http, AHalfClosedClientIsTakenForGone) {
    // A FIN is all that a client sends which has closed for good; a model that goes on generating costs money.
    Gate upstream_was_closed;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.wait_closed();
        upstream_was_closed.open();
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    upstream().request(0);
    one.half_close();
    upstream_was_closed.wait();
    EXPECT_NE(one.read_end(), End::open);
}

TEST_F(Http, EmptyLinesBeforeARequestAreSkipped) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask("\r\n\r\n" + chat_request(chat_body)).body, chat_answer);
}

TEST_F(Http, ARequestIdIsMadeOrPassed) {
    start(answer_always(answer(chat_answer)));
    const Message made = ask(chat_request(chat_body));
    EXPECT_GE(made.head.value("x-request-id").size(), 8U);
    EXPECT_NE(ask(chat_request(chat_body)).head.value("x-request-id"), made.head.value("x-request-id"));
    const Message passed = ask(chat_request(chat_body, "X-Request-Id: mine-42\r\n"));
    EXPECT_EQ(passed.head.value("x-request-id"), "mine-42");
    EXPECT_EQ(passed.head.count("x-request-id"), 1U);
    loom().wait_for_access_line("mine-42");
}

TEST_F(Http, TheOverheadIsToldInMicroseconds) {
    start(answer_always(answer(chat_answer)));
    const std::string overhead = ask(chat_request(chat_body)).head.value("x-loom-overhead-us");
    ASSERT_FALSE(overhead.empty());
    EXPECT_EQ(overhead.find_first_not_of("0123456789."), std::string::npos) << overhead;
    EXPECT_LT(std::stod(overhead), 1e6);
}

TEST_F(Http, TraceparentIsPassedOn) {
    start(answer_always(answer(chat_answer)));
    const std::string value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    EXPECT_EQ(ask(chat_request(chat_body, "traceparent: " + value + "\r\n")).status(), 200);
    // The trace stays; the parent may be a span of Loom's own.
    EXPECT_EQ(upstream().request(0).head.value("traceparent").substr(0, 36), value.substr(0, 36));
}

// --- CORS

class Cors : public WireTest {};

TEST_F(Cors, APreflightOfAKnownOriginIsAnsweredHere) {
    conf.set("cors.origins", "https://app.example, https://other.example");
    start(answer_always(answer(chat_answer)));
    const std::string headers =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, "
        "content-type\r\nOrigin: ";
    const Message known = ask(request("OPTIONS", "/v1/chat/completions", headers + "https://app.example\r\n"));
    EXPECT_TRUE(known.status() == 204 || known.status() == 200) << known.raw();
    EXPECT_EQ(known.head.value("Access-Control-Allow-Origin"), "https://app.example");
    EXPECT_TRUE(contains(known.head.value("Access-Control-Allow-Methods"), "POST"));
    EXPECT_TRUE(contains(known.head.value("Vary"), "Origin"));
    const Message unknown = ask(request("OPTIONS", "/v1/chat/completions", headers + "https://evil.example\r\n"));
    EXPECT_FALSE(unknown.head.has("Access-Control-Allow-Origin"));
    EXPECT_EQ(upstream().connection_count(), 0U);
}

TEST_F(Cors, AnswersAndErrorsCarryTheOrigin) {
    conf.set("cors.origins", "https://app.example");
    start(answer_always(answer(chat_answer, "200 OK", "Access-Control-Allow-Origin: *\r\n")));
    const std::string origin = "Origin: https://app.example\r\n";
    const Message fine = ask(chat_request(chat_body, origin));
    EXPECT_EQ(fine.head.value("Access-Control-Allow-Origin"), "https://app.example");
    EXPECT_EQ(fine.head.count("Access-Control-Allow-Origin"), 1U);
    const Message refused = ask(request("GET", "/v1/models", origin));
    EXPECT_EQ(refused.status(), 401);
    EXPECT_EQ(refused.head.value("Access-Control-Allow-Origin"), "https://app.example");
}

TEST_F(Cors, WithoutOriginsThereIsNone) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat_request(chat_body, "Origin: https://app.example\r\n"));
    EXPECT_EQ(response.status(), 200);
    EXPECT_FALSE(response.head.has("Access-Control-Allow-Origin"));
}

}  // namespace
}  // namespace loom::wire
