// https listeners: what a client gets is what it would get without TLS; who may not connect is told why, and so is the
// log.
#include <fmt/format.h>

#include "tls_bare_peer.h"
#include "tls_listener_fixture.h"

namespace loom::wire {
namespace {

TEST_F(TlsListener, AChatPassesByteForByteAndTheConnectionIsKept) {
    start(answer_always(answer(chat_answer)));
    TlsClient one = connect();
    EXPECT_EQ(one.session().version(), "TLSv1.3");
    EXPECT_EQ(one.session().alpn(), "http/1.1");
    for (size_t i = 0; i < 5; ++i) {
        const Message response = one.ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 200);
        EXPECT_EQ(response.body, chat_answer);
        EXPECT_EQ(upstream().request(i).body, chat_body);
    }
    EXPECT_EQ(handshakes("full"), 1);
    EXPECT_EQ(loom().eventually("loom_tls_handshake_seconds_count{side=\"client\"}"), 1);
}

TEST_F(TlsListener, EveryGoldenStreamPassesByteForByte) {
    std::string events;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send(sse_answer(events));
    });
    TlsClient one = connect();
    for (const Golden& golden : golden_streams()) {
        events = golden.events;
        const Message response = one.ask(chat_request(stream_body));
        EXPECT_EQ(response.body, golden.events) << golden.name;
        EXPECT_TRUE(response.is_whole()) << golden.name;
    }
}

TEST_F(TlsListener, EventsArriveOneByOne) {
    Gate gate;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("first")));
        gate.wait();
        connection.send(chunk(delta_event("second") + done_event) + std::string(last_chunk));
    });
    TlsClient one = connect();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("first");
    gate.open();
    EXPECT_TRUE(one.reader().read_rest().is_whole());
}

TEST_F(TlsListener, AMegabyteEachWay) {
    const std::string text(1 << 20, 'x');
    const std::string big_answer = fmt::format(R"({{"text":"{}"}})", text);
    start(answer_always(answer(big_answer)));
    TlsClient one = connect();
    for (int i = 0; i < 3; ++i) {
        const std::string body =
            fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}})", text);
        EXPECT_EQ(one.ask(chat_request(body)).body, big_answer);
        EXPECT_EQ(upstream().last_request().body, body);
    }
}

TEST_F(TlsListener, RequestsThatCameInOneRecordAreAnsweredInTurn) {
    start(answer_always(answer(chat_answer)));
    TlsClient one = connect();
    std::string three;
    for (int i = 0; i < 3; ++i) three += chat_request(chat_body);
    one.send(three);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(one.read_response().body, chat_answer);
}

TEST_F(TlsListener, APlainRouteIsToldThatItWasHttps) {
    ScriptedUpstream plain(answer_always(answer("ok")));
    conf.set("route.plain.path", "/files/*").set("route.plain.ai_gateway", "off").set("route.plain.auth.type", "none");
    conf.set("route.plain.upstream", fmt::format("http://127.0.0.1:{}", plain.port()));
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_tls(request("GET", "/files/a")).body, "ok");
    EXPECT_EQ(plain.last_request().head.value("X-Forwarded-Proto"), "https");
}

TEST_F(TlsListener, TheCertificateIsChosenByName) {
    issue("wild", {.names = "DNS:*.wild.example", .common_name = "wild"});
    issue("exact", {.names = "DNS:exact.wild.example", .common_name = "exact"});
    conf.set("listener.http.tls.certificate",
             fmt::format("{}, {}, {}", file("host.crt"), file("wild.crt"), file("exact.crt")));
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(subject_shown("localhost"), "CN=local");
    EXPECT_EQ(subject_shown("a.wild.example"), "CN=wild");
    EXPECT_EQ(subject_shown("exact.wild.example"), "CN=exact");
    EXPECT_EQ(subject_shown(), "CN=local") << "no name at all";
}

