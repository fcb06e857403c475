// Forms (multipart/form-data, RFC 7578): one field in as much of a form as is there, or all of its parts as it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loom/base/result.h"

namespace loom::http {

struct FormField {
    enum class State : uint8_t {
        open,  // not in what is there; more may have it
        found,
        absent,  // the form has ended without it, or this is no form
    };
    State state = State::open;
    size_t offset = 0;       // of the value in the bytes
    std::string_view value;  // as it stands
};

/// content_type  the header's value, which holds the boundary.
/// bytes         the body from its start on, however far.
/// name          plain. A file (a part with a filename) is never a field.
[[nodiscard]] FormField find_form_field(std::string_view content_type, std::string_view bytes,
                                        std::string_view name) noexcept;

/// Reads a form in pieces that may be cut anywhere. For who has to see what the server will see: what another reader
/// could take for other parts, or for a part of another name, is refused.
class FormReader {
  public:
    enum class Event : uint8_t {
        none,  // nothing of note in what was consumed
        head,  // a part begins: part() tells which
        data,  // of the part; empty for none
        end,   // of the form: what was consumed ends with the last byte of its last boundary
    };
    struct Step {
        Event event = Event::none;
        std::string_view data;  // into the bytes given, or of the reader until its next call
        size_t consumed = 0;
    };
    struct Part {
        std::string name;      // plain
        bool is_file = false;  // it has a filename
        bool encoded = false;  // by a header of its own: its data is not what its reader gets
    };

    /// content_type  the header's value.
    explicit FormReader(std::string_view content_type);

    /// Takes at most one event from the front of `bytes`. `while (!bytes.empty())` ends.
    /// Errors  bad_message (downstream): no form, or not one that all read alike. The reader is of no use afterwards.
    [[nodiscard]] Result<Step> next(std::string_view bytes);
    /// The one at hand, or the last.
    [[nodiscard]] const Part& part() const noexcept { return part_; }
    [[nodiscard]] bool ended() const noexcept { return state_ == State::epilogue; }

    static constexpr size_t part_head_bytes_max = 4096;

  private:
    enum class State : uint8_t {
        boundary,   // of the first part: nothing stands before it
        delimited,  // behind a boundary
        padding,
        line_end,
        last_dash,
        head,
        data,
        epilogue,
        broken,
    };
    [[nodiscard]] std::optional<Step> read_data(std::string_view bytes);
    [[nodiscard]] size_t bytes_before_boundary(std::string_view data) const;
    Step match_on(std::string_view bytes);
    [[nodiscard]] bool read_head_byte(char c);
    [[nodiscard]] bool end_head();
    [[nodiscard]] bool read_line(std::string_view line);
    [[nodiscard]] bool read_disposition(std::string_view value);

    std::string delimiter_;  // CRLF, two dashes, the boundary; empty where there is none
    size_t matched_ = 2;     // of the delimiter: the first one has no line break before it
    size_t implied_ = 2;     // of these, which were not there: a head ends with a line break
    std::string tail_;       // of the line of data at hand: what may begin a boundary that no line break precedes
    std::string head_;
    Part part_;
    bool has_disposition_ = false;
    State state_ = State::boundary;
};

}  // namespace loom::http
