// The messages of one direction of a WebSocket, for whoever reads some of them: those that nobody wants pass by and
// cost a look at their front.
#pragma once

#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/http/websocket.h"

namespace loom::proxy {

class MessageReader {
  public:
    enum class Wish : uint8_t { more, whole, none };
    /// What to do with a message that begins so. `more`: it cannot be said yet.
    virtual Wish look_at_front(std::string_view front) noexcept = 0;
    virtual void on_message(std::string_view message) = 0;
    /// A message that was wanted is longer than may be held.
    virtual void on_message_too_long() noexcept = 0;

  protected:
    ~MessageReader() = default;
};

class MessageCollector {
  public:
    MessageCollector(BlockPool& blocks, MessageReader& reader, size_t message_bytes_max) noexcept
        : reader_(reader), held_(blocks), message_bytes_max_(message_bytes_max) {}

    static constexpr size_t front_bytes_max = 256;

    /// A step of a text message; a message that lies in one piece is not copied.
    void add(const http::FrameStep& step);
    [[nodiscard]] uint32_t message_count() const noexcept { return message_count_; }

  private:
    void look(std::string_view message, bool whole);

    MessageReader& reader_;
    ByteBuffer held_;
    size_t message_bytes_max_;
    uint32_t message_count_ = 0;
    MessageReader::Wish wish_ = MessageReader::Wish::more;
    bool begun_ = false;
};

}  // namespace loom::proxy