TEST_F(TlsListener, APatternNamesAllThatIsThere) {
    issue("another", {.names = "DNS:another.example", .common_name = "another"});
    conf.set("listener.http.tls.certificate", file("*.crt"));
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(subject_shown("localhost"), "CN=local");
    EXPECT_EQ(subject_shown("another.example"), "CN=another");
}

TEST_F(TlsListener, WhoSpeaksNoCommonProtocolIsRefused) {
    start(answer_always(answer(chat_answer)));
    const auto h2 = client_context({.trust = authority_.trust(), .alpn = {"h2"}});
    EXPECT_TRUE(contains(refusal_of(*h2), "application protocol"));
    wait_for_log("let the peer offer http/1.1");
    EXPECT_EQ(handshakes("failed"), 1);
}

TEST_F(TlsListener, AClientThatDoesNotTrustUsIsInTheLog) {
    start(answer_always(answer(chat_answer)));
    const auto stranger = client_context({.trust = Authority("Another CA").trust()});
    EXPECT_TRUE(contains(refusal_of(*stranger), "issuer \"CN=Loom's test CA\""));
    wait_for_log("the peer refuses our certificate");
    EXPECT_TRUE(contains(loom().log(), "listener http: 127.0.0.1: ")) << loom().log();
    EXPECT_EQ(handshakes("failed"), 1);
}

// ---- resumption ----

TEST_F(TlsListener, AClientResumesOnWhicheverShardItLands) {
    conf.set("loop.shards", "2");
    start(answer_always(answer(chat_answer)));
    constexpr int reconnects = 200;
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
    for (int i = 0; i < reconnects; ++i) EXPECT_EQ(ask_tls(get("/v1/models")).status(), 200);
    EXPECT_GE(handshakes("resumed"), 0.99 * reconnects);
    EXPECT_EQ(handshakes("resumed") + handshakes("full"), reconnects + 1);
}

TEST_F(TlsListener, ATicketOutlivesTheChangeOfItsKey) {
    conf.set("tls.ticket_rotation", "1s");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_tls(get("/v1/models")).status(), 200);
    // Every connection brings a new ticket, so each is at most one rotation old.
    const Deadline three_rotations = Deadline::in(std::chrono::milliseconds(3500));
    int asked = 0;
    for (; !three_rotations.passed(); ++asked) {
        EXPECT_EQ(ask_tls(get("/v1/models")).status(), 200);
        pause_between_polls();
    }
    EXPECT_EQ(handshakes("full"), 1);
    EXPECT_EQ(handshakes("resumed"), asked);
}

// ---- clients with certificates ----

class TlsClientCertificate : public TlsListener {
  protected:
    TlsClientCertificate() {
        write("people.pem", people_.pem());
        conf.set("listener.http.tls.client_ca", file("people.pem"));
    }
    std::unique_ptr<net::TlsContext> client_with(const net::TlsKeyPair& pair) {
        return client_context({.trust = authority_.trust(), .certificate = pair});
    }
    Authority people_{"People CA"};
    const HostSpec agent = {.names = "URI:spiffe://example/agent-7", .common_name = "agent-7", .usage = "clientAuth"};
};

TEST_F(TlsClientCertificate, OneByTheAuthorityOpensAndIsNamedInTheAccessLog) {
    conf.set("loop.shards", "2");
    start(answer_always(answer(chat_answer)));
    const auto context = client_with(people_.issue(agent));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(ask_over_tls(loom().port(), *context, chat_request(chat_body)).status(), 200);
        if (i > 0) continue;
        EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("client_certificate":"CN=agent-7")"));
    }
    EXPECT_EQ(handshakes("resumed"), 19) << "a resumed session is still that client's";
    wait_until("twenty lines", [&] {
        const std::string lines = loom().access_log();
        size_t count = 0;
        for (size_t at = 0; (at = lines.find("CN=agent-7", at)) != std::string::npos; ++at) ++count;
        return count == 20;
    });
}

