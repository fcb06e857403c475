// An event stream says the same however it is cut, and what is said in place is at its offset.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/sse.h"

using namespace loom::http;

namespace {

void require(bool holds) {
    if (!holds) __builtin_trap();
}

std::string said(std::string_view whole) {
    static char scratch[1 << 16];
    SseEvent event;
    if (!parse_event(whole, event, scratch)) return "too large";
    if (event.data_in_place) require(whole.substr(event.data_offset, event.data.size()) == event.data);
    require(event.has_data == (event.data_lines > 0));
    return std::string(event.event) + '\n' + std::string(event.id) + '\n' + std::string(event.data) +
           (event.comment_only ? "\nc" : "");
}

std::vector<std::string> read(std::string_view bytes, size_t piece_bytes) {
    std::vector<std::string> events;
    SseSplitter splitter;
    std::string held;
    while (!bytes.empty()) {
        std::string_view rest = bytes.substr(0, piece_bytes);
        bytes.remove_prefix(rest.size());
        while (const size_t end = splitter.next_event_end(rest)) {
            require(end <= rest.size() && splitter.at_event_boundary());
            held += rest.substr(0, end);
            rest.remove_prefix(end);
            events.push_back(said(held));
            held.clear();
        }
        held += rest;
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = read(bytes, bytes.size() + 1);
    require(read(bytes, 1) == whole);
    require(read(bytes, 1 + data[0] % 64) == whole);
    return 0;
}
