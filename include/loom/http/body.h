// Where a body's payload lies in the bytes received, and where the body ends. Nothing is copied or kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"

namespace loom::http {

inline constexpr std::string_view crlf = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";  // without trailers
inline constexpr size_t chunk_head_bytes_max = 18;           // 16 hex digits and CRLF
inline constexpr size_t chunk_overhead_bytes_max = 4096;     // extensions, beyond what payload pays for
inline constexpr size_t trailer_bytes_max = 8192;
inline constexpr uint64_t body_bytes_max = INT64_MAX;  // of a Content-Length and of one chunk

class BodyReader {
  public:
    struct Step {
        std::string_view payload;  // into the bytes given; may be empty
        size_t consumed = 0;       // framing before the payload, the payload, and the CRLF behind a whole chunk
        bool done = false;         // the body has ended; bytes behind `consumed` belong to the next message
    };
    struct Walk {
        size_t consumed = 0;
        size_t payload_count = 0;    // views filled
        uint64_t payload_bytes = 0;  // their sum
        bool done = false;
        bool boundary = false;  // at_chunk_boundary() behind `consumed`
        Error fault;            // what broke the body behind the payloads, as of next(); else Errc::ok
    };

    BodyReader() noexcept = default;

    /// length   of BodyFraming::length; else ignored.     side   whose bytes these are, for errors.
    void start(BodyFraming framing, uint64_t length, Side side = Side::downstream) noexcept;

    /// Takes framing from the front of `bytes` and at most one piece of payload. Given bytes, it consumes some unless
    /// the body is done, so `while (!bytes.empty() && !reader.done())` ends.
    /// Errors  bad_message: broken chunk syntax (RFC 9112, 7.1), a malformed trailer, one from a client that belongs into
    ///         the head; too_large: extensions or trailers over their limits. The reader is of no use afterwards.
    [[nodiscard]] Result<Step> next(std::string_view bytes) noexcept;

    /// Walks `bytes` in one go: next() until they are used up, the body is done, or `payloads` is full. For a relay
    /// that forwards raw bytes and only watches the payload.
    [[nodiscard]] Walk walk(std::string_view bytes, std::span<std::string_view> payloads) noexcept;

    [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
    /// Where a whole chunk of one's own may be put into the stream: before a chunk's size line, behind the CRLF of the
    /// one before. Always true for framings without chunks.
    [[nodiscard]] bool at_chunk_boundary() const noexcept {
        return framing_ != BodyFraming::chunked || state_ == State::size_start || state_ == State::done;
    }
    [[nodiscard]] BodyFraming framing() const noexcept { return framing_; }
    /// Payload seen so far.
    [[nodiscard]] uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    /// Payload still to come of BodyFraming::length, or of the chunk at hand.
    [[nodiscard]] uint64_t remaining_bytes() const noexcept { return remaining_; }
    /// Trailer fields are checked, counted and left in the bytes: who forwards raw bytes forwards them.
    [[nodiscard]] uint32_t trailer_count() const noexcept { return trailer_count_; }

    /// The peer has closed. Fine when done, and the regular end of until_close; else Errc::closed ("… before the end of
    /// the body"): a truncated answer must never look whole.
    [[nodiscard]] Result<void> on_eof() noexcept;

  private:
    enum class State : uint8_t {
        counted,      // BodyFraming::length
        until_close,  // BodyFraming::until_close
        size_start,
        size,
        size_lf,
        ext_start,  // chunk-ext: *( BWS ";" BWS name [ BWS "=" BWS value ] )
        ext_name,
        ext_after_name,
        ext_value_start,
        ext_value,
        ext_quoted,
        ext_quoted_pair,
        ext_after_value,
        payload,
        payload_cr,
        payload_lf,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        done,
        broken,
    };
    Result<size_t> read_framing(std::string_view bytes) noexcept;
    Result<void> on_framing_byte(unsigned char c) noexcept;
    Result<void> on_size_byte(unsigned char c) noexcept;
    Result<void> on_extension_byte(unsigned char c) noexcept;
    Result<void> on_trailer_byte(unsigned char c) noexcept;
    Result<void> end_of_trailer_name() noexcept;
    size_t quick_size_line(std::string_view bytes) noexcept;
    void end_of_size_line() noexcept;
    std::string_view take_payload(std::string_view bytes) noexcept;
    std::unexpected<Error> broken(Errc code, const char* what) noexcept;

    uint64_t remaining_ = 0;
    uint64_t payload_bytes_ = 0;
    uint32_t extension_bytes_ = 0;
    uint32_t trailer_bytes_ = 0;
    uint32_t trailer_count_ = 0;
    State state_ = State::done;
    BodyFraming framing_ = BodyFraming::none;
    Side side_ = Side::downstream;
    uint8_t digit_count_ = 0;
    uint8_t name_length_ = 0;
    char name_[20] = {};  // the trailer name at hand, as far as a forbidden one could reach
};

/// Writes "1f4\r\n" and returns how many bytes (at most chunk_head_bytes_max). payload_bytes > 0: a zero ends the body.
size_t write_chunk_head(char* out, uint64_t payload_bytes) noexcept;

}  // namespace loom::http
