// A listener's side of TLS in a real handshake over memory, by way of a network that the input commands: bytes of the
// client's are changed, left out, doubled and cut at any place, of every flight and of the records behind it.
//
// Whatever comes, the server opens or refuses with a reason, holds a bounded amount, and lets nobody in without the
// certificate that it asks for. Where the network does nothing, both sides open and hear each other.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "../net/tls_certificates.h"
#include "loom/base/assert.h"
#include "loom/net/tls_session.h"

namespace loom::net {
namespace {

struct Contexts {
    test::Authority authority;
    TlsTrustPtr trust = authority.trust();
    TlsKeyPair agent = authority.issue({.names = "URI:spiffe://a/b", .common_name = "agent", .usage = "clientAuth"});
    std::vector<TlsKeyPair> hosts = {authority.issue({.names = "DNS:a"}),
                                     authority.issue({.names = "DNS:*.b.example"})};
    std::unique_ptr<TlsContext> open = *TlsContext::server({.certificates = hosts});
    std::unique_ptr<TlsContext> guarded = *TlsContext::server({.certificates = hosts, .client_ca = trust});
    std::unique_ptr<TlsContext> client = *TlsContext::client({.trust = trust, .certificate = agent});
};

/// What the network does to the client's next bytes.
class Network {
  public:
    Network(const uint8_t* data, size_t size) : data_(data), left_(size) {}

    std::string deliver(std::string bytes) {
        if (!next() || bytes.empty()) return bytes;
        const uint8_t what = data_[0];
        const size_t at = (size_t{data_[1]} << 8 | data_[2]) % bytes.size();
        data_ += 3;
        left_ -= 3;
        if (what % 8 == 0) return bytes;
        meddled_ = true;
        switch (what % 8) {
            case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (what >> 5))); break;
            case 2: bytes.resize(at); break;
            case 3: bytes.insert(at, bytes.substr(at)); break;
            case 4: bytes.erase(at, 1 + (what >> 3)); break;
            case 5: bytes.insert(at, 1, static_cast<char>(what)); break;
            case 6: bytes.insert(0, "GET / HTTP/1.1\r\n\r\n", at % 19); break;
            case 7: std::reverse(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.end()); break;
        }
        return bytes;
    }
    [[nodiscard]] bool meddled() const { return meddled_; }

  private:
    [[nodiscard]] bool next() const { return left_ >= 3; }
    const uint8_t* data_;
    size_t left_;
    bool meddled_ = false;
};

std::string take_pending(TlsSession& session) {
    std::string bytes;
    while (session.pending_bytes() > 0) {
        const std::string_view part = session.pending_ciphertext();
        bytes += part;
        session.consume_ciphertext(part.size());
    }
    return bytes;
}

/// Feeds in pieces of `cut`, in place as the listener does where it can. What was opened; nothing after an error.
std::optional<std::string> feed(TlsSession& session, std::string bytes, size_t cut) {
    std::string opened;
    char out[512];
    for (size_t at = 0; at < bytes.size() && !session.peer_closed();) {
        const std::span<char> piece(bytes.data() + at, std::min(cut, bytes.size() - at));
        const bool in_place = !session.mid_record();
        auto progress = in_place ? session.feed_in_place(piece) : session.feed({piece.data(), piece.size()}, out);
        if (!progress) return std::nullopt;
        LOOM_ASSERT(progress->consumed_bytes > 0 || progress->plaintext_bytes > 0 || progress->more);
        LOOM_ASSERT(session.pending_bytes() <= TlsSession::pending_handshake_max);
        opened.append(in_place ? piece.data() : out, progress->plaintext_bytes);
        at += progress->consumed_bytes;
        while (progress->more) {
            progress = session.feed({}, out);
            if (!progress) return std::nullopt;
            opened.append(out, progress->plaintext_bytes);
        }
    }
    return opened;
}

void look_at(const TlsSession& server, bool guarded) {
    LOOM_ASSERT(!server.failed() || !server.last_error_text().empty());
    if (server.handshake_done() && guarded) LOOM_ASSERT(server.peer().has_value());
    if (server.met_plain_http()) LOOM_ASSERT(server.failed());
}

}  // namespace
}  // namespace loom::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace loom::net;
    static Contexts contexts;
    if (size == 0) return 0;
    const uint8_t plan = data[0];
    const bool guarded = (plan & 1) != 0;
    const size_t cut = size_t{1} << (plan >> 4);
    Network network(data + 1, size - 1);
    TlsSession client(*contexts.client), server(guarded ? *contexts.guarded : *contexts.open);
    LOOM_ASSERT(server.start_server().has_value());
    LOOM_ASSERT(client.start_client((plan & 2) != 0 ? "a" : "c.b.example", 443).has_value());
    const std::string question = "GET / HTTP/1.1\r\n\r\n";
    std::string heard, answered;
    bool asked = false;
    for (int flight = 0; flight < 8; ++flight) {
        if (client.handshake_done() && !asked) asked = client.write(question).value_or(0) == question.size();
        const std::string sent = take_pending(client);
        const auto opened = feed(server, network.deliver(sent), cut);
        look_at(server, guarded);
        if (opened) heard += *opened;
        if (server.met_plain_http()) server.answer_in_plain("HTTP/1.1 400 Bad Request\r\n\r\n");
        if (server.handshake_done() && !heard.empty() && answered.empty()) (void)server.write("answer");
        const std::string reply = take_pending(server);
        if (sent.empty() && reply.empty()) break;
        if (client.failed() || server.failed()) break;
        if (const auto got = feed(client, reply, cut)) answered += *got;
    }
    if (network.meddled()) return 0;
    LOOM_ASSERT(client.handshake_done() && server.handshake_done());
    LOOM_ASSERT(heard == question && answered == "answer");
    return 0;
}
