// One end of a WebSocket by hand, independent of Loom's own reader: it sends the frames it is told, right or wrong, and
// reads only what RFC 6455 allows its peer to send.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "raw_client.h"
#include "scripted_upstream.h"

namespace loom::wire {

struct Frame {
    int opcode = 0;
    bool fin = false;
    std::string mask;  // 4 bytes, or none
    std::string payload;

    [[nodiscard]] int close_code() const;  // 1005 without one
    [[nodiscard]] std::string close_reason() const { return payload.size() < 2 ? "" : payload.substr(2); }
};

namespace opcode {
inline constexpr int continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10;
}

/// The bytes of a frame. first_bits  of its first byte, beside the opcode: fin, and reserved ones.
[[nodiscard]] std::string frame_bytes(bool from_client, int opcode, std::string payload, int first_bits = 0x80);
[[nodiscard]] std::string close_payload(int code, std::string_view reason = "");

class WebSocketEnd {
  public:
    enum class Role : uint8_t { client, server };
    /// unread  what came behind the handshake.
    WebSocketEnd(int fd, Role role, std::string unread) : fd_(fd), role_(role), buffer_(std::move(unread)) {}

    [[nodiscard]] std::string bytes_of(int opcode, std::string_view payload, bool fin = true) const {
        return frame_bytes(role_ == Role::client, opcode, std::string(payload), fin ? 0x80 : 0);
    }
    void send(int opcode, std::string_view payload, bool fin = true) { send_raw(bytes_of(opcode, payload, fin)); }
    void send_text(std::string_view payload) { send(opcode::text, payload); }
    void send_close(int code, std::string_view reason = "") { send(opcode::close, close_payload(code, reason)); }
    void send_raw(std::string_view bytes);
    bool try_send_raw(std::string_view bytes) { return send_all(fd_, bytes); }

    /// The next frame; throws when the connection ends instead, or the peer breaks a rule.
    Frame read(Deadline deadline = Deadline::standard());
    /// The next message, put together; a Close instead is thrown as what it is.
    std::string read_message(Deadline deadline = Deadline::standard());
    /// The code of the Close that comes next.
    int read_close(Deadline deadline = Deadline::standard());
    /// How the connection ends; frames before it are dropped.
    Got read_to_end(Deadline deadline = Deadline::standard());
    [[nodiscard]] int fd() const { return fd_; }
    /// What has come of a frame that is not whole.
    [[nodiscard]] const std::string& unread() const { return buffer_; }

  private:
    bool take(Frame& frame);
    void fill(Deadline deadline);

    int fd_;
    Role role_;
    std::string buffer_;
};

inline constexpr std::string_view sample_key = "dGhlIHNhbXBsZSBub25jZQ==";
inline constexpr std::string_view sample_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // RFC 6455, 1.3

/// GET with the fields of an upgrade; `headers` are whole lines beside them.
[[nodiscard]] std::string upgrade_request(std::string_view target, std::string_view headers);
/// The 101 that belongs to a request's key; `headers` are whole lines.
[[nodiscard]] std::string upgrade_answer(const Message& request, std::string_view headers = "");

/// Reads the request and answers 101. Nothing when Loom closed without one.
[[nodiscard]] std::optional<WebSocketEnd> accept_websocket(UpstreamConnection& connection,
                                                           std::string_view headers = "");

}  // namespace loom::wire
