#include "websocket.h"

#include <fmt/format.h>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::wire {
namespace {

constexpr std::string_view test_mask = "\x21\x9c\xe5\x07";

void unmask(std::string& payload, std::string_view mask) {
    for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
}

}  // namespace

int Frame::close_code() const {
    if (payload.size() < 2) return 1005;
    return static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
}

std::string frame_bytes(bool from_client, int opcode, std::string payload, int first_bits) {
    std::string bytes(1, static_cast<char>(first_bits | opcode));
    const int mask_bit = from_client ? 0x80 : 0;
    const size_t size = payload.size();
    if (size < 126) {
        bytes += static_cast<char>(mask_bit | static_cast<int>(size));
    } else {
        const int length_bytes = size < 65536 ? 2 : 8;
        bytes += static_cast<char>(mask_bit | (length_bytes == 2 ? 126 : 127));
        for (int i = length_bytes - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
    }
    if (!from_client) return bytes + payload;
    unmask(payload, test_mask);
    return bytes.append(test_mask) + payload;
}

std::string close_payload(int code, std::string_view reason) {
    std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
    return payload.append(reason);
}

void WebSocketEnd::send_raw(std::string_view bytes) {
    if (!send_all(fd_, bytes)) throw WireError("Loom has gone before the frame");
}

/// False when the frame is not whole.
bool WebSocketEnd::take(Frame& frame) {
    if (buffer_.size() < 2) return false;
    const auto byte = [this](size_t at) { return static_cast<uint8_t>(buffer_[at]); };
    frame.fin = (byte(0) & 0x80) != 0;
    frame.opcode = byte(0) & 15;
    const bool masked = (byte(1) & 0x80) != 0;
    if ((byte(0) & 0x70) != 0) throw WireError("a reserved bit is set");
    if (masked == (role_ == Role::client)) throw WireError("a mask where none belongs, or none where one does");
    size_t at = 2;
    uint64_t size = byte(1) & 0x7f;
    const size_t length_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (buffer_.size() < at + length_bytes + (masked ? 4 : 0)) return false;
    if (length_bytes > 0) size = 0;
    for (size_t i = 0; i < length_bytes; ++i) size = size << 8 | byte(at++);
    frame.mask = masked ? buffer_.substr(at, 4) : "";
    at += frame.mask.size();
    if (buffer_.size() < at + size) return false;
    frame.payload = buffer_.substr(at, size);
    if (masked) unmask(frame.payload, frame.mask);
    buffer_.erase(0, at + size);
    return true;
}

void WebSocketEnd::fill(Deadline deadline) {
    if (const Got got = receive(fd_, buffer_, deadline); got != Got::bytes)
        throw WireError(fmt::format("the connection ended ({}) with {} bytes of a frame",
                                    got == Got::fin ? "FIN" : "RST", buffer_.size()));
}

Frame WebSocketEnd::read(Deadline deadline) {
    Frame frame;
    while (!take(frame)) fill(deadline);
    return frame;
}

std::string WebSocketEnd::read_message(Deadline deadline) {
    std::string message;
    for (bool begun = false;; begun = true) {
        const Frame frame = read(deadline);
        if (frame.opcode == opcode::close)
            throw WireError(fmt::format("Close {} '{}'", frame.close_code(), frame.close_reason()));
        if (frame.opcode > 2 || (frame.opcode == opcode::continuation) != begun)
            throw WireError(fmt::format("a frame of opcode {} in place of a message", frame.opcode));
        message += frame.payload;
        if (frame.fin) return message;
    }
}

int WebSocketEnd::read_close(Deadline deadline) {
    const Frame frame = read(deadline);
    if (frame.opcode != opcode::close) throw WireError(fmt::format("opcode {} in place of a Close", frame.opcode));
    return frame.close_code();
}

Got WebSocketEnd::read_to_end(Deadline deadline) {
    for (;;) {
        buffer_.clear();
        if (const Got got = receive(fd_, buffer_, deadline); got != Got::bytes) return got;
    }
}

std::string upgrade_request(std::string_view target, std::string_view headers) {
    return fmt::format(
        "GET {} HTTP/1.1\r\nHost: loom.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\nSec-WebSocket-Key: {}\r\n{}\r\n",
        target, sample_key, headers);
}

std::string upgrade_answer(const Message& request, std::string_view headers) {
    const std::string key = request.head.value("sec-websocket-key");
    std::string accept;
    base64_encode(sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), accept);
    return fmt::format(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        "{}\r\n{}\r\n",
        accept, headers);
}

std::optional<WebSocketEnd> accept_websocket(UpstreamConnection& connection, std::string_view headers) {
    const auto request = connection.read_request();
    if (!request) return std::nullopt;
    if (!connection.send(upgrade_answer(*request, headers))) return std::nullopt;
    return WebSocketEnd(connection.fd(), WebSocketEnd::Role::server, connection.reader().unread());
}

}  // namespace loom::wire