TEST_F(TlsClientCertificate, NoneIsRefusedWithTheRemedy) {
    start(answer_always(answer(chat_answer)));
    refusal_of(*trusting_);
    wait_for_log("the client shows no certificate; remedy: this listener has client_ca set");
    EXPECT_EQ(handshakes("failed"), 1);
}

TEST_F(TlsClientCertificate, AStrangersIsRefusedByName) {
    start(answer_always(answer(chat_answer)));
    refusal_of(*client_with(Authority("Elsewhere").issue({.names = "", .common_name = "eve", .usage = "clientAuth"})));
    wait_for_log("subject \"CN=eve\", issuer \"CN=Elsewhere\"");
    EXPECT_TRUE(contains(loom().log(), "remedy:"));
}

TEST_F(TlsClientCertificate, AnExpiredOneIsRefusedWithItsDate) {
    start(answer_always(answer(chat_answer)));
    refusal_of(*client_with(people_.issue({.names = "",
                                           .common_name = "old",
                                           .begins_in_seconds = -7200,
                                           .ends_in_seconds = -3600,
                                           .usage = "clientAuth"})));
    wait_for_log("expired on");
    EXPECT_TRUE(contains(loom().log(), "subject \"CN=old\""));
}

// ---- clients that do not shake hands ----

TEST_F(TlsListener, AHandshakeHasATime) {
    conf.set("timeout.client_handshake", "200ms");
    start(answer_always(answer(chat_answer)));
    RawClient silent = client();
    RawClient half = client();
    half.send(std::string("\x16\x03\x01\x02", 4));
    EXPECT_NE(silent.read_end(), End::open);
    EXPECT_NE(half.read_end(), End::open);
    wait_for_log("the TLS handshake did not end in time (timeout.client_handshake)");
    EXPECT_EQ(handshakes("given_up"), 2);
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
}

TEST_F(TlsListener, WhoConnectsAndLeavesIsNoFailure) {
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 5; ++i) client().close();
    wait_until("the ends", [&] { return loom().metric("loom_connections_open") <= 1; });
    EXPECT_EQ(handshakes("failed"), 0);
    EXPECT_FALSE(contains(loom().log(), "TLS")) << loom().log();
}

TEST_F(TlsListener, PlainHttpIsAnsweredInPlainHttp) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat_request(chat_body));
    expect_error(response, 400, "plain_http_on_tls_port");
    EXPECT_TRUE(contains(response.body, "https://"));
    EXPECT_TRUE(response.is_whole());
    wait_for_log("the client speaks plain HTTP; remedy: use https://");
}

