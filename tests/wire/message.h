// A tiny and strict reader of HTTP/1.1 messages, independent of Loom's own: what it accepts is what the RFC allows a
// sender to send.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "socket.h"

namespace loom::wire {

struct Field {
    std::string name;
    std::string value;
};

struct Head {
    std::string raw;         // every byte, the empty line included
    std::string start_line;  // without its CRLF
    std::vector<Field> fields;

    [[nodiscard]] size_t count(std::string_view name) const;
    [[nodiscard]] std::string value(std::string_view name) const;  // "" when absent
    [[nodiscard]] bool has(std::string_view name) const { return count(name) > 0; }
};

enum class Framing : uint8_t { none, length, chunked, until_close };
enum class End : uint8_t { open, complete, cut_by_fin, cut_by_rst };

struct Message {
    Head head;
    Framing framing = Framing::none;
    std::string body;      // decoded
    std::string raw_body;  // as framed
    std::vector<std::string> chunks;
    std::vector<Field> trailers;
    End end = End::open;

    [[nodiscard]] bool is_whole() const { return end == End::complete; }
    [[nodiscard]] int status() const;          // of a response
    [[nodiscard]] std::string method() const;  // of a request
    [[nodiscard]] std::string target() const;
    [[nodiscard]] std::string start_line_and_body() const { return head.start_line + "\n" + body; }
    [[nodiscard]] std::string raw() const { return head.raw + raw_body; }
};

class MessageReader {
  public:
    /// Where the bytes come from: appends what has come, or tells how the connection ended.
    using Source = std::function<Got(std::string& into, Deadline deadline)>;
    explicit MessageReader(Source source) : source_(std::move(source)) {}
    explicit MessageReader(int fd)
        : MessageReader([fd](std::string& into, Deadline deadline) { return receive(fd, into, deadline); }) {}

    /// Nothing when the peer ended the connection before the first byte of a head (`last_end()` tells how).
    std::optional<Message> read_request(Deadline deadline = Deadline::standard());
    Message read_response(bool is_bodyless = false, Deadline deadline = Deadline::standard());

    /// A response by pieces: its head, then its body as far as `token` at least.
    Message& start_response(bool is_bodyless = false, Deadline deadline = Deadline::standard());
    /// A request by pieces: its head alone.
    Message* start_request(Deadline deadline = Deadline::standard());
    void read_body_until(std::string_view token, Deadline deadline = Deadline::standard());
    Message& read_rest(Deadline deadline = Deadline::standard());
    [[nodiscard]] const Message& current() const { return message_; }

    /// Waits for the end of the connection; throws when a byte comes instead.
    End read_end(Deadline deadline = Deadline::standard());
    [[nodiscard]] End last_end() const { return connection_end_; }
    [[nodiscard]] const std::string& unread() const { return buffer_; }
    /// Sees every byte received, before it is parsed.
    std::function<void(std::string_view)> on_bytes;

  private:
    bool read_head(Deadline deadline);
    bool fill(Deadline deadline);  // false at the end of the connection
    void decide_response_framing(bool is_bodyless);
    void decide_request_framing();
    bool take_body();  // takes what is there; true when the message is whole
    bool take_chunk();
    void pump(Deadline deadline);

    Source source_;
    std::string buffer_;
    Message message_;
    size_t length_left_ = 0;
    bool in_trailers_ = false;
    End connection_end_ = End::open;
};

[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

}  // namespace loom::wire
