// Sessions that go on: whom they spare a certificate, and how long.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tls_context_impl.h"
#include "tls_pair.h"

namespace loom::net {
namespace {

using namespace test;

TEST(TlsResumption, ASecondConnectionNeedsNoCertificate) {
    Pair pair;
    Connection first(pair);
    ASSERT_TRUE(first.open().has_value());
    EXPECT_FALSE(first.client.resumed());
    EXPECT_GT(pair.client_context->cached_sessions(), 0u);
    for (int i = 0; i < 20; ++i) {
        Connection again(pair);
        ASSERT_TRUE(again.open().has_value());
        EXPECT_TRUE(again.client.resumed() && again.server.resumed());
    }
    EXPECT_LE(pair.client_context->cached_sessions(), 8u);
    Connection elsewhere(pair);  // another port is another server
    ASSERT_TRUE(elsewhere.server.start_server().has_value());
    ASSERT_TRUE(elsewhere.client.start_client("a.example", 8443).has_value());
    ASSERT_TRUE(shake(elsewhere.client, elsewhere.server).has_value());
    EXPECT_FALSE(elsewhere.client.resumed());
}

TEST(TlsResumption, TicketsOpenOnEveryShardAndUntilTheirKeyIsRotatedOut) {
    Authority authority;
    const TlsKeyPair pair = authority.issue({.names = "DNS:a.example"});
    const auto one = make_server({.certificates = {pair}});
    const auto two = make_server({.certificates = {pair}});
    const auto client = make_client({.trust = authority.trust(), .sessions_per_host_max = 1});
    TlsTicketKeys keys;
    keys.rotate();
    one->set_ticket_keys(keys);
    two->set_ticket_keys(keys);
    const auto resumes = [&](TlsContext& server) {
        Connection c(*client, server);
        EXPECT_TRUE(c.open().has_value());
        return c.client.resumed();
    };
    EXPECT_FALSE(resumes(*one));
    EXPECT_TRUE(resumes(*two)) << "another shard, the same keys";
    keys.rotate();
    two->set_ticket_keys(keys);
    EXPECT_TRUE(resumes(*two)) << "sealed by the key before";
    for (size_t i = 0; i < TlsTicketKeys::keys_max; ++i) keys.rotate();
    two->set_ticket_keys(keys);
    EXPECT_FALSE(resumes(*two)) << "its key is gone: a full handshake";
    EXPECT_TRUE(resumes(*two));
}

TEST(TlsResumption, ATicketDoesNotOpenAListenerThatAsksForCertificates) {
    Authority authority;
    const TlsKeyPair pair = authority.issue({.names = "DNS:a.example"});
    const auto open = make_server({.certificates = {pair}});
    const auto strict = make_server({.certificates = {pair}, .client_ca = authority.trust()});
    const auto client = make_client({.trust = authority.trust()});
    TlsTicketKeys keys;
    keys.rotate();
    open->set_ticket_keys(keys);
    strict->set_ticket_keys(keys);
    Connection first(*client, *open);
    ASSERT_TRUE(first.open().has_value());
    Connection second(*client, *strict);
    EXPECT_FALSE(second.open().has_value());
}

/// Connections over these contexts resume one after the other until one is refused: its error; "" when none was.
std::string refused_in_time(TlsContext& client, TlsContext& server, bool server_refuses) {
    using namespace std::chrono;
    const auto deadline = steady_clock::now() + seconds(10);
    for (size_t count = 0; steady_clock::now() < deadline; ++count) {
        Connection c(client, server);
        if (c.open()) {
            EXPECT_EQ(c.server.resumed(), count > 0);
        } else {
            EXPECT_GT(count, 0u);
            return (server_refuses ? c.server : c.client).last_error_text();
        }
        std::this_thread::sleep_for(milliseconds(20));  // it is the wall's clock that must go on
    }
    return "";
}

/// Each connection brings a new ticket: what is renewed in time would outlive its certificate.
TEST(TlsResumption, EndsWithTheServersCertificate) {
    Pair pair({.names = "DNS:a.example", .ends_in_seconds = 3});
    TlsTicketKeys keys;
    keys.rotate();
    pair.server_context->set_ticket_keys(keys);
    expect_says(refused_in_time(*pair.client_context, *pair.server_context, false), {"a.example", "expired on"});
    EXPECT_EQ(pair.client_context->cached_sessions(), 0u);
}

TEST(TlsResumption, AServersRenewedCertificateIsSeenWhenTheOldHasEnded) {
    Pair pair({.names = "DNS:a.example", .ends_in_seconds = 3});
    TlsTicketKeys keys;
    keys.rotate();
    pair.server_context->set_ticket_keys(keys);
    const auto renewed = make_server({.certificates = {pair.authority.issue({.names = "DNS:a.example"})}});
    renewed->set_ticket_keys(keys);
    bool resumed = true;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (size_t count = 0; resumed && std::chrono::steady_clock::now() < deadline; ++count) {
        Connection c(*pair.client_context, count == 0 ? *pair.server_context : *renewed);
        ASSERT_TRUE(c.open().has_value()) << c.client.last_error_text();
        resumed = count == 0 || c.client.resumed();
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it is the wall's clock that must go on
    }
    EXPECT_FALSE(resumed) << "by the certificate that has ended";
    Connection again(*pair.client_context, *renewed);
    ASSERT_TRUE(again.open().has_value());
    EXPECT_TRUE(again.client.resumed());
}

TEST(TlsResumption, EndsWithTheClientsCertificate) {
    Authority authority, people("People CA");
    const auto server =
        make_server({.certificates = {authority.issue({.names = "DNS:a.example"})}, .client_ca = people.trust()});
    const auto client =
        make_client({.trust = authority.trust(),
                     .certificate = people.issue(
                         {.names = "", .common_name = "agent-7", .ends_in_seconds = 3, .usage = "clientAuth"})});
    expect_says(refused_in_time(*client, *server, true), {"the client's certificate", "expired on", "CN=agent-7"});
}

TEST(TlsResumption, EndsWithTheTrustInTheClientsAuthority) {
    Authority authority, people("People CA"), others("Other CA");
    const TlsKeyPair host = authority.issue({.names = "DNS:a.example"});
    const auto before = make_server({.certificates = {host}, .client_ca = people.trust()});
    const auto after = make_server({.certificates = {host}, .client_ca = others.trust()});
    TlsTicketKeys keys;
    keys.rotate();
    before->set_ticket_keys(keys);
    after->set_ticket_keys(keys);
    const auto client =
        make_client({.trust = authority.trust(),
                     .certificate = people.issue({.names = "", .common_name = "agent-7", .usage = "clientAuth"})});
    for (const bool resumed : {false, true}) {
        Connection c(*client, *before);
        ASSERT_TRUE(c.open().has_value());
        EXPECT_EQ(c.server.resumed(), resumed);
    }
    Connection later(*client, *after);
    EXPECT_FALSE(later.open().has_value());
    expect_says(later.server.last_error_text(), {"the client's certificate is refused", "CN=People CA"});
}

TEST(TlsResumption, ATicketThatWasTamperedWithMeansAFullHandshake) {
    Pair pair;
    pair.client_context = make_client({.trust = pair.authority.trust(), .sessions_per_host_max = 1});
    for (size_t bit = 0; bit < 400 * 8; bit += 23) {
        {
            Connection first(pair);
            ASSERT_TRUE(first.open().has_value());
        }
        auto& cache = pair.client_context->impl().sessions;
        const auto session = cache.take("a.example", 443);
        ASSERT_TRUE(session);
        const uint8_t* bytes = nullptr;
        size_t size = 0;
        SSL_SESSION_get0_ticket(session.get(), &bytes, &size);
        std::vector<uint8_t> ticket(bytes, bytes + size);
        ticket[bit / 8 % size] ^= static_cast<uint8_t>(1 << (bit % 8));
        ticket.resize(bit % 3 == 0 ? size : size - bit % size);  // and cut
        SSL_SESSION_set_ticket(session.get(), ticket.data(), ticket.size());
        cache.put("a.example", 443, bssl::UpRef(session));
        Connection again(pair);
        ASSERT_TRUE(again.open().has_value());
        EXPECT_FALSE(again.server.resumed()) << "bit " << bit;
    }
}

TEST(TlsResumption, TheCacheIsBounded) {
    Pair pair({.names = "DNS:*.b.example"});
    pair.client_context =
        make_client({.trust = pair.authority.trust(), .session_hosts_max = 3, .sessions_per_host_max = 2});
    for (int i = 0; i < 10; ++i) {
        Connection c(pair);
        ASSERT_TRUE(c.open("h" + std::to_string(i) + ".b.example").has_value());
        EXPECT_LE(pair.client_context->cached_sessions(), 6u);
    }
    Connection oldest(pair);
    ASSERT_TRUE(oldest.open("h0.b.example").has_value());
    EXPECT_FALSE(oldest.client.resumed());
}

}  // namespace
}  // namespace loom::net
