// https upstreams: what a client gets is what it would get without TLS; whoever is not who he should be gets nothing.
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "fixture.h"
#include "tls_certificates.h"
#include "tls_front.h"
#include "websocket.h"

namespace loom::wire {
namespace {

using net::test::Authority;
using net::test::HostSpec;

class TlsUpstream : public WireTest {
  protected:
    ~TlsUpstream() override { ::unlink(ca_path_.c_str()); }

    void trust(const Authority& authority) { std::ofstream(ca_path_, std::ios::trunc) << authority.pem(); }
    void start_front(ScriptedUpstream::Script script, const HostSpec& host = {.names = "IP:127.0.0.1"},
                     TlsFront::Ending ending = TlsFront::Ending::close_notify) {
        start_front_with(std::move(script), {.certificates = {authority_.issue(host)}}, ending);
    }
    void start_front_with(ScriptedUpstream::Script script, const net::TlsServerOptions& options,
                          TlsFront::Ending ending = TlsFront::Ending::close_notify) {
        scripted_ = std::make_unique<ScriptedUpstream>(std::move(script));
        front_ = std::make_unique<TlsFront>(scripted_->port(), options, ending);
        trust(authority_);
        use_https(front_->port());
    }
    void use_https(uint16_t port, std::string_view host = "127.0.0.1") {
        conf.set("provider.mock.base_url", fmt::format("https://{}:{}/v1", host, port));
        conf.set("provider.mock.tls.ca_file", ca_path_);
    }
    void start_tls(ScriptedUpstream::Script script, const HostSpec& host = {.names = "IP:127.0.0.1"},
                   TlsFront::Ending ending = TlsFront::Ending::close_notify) {
        start_front(std::move(script), host, ending);
        start_without_upstream();
    }
    void TearDown() override {
        WireTest::TearDown();
        front_.reset();
        if (scripted_ == nullptr || are_failures_expected) return;
        for (const std::string& failure : scripted_->failures()) ADD_FAILURE() << "the upstream's script: " << failure;
    }
    Eventually handshakes(std::string_view result) {
        return loom().eventually(fmt::format("loom_tls_handshakes_total{{side=\"upstream\",result=\"{}\"}}", result));
    }
    /// 502 for the client, one line with all a person needs in the log, and not one byte for the impostor.
    void expect_refused(std::initializer_list<std::string_view> parts) {
        expect_error(ask(chat_request(chat_body)), 502, "upstream_tls_failed");
        wait_until("the line in the log", [&] { return contains(loom().log(), "remedy:"); });
        const std::string log = loom().log();
        for (const std::string_view part : parts) EXPECT_TRUE(contains(log, part)) << part << " is missing in\n" << log;
        EXPECT_EQ(handshakes("full") + handshakes("resumed"), 0);
        EXPECT_EQ(handshakes("failed"), 1);
        EXPECT_EQ(loom().eventually_where("loom_upstream_connections_total", {"mock", "tls_failed"}), 1);
        EXPECT_TRUE(scripted_ == nullptr || scripted_->received_bytes() == 0);
    }

