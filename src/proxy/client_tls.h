// What a client's connection with TLS has beside a plain one: the session, its context, who the client is.
#pragma once

#include <memory>
#include <optional>

#include "loom/net/tls_stream.h"

namespace loom::proxy {

class ClientConnection;

/// Lies behind its connection in one block. Keeps the listener's context as it was at the handshake, however often the
/// certificates are renewed afterwards.
class ClientTls final : net::TlsWatch {
  public:
    /// `client` outlives this; `user` is its side of the stream.
    ClientTls(ClientConnection& client, net::StreamUser& user);

    [[nodiscard]] net::TlsStream& stream() noexcept { return stream_; }
    /// The handshake is over: keeps what the client's certificate says, where one was asked for.
    void note_peer();
    /// As long as the certificate is good: by the authorities of the listener as it is now, and by its own end.
    [[nodiscard]] const net::TlsPeer* peer();
    /// The handshake takes too long.
    void tell_timeout() const noexcept;

  private:
    void on_tls_open(bool resumed, uint64_t duration_ns) noexcept override;
    void on_tls_failed(std::string_view text, bool in_handshake) noexcept override;
    void on_tls_given_up() noexcept override;

    ClientConnection& client_;
    std::shared_ptr<net::TlsContext> context_;  // before the stream, which borrows it
    net::TlsStream stream_;
    struct Shown {
        net::TlsPeer peer;
        int64_t expires_unix_s;
        std::shared_ptr<net::TlsContext>
            judged_by;  // who said last whether it is trusted; kept, so that it is no other
        bool is_trusted;
    };
    std::unique_ptr<Shown> shown_;  // null: no certificate
};

}  // namespace loom::proxy
