// A client that speaks TLS: RawClient's manners, with the session open to look into.
#pragma once

#include <memory>

#include "loom/net/tls_session.h"
#include "message.h"
#include "socket.h"

namespace loom::wire {

class TlsClient {
  public:
    /// Connects and shakes hands. Throws WireError with the session's text where that fails; with TLS 1.3 a server that
    /// does not want this client's certificate says so at the first read only.
    TlsClient(uint16_t port, net::TlsContext& context, std::string_view host = "127.0.0.1");

    void send(std::string_view bytes);
    Message read_response() { return reader_.read_response(); }
    Message ask(std::string_view bytes);
    MessageReader& reader() { return reader_; }
    /// close_notify reads as a FIN, an end without it as a reset.
    End read_end(Deadline deadline = Deadline::standard()) { return reader_.read_end(deadline); }
    [[nodiscard]] const net::TlsSession& session() const { return session_; }

    void send_raw(std::string_view bytes);  // past TLS
    void reset() { fd_.reset(); }

  private:
    Got read(std::string& into, Deadline deadline);
    void send_pending();

    Fd fd_;
    net::TlsSession session_;
    MessageReader reader_;
};

/// One request on a connection of its own.
Message ask_over_tls(uint16_t port, net::TlsContext& context, std::string_view bytes);

}  // namespace loom::wire