    Authority authority_{"Loom's test CA"};
    std::unique_ptr<ScriptedUpstream> scripted_;
    std::unique_ptr<TlsFront> front_;
    std::string ca_path_ = fmt::format("{}/loom-wire-ca-{}.pem", testing::TempDir(), ::getpid());
    bool are_failures_expected = false;
};

TEST_F(TlsUpstream, ARealtimeSessionAndItsCloseInBothDirections) {
    conf.set("provider.mock.models", "gpt-realtime");
    start_tls([](UpstreamConnection& connection) {
        auto end = accept_websocket(connection);
        if (!end) return;
        for (;;) {
            const Frame frame = end->read();
            end->send(frame.opcode, frame.payload, frame.fin);
            if (frame.opcode != opcode::close) continue;
            EXPECT_EQ(end->read_to_end(), Got::fin);
            return;
        }
    });
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime", auth_header()));
    EXPECT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd end(one.fd(), WebSocketEnd::Role::client, one.reader().unread());
    for (const size_t size : {5UL, 20'000UL, 200'000UL}) {  // within a record and over several
        const std::string audio(size, 'a');
        end.send(opcode::binary, audio);
        EXPECT_EQ(end.read_message(), audio);
    }
    end.send_close(4000, "over TLS");
    EXPECT_EQ(end.read_close(), 4000);
    EXPECT_EQ(end.read_to_end(), Got::fin);
}

TEST_F(TlsUpstream, AChatPassesByteForByteAndTheConnectionIsKept) {
    start_tls(answer_always(answer(chat_answer)));
    RawClient one = client();
    for (int i = 0; i < 5; ++i) {
        const Message response = one.ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 200);
        EXPECT_EQ(response.body, chat_answer);
        EXPECT_EQ(scripted_->request(static_cast<size_t>(i)).body, chat_body);
    }
    EXPECT_EQ(front_->connection_count(), 1U);
    EXPECT_EQ(handshakes("full"), 1);
}

TEST_F(TlsUpstream, EveryGoldenStreamPassesByteForByte) {
    std::string events;
    start_tls([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send(sse_answer(events));
    });
    RawClient one = client();
    for (const Golden& golden : golden_streams()) {
        events = golden.events;
        const Message response = one.ask(chat_request(stream_body));
        EXPECT_EQ(response.body, golden.events) << golden.name;
        EXPECT_TRUE(response.is_whole()) << golden.name;
    }
}

TEST_F(TlsUpstream, EventsArriveOneByOne) {
    Gate gate;
    start_tls([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("first")));
        gate.wait();
        connection.send(chunk(delta_event("second") + done_event) + std::string(last_chunk));
        connection.wait_closed(Deadline::in(std::chrono::minutes(5)));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("first");
    gate.open();
    EXPECT_TRUE(one.reader().read_rest().is_whole());
}

TEST_F(TlsUpstream, AMegabyteEachWay) {
    const std::string text(1 << 20, 'x');
    const std::string big_answer = fmt::format(R"({{"id":"1","choices":[],"filler":"{}"}})", text);
    const std::string big_body =
        fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}})", text);
    start_tls(answer_always(answer(big_answer)));
    RawClient one = client();
    for (int i = 0; i < 3; ++i) {
        const Message response = one.ask(chat_request(big_body));
        EXPECT_TRUE(response.body == big_answer) << response.body.size();
        EXPECT_TRUE(scripted_->request(static_cast<size_t>(i)).body == big_body);
    }
    EXPECT_EQ(front_->connection_count(), 1U);
}

TEST_F(TlsUpstream, AReaderThatComesLateGetsAllOfIt) {
    std::string events;
    while (events.size() < (8U << 20)) events += delta_event(std::string(1000, 'y'));
    events += done_event;
    start_tls([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send(sse_answer(events, false));
    });
    RawClient one = client(4096);
    one.send(chat_request(stream_body));
    one.reader().start_response();
    wait_until("the stall", [&] { return loom().metric_sum("loom_stream_stalls_total") > 0; });
    const Message& response = one.reader().read_rest(Deadline::in(std::chrono::seconds(60)));
    EXPECT_TRUE(response.body == events) << response.body.size();
}

TEST_F(TlsUpstream, TheSecondConnectionResumesTheFirstsSession) {
    start_tls([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(answer(chat_answer, "200 OK", "Connection: close\r\n"));
    });
    for (int i = 0; i < 4; ++i) {
        const std::string id = fmt::format("whole-{}", i);
        EXPECT_EQ(ask(chat_request(chat_body, "X-Request-Id: " + id + "\r\n")).body, chat_answer);
        EXPECT_FALSE(contains(loom().wait_for_access_line(id), "\"error\"")) << "its end came in order";
    }
    EXPECT_EQ(front_->handshake_count(), 4U);
    EXPECT_EQ(front_->resumed_count(), 3U);
    EXPECT_EQ(handshakes("full"), 1);
    EXPECT_EQ(handshakes("resumed"), 3);
}

