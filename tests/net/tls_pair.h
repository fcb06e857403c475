// Two TLS sessions that hand each other bytes in memory, for tests.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <random>
#include <string>

#include "loom/net/tls_session.h"
#include "tls_certificates.h"

namespace loom::net::test {

inline std::unique_ptr<TlsContext> make_server(TlsServerOptions options) {
    std::string text;
    auto context = TlsContext::server(options, &text);
    EXPECT_TRUE(context.has_value()) << text;
    return std::move(*context);
}
inline std::unique_ptr<TlsContext> make_client(TlsClientOptions options) {
    std::string text;
    auto context = TlsContext::client(options, &text);
    EXPECT_TRUE(context.has_value()) << text;
    return std::move(*context);
}

/// Moves all of `from`'s output into `to`, `cut` bytes at a time; appends what `to` opens to `opened`.
inline Result<void> pass(TlsSession& from, TlsSession& to, size_t cut, std::string* opened = nullptr) {
    while (from.pending_bytes() > 0) {
        std::string_view bytes = from.pending_ciphertext().substr(0, cut);
        const size_t sent = bytes.size();
        char out[1000];
        bool more = true;
        while (more || !bytes.empty()) {
            const auto progress = LOOM_TRY(to.feed(bytes, out));
            bytes.remove_prefix(progress.consumed_bytes);
            if (opened != nullptr) opened->append(out, progress.plaintext_bytes);
            more = progress.more;
        }
        from.consume_ciphertext(sent);
    }
    return {};
}

/// Until nothing is left to say. The first error of either side ends it.
inline Result<void> shake(TlsSession& client, TlsSession& server, size_t cut = SIZE_MAX) {
    while (client.pending_bytes() > 0 || server.pending_bytes() > 0) {
        LOOM_TRY(pass(client, server, cut));
        LOOM_TRY(pass(server, client, cut));
    }
    return {};
}

/// An authority, a server for a.example, and a client that trusts it.
struct Pair {
    Authority authority;
    std::unique_ptr<TlsContext> server_context, client_context;

    explicit Pair(const HostSpec& spec = {.names = "DNS:a.example"})
        : server_context(make_server({.certificates = {authority.issue(spec)}})),
          client_context(make_client({.trust = authority.trust()})) {}
};

/// One connection over the contexts of a Pair.
struct Connection {
    TlsSession client, server;
    explicit Connection(Pair& pair) : client(*pair.client_context), server(*pair.server_context) {}
    Connection(TlsContext& c, TlsContext& s) : client(c), server(s) {}

    Result<void> open(std::string_view host = "a.example", size_t cut = SIZE_MAX) {
        LOOM_TRY(server.start_server());
        LOOM_TRY(client.start_client(host, 443));
        LOOM_TRY(shake(client, server, cut));
        // Tickets of TLS 1.3 go out with the server's first record, not before.
        LOOM_TRY(server.write("!"));
        return pass(server, client, cut);
    }
};

inline std::string noise(size_t size) {
    std::mt19937 random(7);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

inline void expect_says(const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in: " << text;
}

}  // namespace loom::net::test
