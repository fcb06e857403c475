// The lines between the start line and the empty line, and what they say together. Shared by both kinds of heads.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"
#include "scan.h"

namespace loom::http {

/// The ids that framing asks about come first in the list; those from 63 on share a bit that nobody reads.
constexpr uint64_t bit_of(HeaderId id) noexcept {
    const auto place = static_cast<unsigned>(id);
    return uint64_t{1} << (place < 63 ? place : 63);
}
static_assert(HeaderId::expect < static_cast<HeaderId>(63));

/// Which ids came, and which came more than once.
struct Seen {
    uint64_t once = 0;
    uint64_t twice = 0;
    [[nodiscard]] bool any(HeaderId id) const noexcept { return (once & bit_of(id)) != 0; }
    [[nodiscard]] bool repeated(HeaderId id) const noexcept { return (twice & bit_of(id)) != 0; }
};

struct Fields {
    const char* end = nullptr;  // behind the empty line
    Seen seen;
};

/// What the fields of one message say about its framing and its connection.
struct Meaning {
    BodyFraming framing = BodyFraming::none;
    uint64_t content_length = 0;
    bool has_length = false;
    bool close = false;
    bool keep_alive = false;
    bool upgrade = false;
};

constexpr size_t connection_options_max = 32;

/// Why the name at [p, at) is none: `at` is where the token stopped.
const char* name_fault(const char* p, const char* at, const char* end) noexcept;
const char* value_fault(const char* at, const char* end) noexcept;

/// Reads Content-Length, Transfer-Encoding and Connection; flags the headers that Connection nominates.
Result<Meaning> read_meaning(HeaderList& list, const Seen& seen, uint8_t minor_version, Side side) noexcept;

/// 1*DIGIT up to body_bytes_max.
bool parse_length(std::string_view text, uint64_t& out) noexcept;
/// uri-host [":" port] of RFC 9110, 7.2, in the spellings that are used: names, IPv4, [IPv6].
bool is_host(std::string_view text) noexcept;

/// Reads field lines from `p` until the empty line.
template <class Kernel>
Result<Fields> read_fields(const char* p, const char* end, HeaderList& list, Side side) noexcept {
    Fields fields;
    while (true) {
        const char* colon = Kernel::name_end(p, end);
        if (colon == p && end - p >= 2 && p[0] == '\r' && p[1] == '\n') {
            fields.end = p + 2;
            return fields;
        }
        if (colon == p || colon == end || *colon != ':') [[unlikely]]
            return fail(Errc::bad_message, side, name_fault(p, colon, end));

        const char* value = colon + 1;
        while (value < end && (*value == ' ' || *value == '\t')) ++value;
        const char* stop = Kernel::value_end(value, end);
        if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') [[unlikely]]
            return fail(Errc::bad_message, side, value_fault(stop, end));
        const char* value_end = stop;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;

        if (list.full()) [[unlikely]]
            return fail(Errc::head_too_large, side, "more than 96 header fields");
        const std::string_view name(p, static_cast<size_t>(colon - p));
        const HeaderId id = header_id(name);
        list.add(name, {value, static_cast<size_t>(value_end - value)}, id);
        fields.seen.twice |= fields.seen.once & bit_of(id);
        fields.seen.once |= bit_of(id);
        p = stop + 2;
    }
}

}  // namespace loom::http