TEST_F(TlsUpstream, EveryReconnectOfEveryShardResumesButItsFirst) {
    conf.set("loop.shards", "2");
    start_tls([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(answer(chat_answer, "200 OK", "Connection: close\r\n"));
    });
    constexpr int reconnects = 200;
    for (int i = 0; i < reconnects + 2; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_LE(handshakes("full"), 2) << "one a shard";
    EXPECT_GE(handshakes("resumed"), 0.99 * reconnects);
}

/// Writes a certificate of Loom's own, and its key, and names it in the conf.
class TlsUpstreamCertificate : public TlsUpstream {
  protected:
    ~TlsUpstreamCertificate() override {
        for (const char* end : {".crt", ".key"}) ::unlink((path_ + end).c_str());
    }
    void issue(Authority& authority, const HostSpec& spec) {
        const net::TlsKeyPair pair = authority.issue(spec);
        std::ofstream(path_ + ".key", std::ios::trunc) << pair.key_pem;
        std::ofstream(path_ + ".crt", std::ios::trunc) << pair.certificate_pem;
    }
    void start_asking(ScriptedUpstream::Script script = answer_always(answer(chat_answer))) {
        start_front_with(std::move(script),
                         {.certificates = {authority_.issue({.names = "IP:127.0.0.1"})}, .client_ca = people_.trust()});
    }
    const HostSpec loom_ = {.names = "", .common_name = "loom", .usage = "clientAuth"};
    Authority people_{"People CA"};
    std::string path_ = fmt::format("{}/loom-wire-own-{}", testing::TempDir(), ::getpid());
};

TEST_F(TlsUpstreamCertificate, LoomShowsItsOwnWhereAsked) {
    issue(people_, loom_);
    start_asking();
    conf.set("provider.mock.tls.certificate", path_ + ".crt");
    start_without_upstream();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(front_->client_subject(), "CN=loom");
}

TEST_F(TlsUpstreamCertificate, APlainRouteHasItsOwn) {
    issue(people_, loom_);
    start_asking(answer_always(answer("a file")));
    conf.set("route.plain.path", "/files/*").set("route.plain.ai_gateway", "off").set("route.plain.auth.type", "none");
    conf.set("route.plain.upstream", fmt::format("https://127.0.0.1:{}", front_->port()));
    conf.set("route.plain.tls.ca_file", ca_path_);
    std::ofstream(path_ + ".pem", std::ios::trunc) << read_file(path_ + ".crt");
    conf.set("route.plain.tls.certificate", path_ + ".pem").set("route.plain.tls.key", path_ + ".key");
    start_without_upstream();
    EXPECT_EQ(ask(request("GET", "/files/a")).body, "a file");
    EXPECT_EQ(front_->client_subject(), "CN=loom");
    ::unlink((path_ + ".pem").c_str());
}

TEST_F(TlsUpstreamCertificate, WithoutOneTheLogSaysWhichKeyIsMissing) {
    start_asking();
    start_without_upstream();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 502);
    wait_until("the line", [&] { return contains(loom().log(), "the server asks for a certificate"); });
    EXPECT_TRUE(contains(loom().log(), "tls.certificate")) << loom().log();
}

