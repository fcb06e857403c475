#include "tls_client.h"

#include <array>

namespace loom::wire {

TlsClient::TlsClient(uint16_t port, net::TlsContext& context, std::string_view host)
    : fd_(connect_loopback(port)),
      session_(context),
      reader_([this](std::string& into, Deadline deadline) { return read(into, deadline); }) {
    if (!session_.start_client(host, port)) throw WireError(session_.last_error_text());
    send_pending();
    std::string early;
    while (!session_.handshake_done()) {
        if (read(early, Deadline::standard()) != Got::bytes) throw WireError("the connection ended in the handshake");
    }
    if (!early.empty()) throw WireError("bytes before a request: " + early);
}

void TlsClient::send_raw(std::string_view bytes) {
    if (!send_all(fd_.get(), bytes)) throw WireError("the connection was closed while the client sent");
}

void TlsClient::send_pending() {
    while (session_.pending_bytes() > 0) {
        const std::string_view bytes = session_.pending_ciphertext();
        send_raw(bytes);
        session_.consume_ciphertext(bytes.size());
    }
}

void TlsClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto taken = session_.write(bytes);
        if (!taken) throw WireError(session_.last_error_text());
        bytes.remove_prefix(*taken);
        send_pending();
    }
}

/// Bytes may be of the handshake alone: `into` is then as it was.
Got TlsClient::read(std::string& into, Deadline deadline) {
    if (session_.peer_closed()) return Got::fin;
    std::string ciphertext;
    const Got got = receive(fd_.get(), ciphertext, deadline);
    if (got != Got::bytes) return Got::rst;  // no close_notify came before
    std::array<char, 16 * 1024> plaintext;
    std::string_view rest = ciphertext;
    for (bool more = true; more || !rest.empty();) {
        const auto progress = session_.feed(rest, plaintext);
        send_pending();
        if (!progress) throw WireError(session_.last_error_text());
        into.append(plaintext.data(), progress->plaintext_bytes);
        rest.remove_prefix(progress->consumed_bytes);
        more = progress->more;
        if (progress->peer_closed) return Got::bytes;
    }
    return Got::bytes;
}

Message TlsClient::ask(std::string_view bytes) {
    send(bytes);
    return read_response();
}

Message ask_over_tls(uint16_t port, net::TlsContext& context, std::string_view bytes) {
    return TlsClient(port, context).ask(bytes);
}

}  // namespace loom::wire
