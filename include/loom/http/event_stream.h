// AWS's event stream (application/vnd.amazon.eventstream): where each frame ends, and what one says. The bytes are
// payload: chunk framing has been taken off.
//
//     total length u32 | headers' length u32 | CRC-32 of the eight bytes before | headers | payload | CRC-32 of all
//     before
//
// Numbers are big-endian; the CRC is zlib's. Source: "Event stream encoding" of Amazon Transcribe's and Smithy's pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/base/result.h"

namespace loom::http {

/// Finds the ends of frames in a stream that is cut anywhere, as SseSplitter does for events:
///
///     while (size_t end = splitter.next_event_end(rest)) { frame(rest.substr(0, end)); rest.remove_prefix(end); }
///     if (splitter.fault() != nullptr) { … }  // nothing behind can be found any more
///     // what is left of `rest` has been seen; give only bytes behind it next time
///
/// A frame's length is believed once its prelude's checksum was right, so a broken one does not keep anybody waiting
/// for bytes that never come.
class FrameSplitter {
  public:
    static constexpr uint32_t frame_bytes_limit = 16 << 20;  // of the protocol

    /// frame_bytes_max  of one frame, headers and checksums included; more is a fault.
    explicit FrameSplitter(uint32_t frame_bytes_max = frame_bytes_limit) noexcept
        : frame_bytes_max_(frame_bytes_max < frame_bytes_limit ? frame_bytes_max : frame_bytes_limit) {}

    /// The count of bytes up to and including a frame's checksum; 0 when no frame ends in `payload`, all of which has
    /// then been taken, and for ever after a fault.
    [[nodiscard]] size_t next_event_end(std::string_view payload) noexcept;
    /// Nothing of an unfinished frame has been seen.
    [[nodiscard]] bool at_event_boundary() const noexcept { return taken_ == 0; }
    /// Null, or a literal that says what is wrong with a prelude.
    [[nodiscard]] const char* fault() const noexcept { return fault_; }
    void reset() noexcept { *this = FrameSplitter{frame_bytes_max_}; }

  private:
    static constexpr uint32_t prelude_bytes = 12;
    void read_prelude() noexcept;

    uint32_t frame_bytes_max_;
    uint32_t taken_ = 0;        // of the frame at hand
    uint32_t frame_bytes_ = 0;  // known once its prelude is there
    std::array<char, prelude_bytes> prelude_{};
    const char* fault_ = nullptr;
};

struct FrameHeader {
    enum class Type : uint8_t { yes, no, int8, int16, int32, int64, bytes, string, timestamp, uuid };
    std::string_view name;
    Type type = Type::yes;
    std::string_view value;  // as it stands, without its length
};

/// Takes the next header off `headers`. False at the end, and, with `headers` not empty, where it is broken.
[[nodiscard]] bool next_header(std::string_view& headers, FrameHeader& header) noexcept;

/// Views into the frame.
struct EventFrame {
    enum class Kind : uint8_t {
        event,      // name: ":event-type"
        exception,  // name: ":exception-type"; data: a document that tells it
        error,      // name: "error"; data: ":error-message", plain text
    };
    Kind kind = Kind::event;
    std::string_view name;
    std::string_view data;
    std::string_view content_type;
    std::string_view error_code;  // of Kind::error
    std::string_view headers;     // all of them, for next_header(): they are sound
};

/// whole_frame  as FrameSplitter cuts it.
/// Errors  bad_message, Side::upstream: a length or a checksum that is wrong, headers that are broken or name no kind.
[[nodiscard]] Result<void> parse_frame(std::string_view whole_frame, EventFrame& out) noexcept;

}  // namespace loom::http
