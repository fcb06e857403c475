// What one exchange is meant to be: what the client asks and how it behaves, what the upstream answers and how, and
// what may come of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"

namespace loom::sim {

enum class Ask : uint8_t {
    chat,
    stream,
    echo,
    echo_stream,
    plain_get,
    plain_head,
    upload,
    models,
    no_route,
    bad_json,
    bad_head
};

/// What becomes of an upstream's answer.
enum class Fate : uint8_t {
    whole,
    silent,        // takes the request and says nothing
    closes,        // the same, and closes
    stalls,        // stops somewhere and stays
    dies,          // stops somewhere and closes
    resets,        // stops somewhere and breaks the connection
    too_short,     // says a length, sends less and closes
    too_long,      // sends more than it said
    garbage,       // no HTTP
    huge_head,     // larger than Loom reads
    bad_chunk,     // a chunk's size is no number
    interim_flood  // 100 Continue, and again, and again
};

/// How an answer's body is framed.
enum class Frame : uint8_t { length, chunked, close };

/// An actor's pace: how many bytes at once, and how long it waits before the next.
struct Pace {
    size_t bytes = SIZE_MAX;
    uint32_t ms = 0;
};

struct Case {
    uint64_t number = 0;
    Ask ask = Ask::chat;

    // the client
    std::string request;  // as it leaves
    size_t head_bytes = 0;
    std::string body;  // its payload, for the upstream to compare
    bool http10 = false;
    bool asks_close = false;
    bool wants_usage = false;
    uint32_t think_ms = 0;  // before it asks
    Pace writing;
    Pace reading;
    size_t leaves_after_sent = SIZE_MAX;  // breaks off when so many bytes of the request have left
    size_t leaves_after_read = SIZE_MAX;  // or so many of the answer have come
    bool leaves_by_reset = false;
    bool half_closes = false;  // ends its side behind this request, a while later: Loom takes that for leaving
    uint32_t half_close_ms = 0;

    // the upstream
    Fate fate = Fate::whole;
    Frame frame = Frame::length;
    int status = 200;
    std::string answer;  // as it leaves
    size_t answer_head_bytes = 0;
    size_t stops_at = SIZE_MAX;  // of `answer`, for the fates that stop
    Pace answering;
    uint32_t delay_ms = 0;
    bool early = false;         // answers when the request's head is there
    bool closes_after = false;  // and says so, or does not
    std::string payload;        // what the client has to get; of a stream without what is stripped

    // what happened
    bool hurt = false;      // the network broke something under it
    uint32_t arrivals = 0;  // at an upstream
    bool answered = false;  // the upstream's answer left whole
    bool asked = false;     // the client sent some of it
    bool judged = false;
    uint64_t asked_ns = 0;
    uint64_t settled_ns = 0;  // its answer was whole
    int seen_status = 0;      // of the head that the client got

    [[nodiscard]] std::string id() const;
    /// For whoever replays a seed.
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool streams() const noexcept { return ask == Ask::stream || ask == Ask::echo_stream; }
    [[nodiscard]] bool has_upstream() const noexcept {
        return ask == Ask::chat || ask == Ask::stream || ask == Ask::plain_get || ask == Ask::plain_head ||
               ask == Ask::upload;
    }
    [[nodiscard]] bool leaves() const noexcept {
        return leaves_after_sent != SIZE_MAX || leaves_after_read != SIZE_MAX;
    }
    /// One side is so slow that a timeout may be right.
    bool slow_client = false;
    bool slow_upstream = false;
};

/// What a world's cases are like. Chances are per mille.
struct Temper {
    uint32_t bad_fate = 0;
    bool too_long = false;  // fates may be Fate::too_long, which spoils the connection for whoever takes it next
    uint32_t leaves = 0;
    uint32_t slow = 0;
    uint32_t odd = 100;  // asks that Loom answers itself, or refuses
    uint32_t stream = 400;
    uint32_t large = 30;  // bodies and answers beyond all buffers
    uint32_t early = 20;
    uint32_t paced = 200;
};

[[nodiscard]] Case draw_case(Random& random, const Temper& temper, uint64_t number);

}  // namespace loom::sim
