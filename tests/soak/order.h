// What a request tells its upstream to do: the order travels in the request itself, so that the client knows to the
// byte what has to come back, whatever else goes on at that time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../wire/scripted_upstream.h"

namespace loom::soak {

enum class Deed : uint8_t {
    answer,       // a whole answer, or a whole stream
    fail,         // 500 with a body
    refuse,       // ends the connection without a byte
    garbage,      // bytes that are no HTTP
    break_event,  // some events, then the end in the middle of one
    reset_event,  // likewise, by RST
    stall,        // some events, then nothing
    hang,         // nothing at all
    cut,          // less than Content-Length says, then the end (plain routes)
};
inline constexpr std::array<std::string_view, 9> deed_names = {
    "answer", "fail", "refuse", "garbage", "break_event", "reset_event", "stall", "hang", "cut"};

struct Order {
    Deed deed = Deed::answer;
    uint64_t id = 0;           // of the request, unique in a run
    uint32_t event_count = 0;  // of a stream; 0: not streamed
    uint32_t event_bytes = 0;  // of an event's content; of the body where it is not streamed
    uint32_t pace_us = 0;      // between two events

    [[nodiscard]] std::string spell() const;  // letters, digits, '.' and '_': fits a path and a JSON string
    static Order read(std::string_view text);
};

/// The events of a stream, without usage and [DONE].
[[nodiscard]] std::string events_of(const Order& order);
[[nodiscard]] std::string answer_body(const Order& order);
/// POST /v1/chat/completions that carries the order; `padding_bytes` make the prompt long.
[[nodiscard]] std::string chat_body_of(const Order& order, std::string_view model, bool wants_usage,
                                       size_t padding_bytes);

/// False when the connection is not to be used again.
bool obey(wire::UpstreamConnection& connection, const Order& order);
/// Obeys the orders of chat requests.
[[nodiscard]] wire::ScriptedUpstream::Script ai_script();
/// Obeys the orders in the paths of plain requests; the answer to a POST tells how many bytes of body came.
[[nodiscard]] wire::ScriptedUpstream::Script web_script();

}  // namespace loom::soak