/// Closing with bytes unread would reset the connection, and the answer with it.
TEST_F(TlsListener, PlainHttpIsAnsweredWhileItStillSends) {
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    one.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    one.wait_until_loom_has_read();
    one.send(std::string(100'000, 'x'));
    const Message response = one.read_response();
    EXPECT_EQ(response.status(), 400);
    EXPECT_TRUE(response.is_whole());
    EXPECT_EQ(one.read_end(), End::cut_by_fin);
}

TEST_F(TlsListener, GarbageEndsTheConnectionAndNothingElse) {
    start(answer_always(answer(chat_answer)));
    TlsClient kept = connect();
    EXPECT_EQ(kept.ask(chat_request(chat_body)).status(), 200);
    for (const std::string& garbage :
         {std::string(300, '\xff'), std::string(300, '\0'), std::string("\x16\x03\x01\xff\xff", 5)}) {
        RawClient one = client();
        one.send(garbage);
        one.half_close();
        std::string alert;
        while (receive(one.fd(), alert) == Got::bytes) {
        }
    }
    EXPECT_EQ(kept.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(handshakes("failed"), 3);
}

TEST_F(TlsListener, ARecordThatWasTamperedWithEndsItsConnection) {
    start(answer_always(answer(chat_answer)));
    TlsClient one = connect();
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    one.send_raw(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
    EXPECT_THROW((void)one.read_end(), WireError) << "an alert";
    EXPECT_EQ(handshakes("failed"), 0);
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
}

// ---- the end ----

TEST_F(TlsListener, AnIdleConnectionIsClosedInOrderByADrain) {
    start(answer_always(answer(chat_answer)));
    TlsClient idle = connect();
    EXPECT_EQ(idle.ask(get("/v1/models")).status(), 200);
    loom().signal(SIGTERM);
    EXPECT_EQ(idle.read_end(), End::cut_by_fin) << "close_notify";
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

TEST_F(TlsListener, AConnectionThatIsNotKeptEndsWithCloseNotify) {
    start(answer_always(answer(chat_answer)));
    TlsClient one = connect();
    EXPECT_EQ(one.ask(chat_request(chat_body, "Connection: close\r\n")).body, chat_answer);
    EXPECT_EQ(one.read_end(), End::cut_by_fin);
}

/// What ends half an answer must not look like its end: where only the closing is its end, there is no close_notify.
TEST_F(TlsListener, ABrokenAnswerThatOnlyItsEndDelimitsIsCutWithoutCloseNotify) {
    std::unique_ptr<Gate> gate;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        chunk("half"));
        gate->wait();
        connection.reset();
    });
    for (const bool chunked : {true, false}) {  // for HTTP/1.1, and until the close for 1.0
        gate = std::make_unique<Gate>();
        std::string bytes = chat_request(chat_body);
        if (!chunked) bytes.replace(bytes.find("HTTP/1.1"), 8, "HTTP/1.0");
        TlsClient one = connect();
        one.send(bytes);
        one.reader().start_response();
        one.reader().read_body_until("half");
        gate->open();
        EXPECT_EQ(one.reader().read_rest().end, chunked ? End::cut_by_fin : End::cut_by_rst);
    }
}

TEST_F(TlsListener, AClientThatLeavesMidStreamIsNoticed) {
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hello")));
        connection.wait_closed();
    });
    TlsClient one = connect();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("Hello");
    one.reset();
    wait_until("the cancel", [&] { return loom().metric_sum("loom_client_cancels_total") == 1; });
}

// ---- the conf ----

TEST_F(TlsListener, ACertificateAloneMeansHttps) {
    conf.set("listener.http.protocol", "");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
}

TEST_F(TlsListener, TheOldestVersionIsTheConfs) {
    conf.set("listener.http.tls.min_version", "1.3");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
    RawClient old = client();
    old.send(net::test::BarePeer().tls12_hello());
    std::string alert;
    while (receive(old.fd(), alert) == Got::bytes) {
    }
    wait_for_log("no common TLS version");
}

TEST_F(TlsListener, NoPlainTextWhereACertificateIsNamed) {
    conf.set("listener.http.protocol", "http");
    expect_start_refused({"listener.http.tls.certificate: needs listener.http.protocol = https"});
}

TEST_F(TlsListener, AFileThatIsNotThereRefusesTheStart) {
    conf.set("listener.http.tls.certificate", file("absent.crt"));
    expect_start_refused({"listener.http.tls.certificate: ", "absent.crt", "No such file", "remedy:"});
    conf.set("listener.http.tls.certificate", file("*.pem"));
    expect_start_refused({"no file matches"});
}

TEST_F(TlsListener, AKeyOfAnotherCertificateRefusesTheStart) {
    issue("other", {.names = "DNS:other.example"});
    conf.set("listener.http.tls.key", file("other.key"));
    expect_start_refused({"the private key is not the one of its first certificate", "remedy:"});
    conf.set("listener.http.tls.key", file("host.key") + ", " + file("other.key"));
    expect_start_refused({"listener.http.tls.key: 2 for 1 certificate"});
}

}  // namespace
}  // namespace loom::wire
