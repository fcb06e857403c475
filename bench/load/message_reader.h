#pragma once
// An incremental reader of one HTTP/1.1 message, request or response: the head is gathered, the body is handed on in
// the pieces in which it came, without its chunk framing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

class MessageReader {
  public:
    enum class State : uint8_t { head, body_counted, chunk_size, chunk_data, chunk_end, trailer, done, failed };

    /// Eats bytes up to the end of the message and returns how many; `on_body(std::string_view)` gets the body's.
    template <class OnBody>
    size_t feed(std::string_view bytes, OnBody&& on_body) {
        size_t eaten = 0;
        while (eaten < bytes.size() && !done() && !failed()) {
            const std::string_view rest = bytes.substr(eaten);
            if (state_ != State::body_counted && state_ != State::chunk_data) {
                eaten += feed_framing(rest);
                continue;
            }
            const std::string_view piece = rest.substr(0, size_t(std::min<uint64_t>(left_, rest.size())));
            on_body(piece);
            eaten += piece.size();
            left_ -= piece.size();
            if (left_ == 0) state_ = state_ == State::body_counted ? State::done : State::chunk_end;
        }
        return eaten;
    }

    void reset();
    bool done() const { return state_ == State::done; }
    bool failed() const { return state_ == State::failed; }
    bool in_message() const { return state_ != State::head || !head_.empty(); }
    bool head_complete() const { return state_ != State::head; }

    /// Start line and headers with their final CRLF CRLF; valid once the head is complete, until reset().
    std::string_view head() const { return head_; }
    /// The value of a header, "" when absent. `name` in lower case.
    std::string_view header(std::string_view name) const;
    bool chunked() const { return chunked_; }

  private:
    size_t feed_framing(std::string_view bytes);
    size_t feed_head(std::string_view bytes);
    size_t feed_line(std::string_view bytes);
    void begin_body();
    void end_line();

    State state_ = State::head;
    bool chunked_ = false;
    uint64_t left_ = 0;
    std::string head_;
    std::string line_;
};

}  // namespace bench
