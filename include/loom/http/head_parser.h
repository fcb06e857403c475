// From bytes to heads, in place: no copy, no allocation. Strict where RFC 9112 lets an intermediary be lenient, because
// what two parsers read differently is how requests are smuggled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"

namespace loom::http {

/// Finds where a head ends, looking at each byte once however the head is cut.
///
///     HeadScan scan;                                          // one per message; reset() for the next
///     const auto end = scan.end_of(all_bytes_so_far);         // the same first byte each time, only more of them
///     if (!end) refuse(end.error());
///     if (*end == 0) wait for more (and check limit.head_size and the deadline)
///     parse_request_head(all_bytes_so_far.substr(0, *end), head)
class HeadScan {
  public:
    explicit HeadScan(Side side = Side::downstream) noexcept : side_(side) {}
    /// The length of the head including its empty line, or 0 when it has not ended yet; reset() before the next.
    /// Errors  bad_message as soon as a bare CR, bare LF or NUL is seen, or a first byte that cannot start a head;
    ///         a TLS ClientHello is told apart, so that the reply can say which port it was sent to.
    [[nodiscard]] Result<size_t> end_of(std::string_view bytes_so_far) noexcept;
    void reset() noexcept { *this = HeadScan(side_); }

  private:
    [[nodiscard]] std::unexpected<Error> fault() const noexcept;
    [[nodiscard]] std::unexpected<Error> wrong_start(unsigned char first) const noexcept;

    uint64_t scanned_bytes_ = 0;
    uint64_t lf_tail_ = 0;      // bits 0 and 1: the byte before the last, and the last, is LF
    uint64_t last_was_cr_ = 0;  // 0 or 1
    Side side_;
};

/// head    starts at the request line (one CRLF before it is tolerated) and ends with its empty line, as HeadScan says.
///         Bytes behind that are left alone, but cost a search for the last line end.
/// out     overwritten; its views point into `head`. After an error it holds what was read before the fault: `method`
///         of a refused CONNECT, say.
/// Errors  bad_message; head_too_large: more than headers_max; unsupported: a version other than 1.0 and 1.1, and
///         CONNECT, for which out.method == Method::connect. Side::downstream; `what` names the fault.
/// Refused (RFC 9112): bare CR or LF, NUL and other controls, obs-fold (5.2), space before the colon (5.1), names that
///         are not tokens, no, two or a malformed Host (3.2), a malformed Content-Length or two, even equal ones (6.3),
///         Transfer-Encoding other than one "chunked" (6.1), beside Content-Length, or in HTTP/1.0; a fragment or bytes
///         from 0x80 in the target; more than 32 connection options.
[[nodiscard]] Result<void> parse_request_head(std::string_view head, RequestHead& out) noexcept;

/// head             up to its empty line: from what is behind, its end would have to be searched.
/// request_method   decides with the status whether a body follows (RFC 9112, 6.3): none for HEAD, 1xx, 204 and 304.
/// Errors  bad_message, head_too_large, unsupported; Side::upstream. The rules of fields are those of requests.
[[nodiscard]] Result<void> parse_response_head(std::string_view head, Method request_method,
                                               ResponseHead& out) noexcept;

}  // namespace loom::http
