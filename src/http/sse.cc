#include "loom/http/sse.h"

#include <cstring>

#include "scan.h"

namespace loom::http {

size_t SseSplitter::next_event_end(std::string_view payload) noexcept {
    const char* const begin = payload.data();
    const char* const end = begin + payload.size();
    const char* p = begin;
    if (after_cr_ && p < end) {  // the CR was the line end already
        after_cr_ = false;
        if (*p == '\n') ++p;
    }
    while (p < end) {
        if (*p != '\n' && *p != '\r') {
            in_event_ = true;
            line_empty_ = false;
            p = scan::line_end(p + 1, end);
            if (p == end) break;
        }
        const bool event_ends = line_empty_ && in_event_;
        line_empty_ = true;
        if (*p == '\r') {
            if (p + 1 == end) {
                after_cr_ = true;
            } else if (p[1] == '\n') {
                ++p;
            }
        }
        ++p;
        if (event_ends) {
            in_event_ = false;
            return static_cast<size_t>(p - begin);
        }
    }
    return 0;
}

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

struct Line {
    std::string_view name;
    std::string_view value;
};

/// `name[:[ ]value]`; a comment has no name and a colon.
Line split_line(std::string_view line) noexcept {
    const size_t colon = line.find(':');
    if (colon == line.npos) return {line, line.substr(line.size())};
    std::string_view value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    return {line.substr(0, colon), value};
}

/// Appends to what the scratch holds. False when it does not fit.
bool append(std::span<char> scratch, size_t& used, std::string_view text) noexcept {
    if (scratch.size() - used < text.size()) return false;
    if (!text.empty()) std::memcpy(scratch.data() + used, text.data(), text.size());
    used += text.size();
    return true;
}

/// The second data line moves the first into the scratch; from then on lines are appended there.
bool add_data(SseEvent& out, std::string_view value, uint32_t offset, std::span<char> scratch) noexcept {
    out.data_lines += 1;
    if (!out.has_data) {
        out.has_data = out.data_in_place = true;
        out.data = value;
        out.data_offset = offset;
        return true;
    }
    size_t used = out.data.size();
    if (out.data_in_place) {
        used = 0;
        if (!append(scratch, used, out.data)) return false;
        out.data_in_place = false;
        out.data_offset = 0;
    }
    if (!append(scratch, used, "\n") || !append(scratch, used, value)) return false;
    out.data = {scratch.data(), used};
    return true;
}

}  // namespace

Result<void> parse_event(std::string_view whole_event, SseEvent& out, std::span<char> scratch) noexcept {
    out = SseEvent{};
    const char* const begin = whole_event.data();
    const char* const end = begin + whole_event.size();
    const char* p = begin;
    bool commented = false;
    bool fielded = false;
    while (p < end && (*p == '\n' || *p == '\r')) ++p;
    if (std::string_view(p, static_cast<size_t>(end - p)).starts_with(byte_order_mark)) p += byte_order_mark.size();
    while (p < end) {
        const char* stop = scan::line_end(p, end);
        const Line line = split_line({p, static_cast<size_t>(stop - p)});
        if (stop == p) {
            // a blank line, or the LF of a CRLF
        } else if (line.name.empty()) {
            commented = true;
        } else {
            fielded = true;
            if (line.name == "data") {
                if (!add_data(out, line.value, static_cast<uint32_t>(line.value.data() - begin), scratch))
                    return fail(Errc::too_large, Side::upstream, "an event whose data lines do not fit into memory");
            } else if (line.name == "event") {
                out.event = line.value;
            } else if (line.name == "id" && line.value.find('\0') == line.value.npos) {
                out.id = line.value;
            }
        }
        p = stop + 1;
    }
    out.comment_only = commented && !fielded;
    return {};
}

}  // namespace loom::http
