#include "raw_client.h"

#include <sys/socket.h>

namespace loom::wire {

RawClient::RawClient(uint16_t port, int receive_buffer_bytes)
    : RawClient(connect_loopback(port, receive_buffer_bytes)) {}

RawClient::RawClient(Fd connected) : fd_(std::move(connected)), reader_(std::make_unique<MessageReader>(fd_.get())) {}

void RawClient::send(std::string_view bytes) {
    if (!send_all(fd_.get(), bytes)) throw WireError("the connection was closed while the client sent");
}

void RawClient::send_cut_at(std::string_view bytes, size_t cut) {
    send(bytes.substr(0, cut));
    if (cut > 0 && cut < bytes.size()) wait_until_loom_has_read();
    send(bytes.substr(cut));
}

Message RawClient::ask(std::string_view bytes, bool is_bodyless) {
    send(bytes);
    return read_response(is_bodyless);
}

void RawClient::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

Message ask_once(uint16_t port, std::string_view bytes, bool is_bodyless) {
    return RawClient(port).ask(bytes, is_bodyless);
}

}  // namespace loom::wire
