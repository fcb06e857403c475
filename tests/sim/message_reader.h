// HTTP/1.1 messages as the actors read them: slow, simple, and nothing of the product's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loom::sim {

/// Reads one message at a time, in whatever pieces.
class MessageReader {
  public:
    enum class Kind : uint8_t { request, answer, answer_to_head };

    void start(Kind kind);
    /// Takes what belongs to this message; interim answers are counted and skipped. Returns how many bytes that were.
    size_t take(std::string_view bytes);
    /// The connection ended in order: what that ends is whole.
    void end();

    [[nodiscard]] bool begun() const noexcept { return begun_; }
    [[nodiscard]] bool head_done() const noexcept { return state_ > State::head; }
    [[nodiscard]] bool whole() const noexcept { return state_ == State::done; }
    /// Not HTTP, as far as this reader knows it.
    [[nodiscard]] bool broken() const noexcept { return state_ == State::broken; }
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] bool ends_by_close() const noexcept { return framing_ == Framing::close; }
    [[nodiscard]] const std::string& head() const noexcept { return head_; }
    [[nodiscard]] const std::string& body() const noexcept { return body_; }
    [[nodiscard]] uint32_t interim_count() const noexcept { return interim_count_; }
    /// The value of the first field of that name (given in lower case), without blanks around it.
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept;

  private:
    enum class State : uint8_t { head, body, chunk_line, chunk, chunk_end, trailer, done, broken };
    enum class Framing : uint8_t { none, length, chunked, close };

    void take_head();
    size_t take_line(std::string_view bytes, bool& whole);
    size_t take_chunked(std::string_view bytes);

    Kind kind_ = Kind::answer;
    State state_ = State::head;
    Framing framing_ = Framing::none;
    bool begun_ = false;
    int status_ = 0;
    uint32_t interim_count_ = 0;
    uint64_t left_ = 0;
    std::string head_;
    std::string body_;
    std::string line_;
};

}  // namespace loom::sim
