#pragma once
// The texts that mock and client agree on, so that each byte of an answer can be checked.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

/// A chat.completion of about 730 bytes; it names the size of the request's body, so that a proxy which loses bytes
/// of a prompt is found out.
std::string chat_reply(size_t prompt_bytes);

/// A chat request of exactly `total_bytes` (at least 256): messages first, as the Python SDK writes it. `mock` are
/// the parameters for the mock, carried in the field `user`, since a gateway may drop headers it does not know.
std::string chat_request(size_t total_bytes, bool stream, bool include_usage, std::string_view mock);

/// One SSE event of exactly `total_bytes` (at least event_bytes_min) with room for a sequence number and the time of
/// its writing, which `stamp_event` fills in.
inline constexpr size_t event_bytes_min = 192;
std::string event_template(size_t total_bytes);
void stamp_event(char* event, uint32_t sequence, int64_t written_ns);

struct EventStamp {
    bool found = false;
    uint32_t sequence = 0;
    int64_t written_ns = 0;
};
/// Reads what `stamp_event` wrote, out of one `data:` line.
EventStamp read_stamp(std::string_view line);

/// The finishing chunk, the usage chunk when asked for, and [DONE].
std::string final_events(uint32_t event_count, bool include_usage);

}  // namespace bench
