// The lines between the start line and the empty line, and what they say together. Shared by both kinds of heads.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/base/result.h"
#include "loom/http/message.h"
#include "names.h"
#include "scan.h"

namespace loom::http {

/// Which ids came more than once. Those from 64 on share the bits of others that nobody reads.
class Repeated {
  public:
    void add(HeaderId id, bool seen_before) noexcept { mask_ |= static_cast<uint64_t>(seen_before) << place(id); }
    [[nodiscard]] bool has(HeaderId id) const noexcept { return (mask_ >> place(id) & 1) != 0; }

  private:
    static unsigned place(HeaderId id) noexcept { return static_cast<unsigned>(id) & 63; }
    uint64_t mask_ = 0;
};
static_assert(static_cast<unsigned>(HeaderId::count_) <= 64 + static_cast<unsigned>(HeaderId::host),
              "no id shares the bit of one that framing asks about");

struct Fields {
    const char* end = nullptr;  // behind the empty line
    Repeated repeated;
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
Result<Meaning> read_meaning(HeaderList& list, Repeated repeated, uint8_t minor_version, Side side) noexcept;

/// 1*DIGIT up to body_bytes_max.
bool parse_length(std::string_view text, uint64_t& out) noexcept;
/// uri-host [":" port] of RFC 9110, 7.2, in the spellings that are used: names, IPv4, [IPv6].
/// end   up to where bytes may be read, at or behind the text.
bool is_host(std::string_view text, const char* end) noexcept;
inline bool is_host(std::string_view text) noexcept { return is_host(text, text.data() + text.size()); }

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
inline bool is_empty_line(const char* p, const char* end) noexcept {
    return end - p >= 2 && p[0] == '\r' && p[1] == '\n';
}

/// Reads field lines from `p` until the empty line.
template <class Kernel>
Result<Fields> read_fields(const char* p, const char* end, HeaderList& list, Side side) noexcept {
    Fields fields;
    while (true) {
        const char* colon = Kernel::name_end(p, end);
        if (colon == end || *colon != ':' || colon == p) [[unlikely]] {
            if (!is_empty_line(p, end)) return fail(Errc::bad_message, side, name_fault(p, colon, end));
            fields.end = p + 2;
            return fields;
        }
        const char* value = colon + 1;
        while (value < end && is_blank(*value)) ++value;
        const char* stop = Kernel::value_end(value, end);
        if (!is_empty_line(stop, end)) [[unlikely]]
            return fail(Errc::bad_message, side, value_fault(stop, end));
        const char* value_end = stop;
        while (value_end > value && is_blank(value_end[-1])) --value_end;

        if (list.full()) [[unlikely]]
            return fail(Errc::head_too_large, side, "more than 96 header fields");
        const std::string_view name(p, static_cast<size_t>(colon - p));
        const HeaderId id = known_id(name, end);
        fields.repeated.add(id, list.add(name, {value, static_cast<size_t>(value_end - value)}, id));
        p = stop + 2;
    }
}

}  // namespace loom::http
