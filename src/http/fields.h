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

inline constexpr const char* incomplete_head = "the head ends before its empty line";
/// Why the name at [p, at) is none: `at` is where the token stopped.
const char* name_fault(const char* p, const char* at) noexcept;
const char* value_fault(const char* at) noexcept;

/// Reads Content-Length, Transfer-Encoding and Connection; flags the headers that Connection nominates.
Result<Meaning> read_meaning(HeaderList& list, Repeated repeated, uint8_t minor_version, Side side) noexcept;

/// 1*DIGIT up to body_bytes_max.
bool parse_length(std::string_view text, uint64_t& out) noexcept;
/// uri-host [":" port] of RFC 9110, 7.2, in the spellings that are used: names, IPv4, [IPv6].
/// end   up to where bytes may be read, at or behind the text.
bool is_host(std::string_view text, const char* end) noexcept;
inline bool is_host(std::string_view text) noexcept { return is_host(text, text.data() + text.size()); }

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

/// A head without what is behind its last line end; empty when there is none. From here on its last byte is an LF,
/// which ends every search: no loop below asks for the end of the bytes, and two bytes may be read where the first is a
/// CR.
inline std::string_view until_last_lf(std::string_view head) noexcept {
    if (!head.empty() && head.back() == '\n') [[likely]]
        return head;
    return head.substr(0, head.rfind('\n') + 1);
}

/// Looks up where names and values end, classifying 64 bytes at a time and each of them once. Positions only go
/// forward.
template <class Kernel>
class FieldCursor {
  public:
    /// head   the bytes of it, which end with LF.     p   where to start, in front of its end.
    FieldCursor(std::string_view head, const char* p) noexcept
        : begin_(head.data()), end_(head.data() + head.size()), base_(p) {
        look();
    }
    [[nodiscard]] const char* name_end(const char* p) noexcept {
        p = next<&scan::FieldMasks::breaks>(p);
        while (*p != ':' && scan::is_token(*p)) [[unlikely]]
            p = next<&scan::FieldMasks::breaks>(p + 1);
        return p;
    }
    [[nodiscard]] const char* value_end(const char* p) noexcept {
        p = next<&scan::FieldMasks::stops>(p);
        while (*p == '\t') [[unlikely]]
            p = next<&scan::FieldMasks::stops>(p + 1);
        return p;
    }

  private:
    template <uint64_t scan::FieldMasks::* which>
    [[nodiscard]] const char* next(const char* p) noexcept {
        while (true) {
            const auto at = static_cast<size_t>(p - base_);
            if (at < 64) [[likely]] {
                const uint64_t found = masks_.*which >> at;
                if (found != 0) [[likely]]
                    return p + __builtin_ctzll(found);
                p = base_ + 64;
            }
            base_ = p;
            look();
        }
    }
    [[gnu::noinline]] void look() noexcept {
        const auto left = static_cast<size_t>(end_ - base_);
        if (left >= 64) {
            masks_ = Kernel::field_masks64(base_);
        } else if (end_ - begin_ >= 64) {  // the last 64 bytes, with those in front of base_ shifted out
            const scan::FieldMasks last = Kernel::field_masks64(end_ - 64);
            masks_ = {last.breaks >> (64 - left), last.stops >> (64 - left)};
        } else {
            masks_ = scan::Scalar::field_masks(base_, left);
        }
    }

    const char* begin_;
    const char* end_;
    const char* base_;
    scan::FieldMasks masks_;
};

/// The value's bytes from the colon to the CR, without blanks around it. Nothing in between is below a blank.
inline std::string_view trimmed_value(const char* colon, const char* cr) noexcept {
    const char* value = colon[1] == ' ' ? colon + 2 : colon + 1;
    if (*value <= ' ' || cr[-1] <= ' ') [[unlikely]] {  // more blanks, none but the CR, or obs-text
        while (is_blank(*value)) ++value;
        while (is_blank(cr[-1])) --cr;  // the colon stops it
        if (cr < value) return {value, 0};
    }
    return {value, static_cast<size_t>(cr - value)};
}

/// Reads field lines from `p` until the empty line.     head   as until_last_lf() gives it.
template <class Kernel>
Result<Fields> read_fields(std::string_view head, const char* p, HeaderList& list, Side side) noexcept {
    const char* const end = head.data() + head.size();
    if (p == end) return fail(Errc::bad_message, side, incomplete_head);
    FieldCursor<Kernel> cursor(head, p);
    Fields fields;
    while (true) {
        const char* colon = cursor.name_end(p);
        if (*colon != ':' || colon == p) [[unlikely]] {
            if (p[0] != '\r' || p[1] != '\n') return fail(Errc::bad_message, side, name_fault(p, colon));
            fields.end = p + 2;
            return fields;
        }
        const char* stop = cursor.value_end(colon + 1);
        if (stop[0] != '\r' || stop[1] != '\n') [[unlikely]]
            return fail(Errc::bad_message, side, value_fault(stop));
        if (list.full()) [[unlikely]]
            return fail(Errc::head_too_large, side, "more than 96 header fields");
        const std::string_view name(p, static_cast<size_t>(colon - p));
        const HeaderId id = known_id(name, end);
        fields.repeated.add(id, list.add(name, trimmed_value(colon, stop), id));
        p = stop + 2;
        if (p == end) [[unlikely]]
            return fail(Errc::bad_message, side, incomplete_head);
    }
}

}  // namespace loom::http