TEST_F(TlsUpstreamCertificate, ARenewedOneIsShownFromThenOn) {
    issue(people_, loom_);
    start_asking();
    conf.set("provider.mock.tls.certificate", path_ + ".crt").set("tls.watch_interval", "20ms");
    start_without_upstream();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    HostSpec renewed = loom_;
    renewed.common_name = "renewed";
    issue(people_, renewed);
    wait_until("the renewed certificate", [&] {
        EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
        return front_->client_subject() == "CN=renewed";
    });
    const double ends_s =
        loom().metric(fmt::format("loom_tls_certificate_expiry_timestamp_seconds{{owner=\"provider."
                                  "mock\",certificate=\"{}.crt\"}}",
                                  path_));
    EXPECT_NEAR(ends_s - static_cast<double>(::time(nullptr)), 86'400, 300);
    EXPECT_EQ(loom().eventually("loom_tls_certificate_renewals_total{result=\"success\"}"), 1);
}

TEST_F(TlsUpstreamCertificate, AKeyThatIsNotItsRefusesTheStart) {
    issue(people_, loom_);
    std::ofstream(path_ + ".key", std::ios::trunc) << people_.issue(loom_).key_pem;
    use_https(1);
    trust(authority_);
    conf.set("provider.mock.tls.certificate", path_ + ".crt");
    const Exit exit = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(exit.code, 78);
    EXPECT_TRUE(contains(exit.log, "provider.mock.tls.certificate: ")) << exit.log;
    EXPECT_TRUE(contains(exit.log, "the private key is not the one of its first certificate")) << exit.log;
}

TEST_F(TlsUpstream, APlainRouteMayLeadToHttps) {
    start_front([](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send(answer("a file"));
    });
    conf.set("route.plain.path", "/files/*").set("route.plain.ai_gateway", "off").set("route.plain.auth.type", "none");
    conf.set("route.plain.upstream", fmt::format("https://127.0.0.1:{}", front_->port()));
    conf.set("route.plain.tls.ca_file", ca_path_);
    start_without_upstream();
    EXPECT_EQ(ask(request("GET", "/files/a")).body, "a file");
    EXPECT_EQ(scripted_->last_request().head.value("Host"), fmt::format("127.0.0.1:{}", front_->port()));
    EXPECT_EQ(handshakes("full"), 1);
}

TEST_F(TlsUpstream, APlainRouteToAStrangerIsRefusedAndNeverAskedInPlainText) {
    start_front(answer_always(answer("a file")));
    trust(Authority("Another CA"));
    conf.set("route.plain.path", "/files/*").set("route.plain.ai_gateway", "off").set("route.plain.auth.type", "none");
    conf.set("route.plain.upstream", fmt::format("https://127.0.0.1:{}", front_->port()));
    conf.set("route.plain.tls.ca_file", ca_path_);
    start_without_upstream();
    EXPECT_EQ(ask(request("GET", "/files/a")).status(), 502);
    wait_until("the line", [&] { return contains(loom().log(), "plain: the certificate of 127.0.0.1 is refused"); });
    EXPECT_EQ(scripted_->received_bytes(), 0U);
}

TEST_F(TlsUpstream, AConnectionThatDiedInThePoolIsReplaced) {
    for (const auto ending : {TlsFront::Ending::close_notify, TlsFront::Ending::cut}) {
        start_front(
            [](UpstreamConnection& connection) {
                if (connection.read_request()) connection.send(answer(chat_answer));
            },
            {.names = "IP:127.0.0.1"}, ending);
        start_without_upstream();
        for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
        loom().stop_cleanly();
    }
}

TEST_F(TlsUpstream, ACertificateForAnotherHostIsRefused) {
    start_tls(answer_always(answer(chat_answer)), {.names = "DNS:other.example,IP:10.0.0.1", .common_name = "other"});
    expect_refused({"mock: ", "127.0.0.1", "other.example", "subject \"CN=other\"", "issuer \"CN=Loom's test CA\""});
}

TEST_F(TlsUpstream, ACertificateByAnUnknownCaIsRefused) {
    start_front(answer_always(answer(chat_answer)));
    trust(Authority("Another CA"));
    start_without_upstream();
    expect_refused({"subject \"CN=a host\"", "issuer \"CN=Loom's test CA\"", "trusted CA file"});
}

TEST_F(TlsUpstream, TheSystemsAuthoritiesDoNotKnowAPrivateOne) {
    start_front(answer_always(answer(chat_answer)));
    conf.set("provider.mock.tls.ca_file", "");
    start_without_upstream();
    expect_refused({"subject \"CN=a host\"", "issuer \"CN=Loom's test CA\""});
}

TEST_F(TlsUpstream, AnExpiredCertificateIsRefused) {
    start_tls(answer_always(answer(chat_answer)),
              {.names = "IP:127.0.0.1", .begins_in_seconds = -7200, .ends_in_seconds = -3600});
    expect_refused({"expired on", "renew it"});
}

TEST_F(TlsUpstream, AnUpstreamWithoutTlsIsRefusedAndNeverAskedInPlainText) {
    trust(authority_);
    std::string seen;
    ScriptedUpstream plain([&](UpstreamConnection& connection) {
        (void)receive(connection.fd(), seen);
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    use_https(plain.port());
    start_without_upstream();
    expect_refused({"does not speak TLS", "http instead of https"});
    EXPECT_FALSE(contains(seen, provider_key));
    EXPECT_FALSE(contains(seen, "HTTP/1.1"));
}

TEST_F(TlsUpstream, TheSameFaultIsLoggedOnce) {
    start_tls(answer_always(answer(chat_answer)), {.names = "DNS:other.example"});
    for (int i = 0; i < 5; ++i) expect_error(ask(chat_request(chat_body)), 502, "upstream_tls_failed");
    const std::string log = loom().log();
    EXPECT_EQ(log.find("remedy:"), log.rfind("remedy:")) << log;
}

TEST_F(TlsUpstream, AStreamCutWithoutCloseNotifyEndsWithAnErrorEvent) {
    start_tls(
        [](UpstreamConnection& connection) {
            if (connection.read_request()) connection.send(sse_head + chunk(delta_event("Hello")));
        },
        {.names = "IP:127.0.0.1"}, TlsFront::Ending::cut);
    const Message response = ask(chat_request(stream_body));
    EXPECT_EQ(response.status(), 200);
    EXPECT_TRUE(contains(response.body, "Hello"));
    EXPECT_TRUE(contains(response.body, "upstream_stream_broken")) << response.body;
    EXPECT_TRUE(contains(response.body, "close_notify")) << response.body;
    EXPECT_TRUE(response.is_whole());
}

/// Where only the end of the connection ends a body, close_notify is what tells an end from a cut.
TEST_F(TlsUpstream, ABodyThatEndsByClosingIsWholeOnlyWithCloseNotify) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    Gate* gate = nullptr;
    const auto script = [&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(head + chat_answer);
        gate->wait();
    };
    for (const auto ending : {TlsFront::Ending::close_notify, TlsFront::Ending::cut}) {
        Gate here;
        gate = &here;
        start_tls(script, {.names = "IP:127.0.0.1"}, ending);
        RawClient one = client();
        one.send(chat_request(chat_body));
        one.reader().start_response();
        one.reader().read_body_until("\"vendor\"");
        here.open();
        const Message& response = one.reader().read_rest();
        EXPECT_EQ(response.is_whole(), ending == TlsFront::Ending::close_notify);
        EXPECT_EQ(response.body, chat_answer);
        loom().stop_cleanly();
    }
}

TEST_F(TlsUpstream, TheConnectTimeoutCoversTheHandshake) {
    trust(authority_);
    ScriptedUpstream silent([](UpstreamConnection& connection) {
        std::string hello;
        while (receive(connection.fd(), hello, Deadline::in(std::chrono::minutes(5))) == Got::bytes) {
        }
    });
    use_https(silent.port());
    conf.set("timeout.connect", "300ms");
    start_without_upstream();
    expect_error(ask(chat_request(chat_body)), 504, "upstream_timeout");
}

TEST_F(TlsUpstream, AReloadKeepsConnectionsUnlessTheTrustChanged) {
    start_tls(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(front_->connection_count(), 1U);

    trust(Authority("Another CA"));
    loom().reload(conf.text());
    expect_error(ask(chat_request(chat_body)), 502, "upstream_tls_failed");

    trust(authority_);
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);

    ::unlink(ca_path_.c_str());
    loom().reload(conf.text(), false);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200) << "the plan in force stays";
}

TEST_F(TlsUpstream, ACaFileThatIsNotThereRefusesTheStart) {
    use_https(1);
    const Exit exit = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(exit.code, 78);
    EXPECT_TRUE(contains(exit.log, "provider.mock.tls.ca_file: " + ca_path_)) << exit.log;
    EXPECT_TRUE(contains(exit.log, "remedy:")) << exit.log;
}

}  // namespace
}  // namespace loom::wire
