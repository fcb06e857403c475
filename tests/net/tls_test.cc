// TLS before the first byte of data: handshakes at every cut, bad certificates, versions, names.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <functional>
#include <random>

#include "tls_bare_peer.h"
#include "tls_pair.h"

namespace loom::net {
namespace {

using namespace test;

// ---- the handshake ----

TEST(TlsHandshake, AgreesAtEveryCut) {
    Pair pair;
    for (size_t cut : {1, 2, 3, 5, 7, 16, 100, 1000, 100000}) {
        Connection c(pair);
        ASSERT_TRUE(c.open("a.example", cut).has_value()) << cut << ": " << c.client.last_error_text();
        EXPECT_TRUE(c.client.handshake_done());
        EXPECT_TRUE(c.server.handshake_done());
        EXPECT_EQ(c.client.version(), "TLSv1.3");
        EXPECT_EQ(c.client.alpn(), "http/1.1");
        EXPECT_EQ(c.server.server_name(), "a.example");
    }
}

TEST(TlsHandshake, SplitInTwoAtEveryByte) {
    Pair pair;
    Connection whole(pair);
    ASSERT_TRUE(whole.server.start_server().has_value());
    ASSERT_TRUE(whole.client.start_client("a.example", 443).has_value());
    const size_t hello_bytes = whole.client.pending_bytes();
    for (size_t cut = 1; cut < hello_bytes; ++cut) {
        Connection c(pair);
        ASSERT_TRUE(c.server.start_server().has_value());
        ASSERT_TRUE(c.client.start_client("a.example", 443).has_value());
        const std::string hello(c.client.pending_ciphertext());
        c.client.consume_ciphertext(hello.size());
        ASSERT_TRUE(c.server.feed(std::string_view(hello).substr(0, cut), {}).has_value());
        EXPECT_EQ(c.server.pending_bytes(), 0u);
        ASSERT_TRUE(c.server.feed(std::string_view(hello).substr(cut), {}).has_value());
        ASSERT_TRUE(shake(c.client, c.server).has_value());
        ASSERT_TRUE(c.client.handshake_done() && c.server.handshake_done()) << cut;
    }
}

TEST(TlsHandshake, EveryNameOfTheCertificateOpens) {
    Pair pair({.names = "DNS:a.example,DNS:*.b.example,IP:10.1.2.3,IP:2001:db8::7"});
    for (const char* host :
         {"a.example", "A.Example", "a.example.", "x.b.example", "10.1.2.3", "2001:db8::7", "[2001:db8::7]"}) {
        Connection c(pair);
        EXPECT_TRUE(c.open(host).has_value()) << host << ": " << c.client.last_error_text();
    }
    for (const char* host : {"b.example", "x.y.b.example", "10.1.2.4", "2001:db8::8", "example", "aa.example", ""}) {
        Connection c(pair);
        EXPECT_FALSE(c.open(host).has_value()) << host;
        EXPECT_FALSE(c.client.handshake_done()) << host;
    }
}

/// Opens a connection that must fail at the client, and returns what it says to people.
std::string refusal(Pair& pair, const char* host, const char* what) {
    Connection c(pair);
    const auto opened = c.open(host);
    EXPECT_FALSE(opened.has_value());
    if (opened) return "";
    EXPECT_EQ(opened.error().code, Errc::tls_failed);
    EXPECT_EQ(opened.error().side, Side::upstream);
    EXPECT_EQ(opened.error().retry, Retry::safe);
    EXPECT_STREQ(opened.error().what, what);
    // The server is told by an alert, and says so.
    EXPECT_GT(c.client.pending_bytes(), 0u);
    EXPECT_FALSE(pass(c.client, c.server, SIZE_MAX).has_value());
    EXPECT_TRUE(c.server.failed());
    EXPECT_FALSE(c.client.feed("x", {}).has_value()) << "an error stays";
    return c.client.last_error_text();
}

TEST(TlsCertificates, AWrongHostIsRefusedByName) {
    Pair pair({.names = "DNS:other.example", .common_name = "a.example"});  // a subject's CN is no host name
    expect_says(
        refusal(pair, "a.example", "the certificate is for other names"),
        {"a.example", "it is for other.example", "subject \"CN=a.example\"", "issuer \"CN=Test CA\"", "remedy"});
}

TEST(TlsCertificates, AnExpiredOneIsRefusedWithItsDate) {
    Pair pair({.names = "DNS:a.example", .common_name = "old", .begins_in_seconds = -7200, .ends_in_seconds = -3600});
    expect_says(refusal(pair, "a.example", "the certificate has expired"),
                {"expired on", "CN=old", "CN=Test CA", "renew"});
    Pair early({.names = "DNS:a.example", .begins_in_seconds = 3600});
    expect_says(refusal(early, "a.example", "the certificate is not valid yet"), {"valid from", "clock"});
}

TEST(TlsCertificates, AnUnknownAuthorityIsRefused) {
    Pair pair;
    pair.client_context = make_client({.trust = Authority("Another CA").trust()});
    expect_says(refusal(pair, "a.example", "the certificate is by an unknown CA"), {"CN=Test CA", "trusted CA file"});
}

TEST(TlsCertificates, OneForAnotherPurposeIsRefused) {
    Pair pair({.names = "DNS:a.example", .usage = "clientAuth"});
    expect_says(refusal(pair, "a.example", "the certificate is for another purpose"), {"serverAuth"});
}

TEST(TlsCertificates, ATrustedLeafMayBePinned) {
    Authority authority;
    const TlsKeyPair pair = authority.issue({.names = "DNS:a.example"});
    const std::string path = "/tmp/loom-test-pin-" + std::to_string(getpid()) + ".pem";
    FILE* file = fopen(path.c_str(), "w");
    fputs(pair.certificate_pem.c_str(), file);
    fclose(file);
    const auto trust = load_tls_trust(path);
    unlink(path.c_str());
    ASSERT_TRUE(trust.has_value());
    const auto server = make_server({.certificates = {pair}});
    const auto client = make_client({.trust = *trust});
    Connection c(*client, *server);
    EXPECT_TRUE(c.open().has_value()) << c.client.last_error_text();
}

TEST(TlsCertificates, TheSystemsAuthoritiesLoad) {
    std::string text;
    const auto trust = load_tls_trust("", &text);
    ASSERT_TRUE(trust) << text << " (scripts/deps installs ca-certificates)";
    EXPECT_NE(*trust, nullptr);
}

TEST(TlsCertificates, ConfigurationErrorsSayWhichFileAndWhatToDo) {
    Authority authority;
    const TlsKeyPair good = authority.issue({.names = "DNS:a.example", .common_name = "good"});
    const TlsKeyPair other = authority.issue({.names = "DNS:b.example"});
    std::string text;
    const auto server = [&](TlsKeyPair pair) {
        return TlsContext::server({.certificates = {std::move(pair)}}, &text).has_value();
    };
    EXPECT_FALSE(server({good.certificate_pem, other.key_pem, "mixed.crt"}));
    expect_says(text, {"mixed.crt", "not the one of its first certificate"});
    EXPECT_FALSE(server({"nothing", good.key_pem, "empty.crt"}));
    expect_says(text, {"empty.crt", "no certificate in PEM"});
    EXPECT_FALSE(server({good.certificate_pem, "", "keyless.crt"}));
    expect_says(text, {"keyless.crt", "no private key"});
    EXPECT_FALSE(server({good.certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                         good.key_pem, "half.crt"}));
    expect_says(text, {"half.crt", "certificate 2"});
    EXPECT_FALSE(load_tls_trust("/nonexistent.pem", &text).has_value());
    expect_says(text, {"/nonexistent.pem", "No such file"});
    EXPECT_FALSE(TlsContext::client({}, &text).has_value());
    expect_says(text, {"CA store"});
}

// ---- versions, ALPN, SNI, client certificates ----

Error refused_hello(Pair& pair, const std::string& hello, std::string* text) {
    TlsSession server(*pair.server_context);
    EXPECT_TRUE(server.start_server().has_value());
    const auto fed = server.feed(hello, {});
    EXPECT_FALSE(fed.has_value());
    *text = server.last_error_text();
    return fed ? Error{} : fed.error();
}

TEST(TlsVersions, BelowTls12NobodyIsServed) {
    Pair pair;
    BarePeer peer;
    std::string text;
    for (uint16_t version : {TLS1_VERSION, TLS1_1_VERSION}) {
        const std::string hello = peer.hello([version](SSL* ssl) {
            SSL_set_min_proto_version(ssl, version);
            SSL_set_max_proto_version(ssl, version);
        });
        const Error error = refused_hello(pair, hello, &text);
        EXPECT_EQ(error.code, Errc::tls_failed);
        EXPECT_EQ(error.side, Side::downstream);
        EXPECT_STREQ(error.what, "no common TLS version");
        expect_says(text, {"TLS 1.2"});
    }
}

TEST(TlsVersions, Tls12IsSpokenAndMayBeRefused) {
    Pair pair;
    {
        TlsSession server(*pair.server_context);
        ASSERT_TRUE(server.start_server().has_value());
        EXPECT_TRUE(server.feed(BarePeer().tls12_hello(), {}).has_value());
        EXPECT_EQ(server.version(), "TLSv1.2");
    }
    pair.server_context = make_server(
        {.certificates = {pair.authority.issue({.names = "DNS:a.example"})}, .min_version = TlsVersion::tls13});
    std::string text;
    EXPECT_EQ(refused_hello(pair, BarePeer().tls12_hello(), &text).code, Errc::tls_failed);
}

TEST(TlsVersions, AClientMayRefuseTls12Too) {
    Pair pair;
    const auto reason_with = [&](TlsVersion oldest) {
        pair.client_context = make_client({.trust = pair.authority.trust(), .min_version = oldest});
        TlsSession client(*pair.client_context);
        EXPECT_TRUE(client.start_client("a.example", 443).has_value());
        return BarePeer().reason_of_tls12_server(client.pending_ciphertext());
    };
    EXPECT_EQ(reason_with(TlsVersion::tls13), SSL_R_UNSUPPORTED_PROTOCOL);
    EXPECT_NE(reason_with(TlsVersion::tls12), SSL_R_UNSUPPORTED_PROTOCOL);
}

TEST(TlsVersions, PlainHttpAndGarbageGetTheirReason) {
    Pair pair;
    std::string text;
    EXPECT_STREQ(refused_hello(pair, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &text).what,
                 "the client speaks plain HTTP");
    expect_says(text, {"https://"});
    TlsSession http(*pair.server_context);
    ASSERT_TRUE(http.start_server().has_value());
    EXPECT_FALSE(http.feed("D", {}).has_value()) << "one byte of DELETE is enough";
    EXPECT_TRUE(http.met_plain_http());
    http.answer_in_plain("HTTP/1.1 400 Bad Request\r\n\r\n");
    EXPECT_EQ(http.pending_ciphertext(), "HTTP/1.1 400 Bad Request\r\n\r\n");
    EXPECT_EQ(refused_hello(pair, std::string(100, '\xff'), &text).code, Errc::tls_failed);

    TlsSession client(*pair.client_context);
    ASSERT_TRUE(client.start_client("a.example", 443).has_value());
    const auto fed = client.feed("HTTP/1.1 400 Bad Request\r\n\r\n", {});
    ASSERT_FALSE(fed.has_value());
    EXPECT_STREQ(fed.error().what, "the peer does not speak TLS");
}

TEST(TlsAlpn, AClientThatOffersOnlyOthersIsRefused) {
    Pair pair;
    pair.client_context = make_client({.trust = pair.authority.trust(), .alpn = {"h2"}});
    Connection c(pair);
    const auto opened = c.open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_STREQ(opened.error().what, "no common application protocol");
    const auto silent = make_client({.trust = pair.authority.trust(), .alpn = {}});
    Connection none(*silent, *pair.server_context);
    EXPECT_TRUE(none.open().has_value());
    EXPECT_EQ(none.server.alpn(), "");
}

TEST(TlsSni, ChoosesAmongSeveralTheExactNameFirst) {
    Authority authority;
    const auto server =
        make_server({.certificates = {authority.issue({.names = "DNS:first.example", .common_name = "first"}),
                                      authority.issue({.names = "DNS:*.b.example", .common_name = "wild"}),
                                      authority.issue({.names = "DNS:x.b.example", .common_name = "exact"})}});
    const auto client = make_client({.trust = authority.trust()});
    const auto shown = [&](const char* host) {
        Connection c(*client, *server);
        EXPECT_TRUE(c.open(host).has_value()) << host << ": " << c.client.last_error_text();
        return c.client.peer()->subject;
    };
    EXPECT_EQ(shown("first.example"), "CN=first");
    EXPECT_EQ(shown("x.b.example"), "CN=exact");
    EXPECT_EQ(shown("y.b.example"), "CN=wild");
    EXPECT_EQ(shown("Y.B.Example."), "CN=wild");
    Connection deeper(*client, *server);  // a wildcard stands for one label
    EXPECT_FALSE(deeper.open("z.y.b.example").has_value());
    expect_says(deeper.client.last_error_text(), {"it is for first.example"});
    Connection unknown(*client, *server);  // gets the first, and the client says why it does not take it
    EXPECT_FALSE(unknown.open("nobody.example").has_value());
    expect_says(unknown.client.last_error_text(), {"it is for first.example"});
}

TEST(TlsClientCertificates, AreAskedForAndNamed) {
    Pair pair;
    Authority people("People CA");
    pair.server_context =
        make_server({.certificates = {pair.authority.issue({.names = "DNS:a.example"})}, .client_ca = people.trust()});
    const auto open_with = [&](TlsKeyPair certificate, Connection** out) {
        pair.client_context = make_client({.trust = pair.authority.trust(), .certificate = std::move(certificate)});
        *out = new Connection(pair);
        return (*out)->open();
    };
    Connection* raw;
    const HostSpec agent = {.names = "URI:spiffe://example/agent-7,DNS:agent-7.example,IP:10.0.0.7,email:a@example",
                            .common_name = "agent-7",
                            .usage = "clientAuth"};
    EXPECT_TRUE(open_with(people.issue(agent), &raw).has_value());
    const auto peer = raw->server.peer();
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->subject, "CN=agent-7");
    EXPECT_EQ(peer->names, (std::vector<std::string>{"URI:spiffe://example/agent-7", "DNS:agent-7.example",
                                                     "IP:10.0.0.7", "email:a@example"}));
    EXPECT_EQ(peer->fingerprint.size(), 64u);
    {
        Connection again(pair);  // resumed: no certificate is sent, and it is the same peer
        ASSERT_TRUE(again.open().has_value());
        EXPECT_TRUE(again.server.resumed());
        ASSERT_TRUE(again.server.peer().has_value());
        EXPECT_EQ(again.server.peer()->fingerprint, peer->fingerprint);
    }
    delete raw;

    const auto none = open_with({}, &raw);
    EXPECT_FALSE(none.has_value());
    EXPECT_STREQ(none.error().what, "the client shows no certificate");
    delete raw;

    const auto stranger =
        open_with(Authority("Elsewhere").issue({.names = "", .common_name = "eve", .usage = "clientAuth"}), &raw);
    EXPECT_FALSE(stranger.has_value());
    expect_says(raw->server.last_error_text(), {"the client's certificate", "CN=eve", "CN=Elsewhere"});
    delete raw;
}

}  // namespace
}  // namespace loom::net
