#include "loom/http/event_stream.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace loom::http {

namespace {

constexpr uint32_t checksum_bytes = 4;
constexpr uint32_t overhead_bytes = 12 + checksum_bytes;  // of a frame that says nothing
constexpr uint32_t headers_bytes_max = 128 * 1024;

uint32_t read_u32(const char* bytes) noexcept {
    uint32_t value;
    std::memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

uint32_t checksum(std::string_view bytes) noexcept {
    return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// Null, or what is wrong with the twelve bytes that a frame begins with.
const char* prelude_fault(std::string_view prelude) noexcept {
    if (read_u32(prelude.data() + 8) != checksum(prelude.substr(0, 8)))
        return "the checksum of an event frame's prelude is wrong";
    const uint32_t frame_bytes = read_u32(prelude.data());
    const uint32_t headers_bytes = read_u32(prelude.data() + 4);
    if (frame_bytes < overhead_bytes) return "an event frame is shorter than its own framing";
    if (headers_bytes > headers_bytes_max || headers_bytes > frame_bytes - overhead_bytes)
        return "an event frame's headers do not fit into it";
    return nullptr;
}

/// Bytes of a value of fixed size; of the others the two of their length.
constexpr std::array<uint8_t, 10> value_bytes = {0, 0, 1, 2, 4, 8, 2, 2, 8, 16};

std::unexpected<Error> broken(const char* what) noexcept { return fail(Errc::bad_message, Side::upstream, what); }

}  // namespace

size_t FrameSplitter::next_event_end(std::string_view payload) noexcept {
    size_t seen = 0;
    if (taken_ < prelude_bytes) {
        seen = std::min<size_t>(prelude_bytes - taken_, payload.size());
        if (fault_ != nullptr || seen == 0) return 0;
        std::memcpy(prelude_.data() + taken_, payload.data(), seen);
        taken_ += static_cast<uint32_t>(seen);
        if (taken_ < prelude_bytes) return 0;
        read_prelude();
    }
    if (fault_ != nullptr) return 0;
    const size_t rest = std::min<size_t>(frame_bytes_ - taken_, payload.size() - seen);
    taken_ += static_cast<uint32_t>(rest);
    if (taken_ < frame_bytes_) return 0;
    taken_ = 0;
    return seen + rest;
}

void FrameSplitter::read_prelude() noexcept {
    const std::string_view prelude(prelude_.data(), prelude_bytes);
    fault_ = prelude_fault(prelude);
    frame_bytes_ = read_u32(prelude.data());
    if (fault_ == nullptr && frame_bytes_ > frame_bytes_max_) fault_ = "an event frame is too large";
}

bool next_header(std::string_view& headers, FrameHeader& header) noexcept {
    if (headers.empty()) return false;
    const size_t name_bytes = static_cast<uint8_t>(headers[0]);
    if (name_bytes == 0 || headers.size() < 1 + name_bytes + 1) return false;
    const auto type = static_cast<uint8_t>(headers[1 + name_bytes]);
    if (type >= value_bytes.size()) return false;
    size_t at = 1 + name_bytes + 1;
    size_t bytes = value_bytes[type];
    if (headers.size() - at < bytes) return false;
    header.type = static_cast<FrameHeader::Type>(type);
    if (header.type == FrameHeader::Type::bytes || header.type == FrameHeader::Type::string) {
        bytes = static_cast<size_t>(static_cast<uint8_t>(headers[at]) << 8 | static_cast<uint8_t>(headers[at + 1]));
        at += 2;
        if (headers.size() - at < bytes) return false;
    }
    header.name = headers.substr(1, name_bytes);
    header.value = headers.substr(at, bytes);
    headers.remove_prefix(at + bytes);
    return true;
}

namespace {

/// The headers that tell what a frame is; all of them are walked, so that they are sound.
struct Telling {
    std::string_view message_type, event_type, exception_type, error_code, error_message, content_type;

    void note(const FrameHeader& header) noexcept {
        if (header.type != FrameHeader::Type::string) return;
        if (header.name == ":message-type") message_type = header.value;
        if (header.name == ":event-type") event_type = header.value;
        if (header.name == ":exception-type") exception_type = header.value;
        if (header.name == ":error-code") error_code = header.value;
        if (header.name == ":error-message") error_message = header.value;
        if (header.name == ":content-type") content_type = header.value;
    }
};

}  // namespace

Result<void> parse_frame(std::string_view whole_frame, EventFrame& out) noexcept {
    out = EventFrame{};
    if (whole_frame.size() < overhead_bytes) return broken("an event frame is shorter than its own framing");
    if (const char* const fault = prelude_fault(whole_frame.substr(0, 12)); fault != nullptr) return broken(fault);
    if (read_u32(whole_frame.data()) != whole_frame.size())
        return broken("an event frame has another length than it says");
    const std::string_view checked = whole_frame.substr(0, whole_frame.size() - checksum_bytes);
    if (read_u32(checked.data() + checked.size()) != checksum(checked))
        return broken("the checksum of an event frame is wrong");

    out.headers = checked.substr(12, read_u32(whole_frame.data() + 4));
    Telling telling;
    std::string_view rest = out.headers;
    for (FrameHeader header; next_header(rest, header);) telling.note(header);
    if (!rest.empty()) return broken("an event frame has broken headers");

    out.content_type = telling.content_type;
    out.data = checked.substr(12 + out.headers.size());
    if (telling.message_type == "event") {
        out.name = telling.event_type;
    } else if (telling.message_type == "exception") {
        out.kind = EventFrame::Kind::exception;
        out.name = telling.exception_type;
    } else if (telling.message_type == "error") {
        out.kind = EventFrame::Kind::error;
        out.name = "error";
        out.data = telling.error_message;
        out.error_code = telling.error_code;
    } else {
        return broken("an event frame does not say what it is");
    }
    return {};
}

}  // namespace loom::http
