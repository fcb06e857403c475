// Whatever a peer sends, a session answers with an Error or goes on: no crash, no growth, no promise broken. The first
// byte chooses the side, how the rest is cut, and whether a real handshake comes first (its records then follow as
// garbage).
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "../net/tls_certificates.h"
#include "loom/base/assert.h"
#include "loom/net/tls_session.h"

namespace loom::net {
namespace {

struct Contexts {
    test::Authority authority;
    std::unique_ptr<TlsContext> server = *TlsContext::server({.certificates = {authority.issue({.names = "DNS:a"})}});
    std::unique_ptr<TlsContext> client = *TlsContext::client({.trust = authority.trust()});
};

void shake(TlsSession& client, TlsSession& server) {
    while (client.pending_bytes() + server.pending_bytes() > 0) {
        for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
            while (from->pending_bytes() > 0) {
                const std::string_view bytes = from->pending_ciphertext();
                char out[64];
                LOOM_ASSERT(to->feed(bytes, out).has_value());
                from->consume_ciphertext(bytes.size());
            }
        }
    }
}

void feed_all(TlsSession& session, std::string bytes, size_t cut, bool in_place) {
    size_t at = 0;
    while (at < bytes.size() && !session.failed() && !session.peer_closed()) {
        const size_t size = std::min(cut, bytes.size() - at);
        char out[100];
        const std::span<char> piece(bytes.data() + at, size);
        auto progress = in_place ? session.feed_in_place(piece) : session.feed({piece.data(), size}, out);
        if (!progress) break;
        LOOM_ASSERT(progress->consumed_bytes <= size);
        LOOM_ASSERT(progress->consumed_bytes > 0 || progress->plaintext_bytes > 0 || progress->more);
        LOOM_ASSERT(session.pending_bytes() <= TlsSession::pending_handshake_max);
        at += progress->consumed_bytes;
        while (progress && progress->more) progress = session.feed({}, out);
    }
    LOOM_ASSERT(!session.failed() || !session.last_error_text().empty());
}

}  // namespace
}  // namespace loom::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace loom::net;
    static Contexts contexts;
    if (size == 0) return 0;
    const uint8_t plan = data[0];
    TlsSession client(*contexts.client), server(*contexts.server);
    LOOM_ASSERT(server.start_server().has_value() && client.start_client("a", 443).has_value());
    if (plan & 4) shake(client, server);
    feed_all(plan & 1 ? client : server, std::string(reinterpret_cast<const char*>(data + 1), size - 1),
             size_t{1} << (plan >> 4), (plan & 2) != 0);
    return 0;
}
