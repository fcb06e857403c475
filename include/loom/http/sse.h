// Server-sent events (WHATWG HTML, 9.2 "event stream"): where each ends, and what one says. The bytes are payload:
// chunk framing has been taken off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/result.h"

namespace loom::http {

/// Finds the ends of events in a stream that is cut anywhere. Lines end with LF, CRLF or CR, mixed at will.
///
///     while (size_t end = splitter.next_event_end(rest)) { event(rest.substr(0, end)); rest.remove_prefix(end); }
///     // what is left of `rest` has been seen; give only bytes behind it next time
///
/// An event ends with the blank line behind it. Blank lines before an event belong to its front: they never make an
/// event of their own. When the bytes end right behind the CR of a blank line, the event ends there, at once; should an
/// LF follow, it is the front of the next event, where it means nothing. parse_event() reads over both.
class SseSplitter {
  public:
    /// The count of bytes up to and including the blank line that ends an event; 0 when no event ends in `payload`, all
    /// of which has then been taken.
    [[nodiscard]] size_t next_event_end(std::string_view payload) noexcept;
    /// Nothing of an unfinished event has been seen: a comment or event of one's own may go here. (An LF that completes
    /// a CRLF may still come; it does no harm behind either.)
    [[nodiscard]] bool at_event_boundary() const noexcept { return !in_event_; }
    void reset() noexcept { *this = SseSplitter{}; }

  private:
    bool in_event_ = false;   // a byte other than a line end has come since the last event
    bool line_empty_ = true;  // … since the last line end
    bool after_cr_ = false;   // the last byte was CR: an LF belongs to it
};

struct SseEvent {
    std::string_view event;      // the type, "" when not given ("message")
    std::string_view id;         // "" when not given
    std::string_view data;       // one line: a view into the event; several: joined by LF in the scratch
    uint32_t data_offset = 0;    // of `data` in the whole event, for a splice; only when data_in_place
    uint32_t data_lines = 0;     // "data" lines seen
    bool has_data = false;       // even when empty
    bool data_in_place = false;  // `data` points into the event
    bool comment_only = false;   // comments and nothing else: a keep-alive
};

/// whole_event   as SseSplitter cuts it. Blank lines in front are read over, and so is a byte order mark; the blank
///               line at the end may be missing.
/// scratch       for events of several data lines; borrowed as long as `out` is.
/// Errors  too_large when the joined data does not fit into the scratch. Side::upstream.
[[nodiscard]] Result<void> parse_event(std::string_view whole_event, SseEvent& out, std::span<char> scratch) noexcept;

}  // namespace loom::http
