// Heads written into a buffer of the caller, never past its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/http/message.h"

namespace loom::http {

/// "Not Found"; "" for a code without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

inline constexpr size_t date_bytes = 29;
/// Writes an IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110, 5.6.7) of date_bytes; no NUL behind it.
/// unix_seconds   0 .. 253402300799 (year 9999).
void format_date(int64_t unix_seconds, char* out) noexcept;

/// A fault (no room; CR, LF or NUL in what becomes a line) is remembered, writes stop, and `ok()` says so at the end,
/// so that building a head reads as a list. Check it once, before the bytes leave.
class HeadWriter {
  public:
    HeadWriter(char* buffer, size_t capacity) noexcept : begin_(buffer), at_(buffer), end_(buffer + capacity) {}

    /// "HTTP/1.1 404 Not Found\r\n", with the phrase of reason_phrase(), or `reason` where one is to be passed on.
    HeadWriter& status(int code) noexcept;
    HeadWriter& status(int code, std::string_view reason) noexcept;
    /// "POST /v1/chat/completions HTTP/1.1\r\n"
    HeadWriter& request_line(std::string_view method, std::string_view target) noexcept;
    /// The target in two parts: the base path of an endpoint and the rest.
    HeadWriter& request_line(std::string_view method, std::string_view base_path, std::string_view rest) noexcept;
    HeadWriter& header(std::string_view name, std::string_view value) noexcept;
    HeadWriter& header(std::string_view name, uint64_t value) noexcept;
    /// A value in two parts ("Bearer ", key).
    HeadWriter& header(std::string_view name, std::string_view value, std::string_view rest) noexcept;
    /// "date: …\r\n" with a text of format_date(), which a shard refreshes once a second.
    HeadWriter& date(std::string_view imf_fixdate) noexcept;
    /// Bytes that are lines already ("server: loom\r\n"): not looked at.
    HeadWriter& raw(std::string_view bytes) noexcept;
    /// The empty line.
    HeadWriter& end() noexcept;

    [[nodiscard]] bool ok() const noexcept { return fault_ == Fault::none; }
    [[nodiscard]] bool overflowed() const noexcept { return fault_ == Fault::no_room; }
    [[nodiscard]] bool refused_value() const noexcept { return fault_ == Fault::bad_value; }
    /// What has been written; of no use unless ok().
    [[nodiscard]] std::string_view view() const noexcept { return {begin_, static_cast<size_t>(at_ - begin_)}; }
    [[nodiscard]] size_t size() const noexcept { return static_cast<size_t>(at_ - begin_); }

  private:
    enum class Fault : uint8_t { none, no_room, bad_value };
    char* reserve(size_t bytes) noexcept;
    void refuse() noexcept;

    char* begin_;
    char* at_;
    char* end_;
    Fault fault_ = Fault::none;
};

}  // namespace loom::http
