// A client that sends exactly the bytes it is told, in the pieces it is told.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "message.h"
#include "socket.h"

namespace loom::wire {

class RawClient {
  public:
    explicit RawClient(uint16_t port, int receive_buffer_bytes = 0);
    explicit RawClient(Fd connected);

    void send(std::string_view bytes);  // throws when Loom has gone
    bool try_send(std::string_view bytes) { return send_all(fd_.get(), bytes); }
    /// Two pieces, the second once Loom has read the first.
    void send_cut_at(std::string_view bytes, size_t cut);
    bool wait_until_loom_has_read() { return wait_until_peer_has_read(fd_.get()); }

    Message read_response(bool is_bodyless = false) { return reader_->read_response(is_bodyless); }
    Message ask(std::string_view bytes, bool is_bodyless = false);
    MessageReader& reader() { return *reader_; }

    [[nodiscard]] int fd() const { return fd_.get(); }
    void half_close();
    void reset() { fd_.reset(); }
    void close() { fd_.close(); }
    End read_end(Deadline deadline = Deadline::standard()) { return reader_->read_end(deadline); }

  private:
    Fd fd_;
    std::unique_ptr<MessageReader> reader_;
};

/// One request on a connection of its own.
Message ask_once(uint16_t port, std::string_view bytes, bool is_bodyless = false);

}  // namespace loom::wire
