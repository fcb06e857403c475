#include "loom/http/form_data.h"

#include <algorithm>
#include <array>
#include <utility>

#include "loom/http/message.h"

namespace loom::http {
namespace {

using State = FormField::State;

constexpr size_t boundary_bytes_max = 70;  // RFC 2046, 5.1.1
constexpr size_t text_end = std::string_view::npos;
constexpr std::string_view form_type = "multipart/form-data";

/// The value of `name=…` among a header's parameters, without its quotes; found tells an empty one from none.
std::string_view parameter(std::string_view header, std::string_view name, bool& found) noexcept {
    found = false;
    while (!header.empty()) {
        const size_t semicolon = header.find(';');
        if (semicolon == header.npos) return {};
        header.remove_prefix(semicolon + 1);
        while (header.starts_with(' ') || header.starts_with('\t')) header.remove_prefix(1);
        const bool fits = header.size() > name.size() && header[name.size()] == '=' &&
                          equal_ignoring_case(header.substr(0, name.size()), name);
        if (!fits) continue;
        header.remove_prefix(name.size() + 1);
        found = true;
        if (!header.starts_with('"')) return header.substr(0, header.find_first_of("; \t"));
        header.remove_prefix(1);
        return header.substr(0, header.find('"'));
    }
    return {};
}

/// Is this part, by its header fields, the field?
bool is_field(std::string_view fields, std::string_view name) noexcept {
    while (!fields.empty()) {
        const std::string_view line = fields.substr(0, fields.find("\r\n"));
        fields.remove_prefix(line.size() + 2 > fields.size() ? fields.size() : line.size() + 2);
        constexpr std::string_view disposition = "content-disposition:";
        if (line.size() < disposition.size() || !equal_ignoring_case(line.substr(0, disposition.size()), disposition))
            continue;
        bool named = false, is_file = false;
        const std::string_view given = parameter(line, "name", named);
        (void)parameter(line, "filename", is_file);
        return named && !is_file && given == name;
    }
    return false;
}

bool is_form(std::string_view content_type) noexcept {
    return content_type.size() >= form_type.size() &&
           equal_ignoring_case(content_type.substr(0, form_type.size()), form_type);
}

bool is_token_char(char c) noexcept {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_token(std::string_view text) noexcept { return !text.empty() && std::ranges::all_of(text, is_token_char); }

/// RFC 2046, 5.1.1: bchars, and no space, which some would cut off at the end.
bool is_boundary(std::string_view text) noexcept {
    const auto fits = [](char c) { return is_token_char(c) || std::string_view("(),/:=?").find(c) != text_end; };
    return !text.empty() && text.size() <= boundary_bytes_max && std::ranges::all_of(text, fits);
}

void drop_blanks(std::string_view& text) noexcept {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
}

/// Takes `"…"` or a token from the front. False where it is neither, and where a quote may be one of a quoted pair:
/// some end the text there.
bool take_value(std::string_view& text, std::string_view& value) noexcept {
    if (!text.starts_with('"')) {
        const auto end = std::ranges::find_if_not(text, is_token_char);
        value = text.substr(0, static_cast<size_t>(end - text.begin()));
        text.remove_prefix(value.size());
        return !value.empty();
    }
    const size_t end = text.find('"', 1);
    if (end == text.npos || text[end - 1] == '\\') return false;
    value = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return true;
}

/// Takes `; name=value` from the front; both are empty behind a last semicolon.
bool take_parameter(std::string_view& text, std::string_view& name, std::string_view& value) noexcept {
    if (!text.starts_with(';')) return false;
    text.remove_prefix(1);
    drop_blanks(text);
    if (text.empty()) return true;
    const size_t equals = text.find('=');
    name = text.substr(0, equals);
    if (equals == text.npos || !is_token(name)) return false;
    text.remove_prefix(equals + 1);
    return take_value(text, value);
}

/// The one boundary that a Content-Type names; "" where it names none, or where another reader may find another.
std::string_view only_boundary(std::string_view content_type) noexcept {
    if (!is_form(content_type) || content_type.find_first_of(",\\") != text_end) return {};
    content_type.remove_prefix(form_type.size());
    std::string_view boundary;
    for (;;) {
        std::string_view name, value;
        drop_blanks(content_type);
        if (content_type.empty()) return boundary;
        if (!take_parameter(content_type, name, value)) return {};
        if (name.find('*') != text_end) return {};  // RFC 2231: of a part of it, or in another charset
        if (!equal_ignoring_case(name, "boundary")) continue;
        if (!boundary.empty() || !is_boundary(value)) return {};
        boundary = value;
    }
}

}  // namespace

FormField find_form_field(std::string_view content_type, std::string_view bytes, std::string_view name) noexcept {
    bool found = false;
    const std::string_view boundary = parameter(content_type, "boundary", found);
    if (!is_form(content_type) || boundary.empty() || boundary.size() > boundary_bytes_max)
        return {.state = State::absent};
    std::array<char, boundary_bytes_max + 4> room;
    char* end = room.data();
    for (const char c : {'\r', '\n', '-', '-'}) *end++ = c;
    for (const char c : boundary) *end++ = c;
    const std::string_view delimiter(room.data(), static_cast<size_t>(end - room.data()));

    size_t at = bytes.starts_with(delimiter.substr(2)) ? delimiter.size() - 2 : 0;
    if (at == 0) {  // behind a preamble
        const size_t first = bytes.find(delimiter);
        if (first == bytes.npos) return {};
        at = first + delimiter.size();
    }
    for (;;) {
        const std::string_view rest = bytes.substr(at);
        if (rest.starts_with("--")) return {.state = State::absent};
        const size_t line_end = rest.find("\r\n");
        const size_t head_end = rest.find("\r\n\r\n");
        if (line_end == rest.npos || head_end == rest.npos) return {};
        const size_t begin = at + head_end + 4;
        // A part may be empty: the line break that ends its head begins the delimiter.
        const size_t close = bytes.find(delimiter, begin - 2);
        if (close == bytes.npos) return {};
        const std::string_view fields =
            head_end > line_end ? rest.substr(line_end + 2, head_end - line_end - 2) : std::string_view();
        if (is_field(fields, name)) {
            const size_t size = close > begin ? close - begin : 0;
            return {.state = State::found, .offset = begin, .value = bytes.substr(begin, size)};
        }
        at = close + delimiter.size();
    }
}

FormReader::FormReader(std::string_view content_type) {
    const std::string_view boundary = only_boundary(content_type);
    if (!boundary.empty()) delimiter_.append("\r\n--").append(boundary);
}

Result<FormReader::Step> FormReader::next(std::string_view bytes) {
    constexpr const char* no_form = "the body must be multipart/form-data with one boundary";
    constexpr const char* broken = "the form is not one that all servers read alike";
    if (delimiter_.empty()) return fail(Errc::bad_message, Side::downstream, no_form);
    if (bytes.empty()) return Step{};
    const char c = bytes.front();
    const auto went_to = [this](State state) {
        state_ = state;
        return Step{.event = Event::none, .data = {}, .consumed = 1};
    };
    switch (state_) {
        case State::boundary:
            if (c != delimiter_[matched_]) break;
            if (++matched_ < delimiter_.size()) return went_to(State::boundary);
            return went_to(State::delimited);
        case State::delimited:
            if (c == '-') return went_to(State::last_dash);
            [[fallthrough]];
        case State::padding:
            if (c == ' ' || c == '\t') return went_to(State::padding);
            if (c == '\r') return went_to(State::line_end);
            break;
        case State::line_end:
            if (c != '\n') break;
            head_.clear();
            part_ = {};
            has_disposition_ = false;
            return went_to(State::head);
        case State::last_dash:
            if (c != '-') break;
            state_ = State::epilogue;
            return Step{.event = Event::end, .data = {}, .consumed = 1};
        case State::head:
            if (!read_head_byte(c)) break;
            if (state_ != State::data) return went_to(State::head);
            return Step{.event = Event::head, .data = {}, .consumed = 1};
        case State::data:
            if (const auto step = read_data(bytes)) return *step;
            break;
        case State::epilogue:
            if (c != '\r' && c != '\n' && c != ' ' && c != '\t') break;
            return went_to(State::epilogue);
        case State::broken: break;
    }
    state_ = State::broken;
    return fail(Errc::bad_message, Side::downstream, broken);
}

/// Data up to the next carriage return; none stands inside of a boundary, so a match that fails begins nowhere inside.
/// None where a boundary stands inside a line, or behind a lone line feed: some would end the part there.
std::optional<FormReader::Step> FormReader::read_data(std::string_view bytes) {
    if (matched_ > 0) return match_on(bytes);
    const size_t line_bytes = std::min(bytes.find('\r'), bytes.size());
    if (line_bytes == 0) {
        matched_ = 1;
        return Step{.event = Event::none, .data = {}, .consumed = 1};
    }
    const size_t data_bytes = bytes_before_boundary(bytes.substr(0, line_bytes));
    if (data_bytes == 0) return std::nullopt;
    const std::string_view data = bytes.substr(0, data_bytes);
    const size_t tail_bytes = delimiter_.size() - 3;  // dashes and boundary but for their last byte
    tail_.append(data.substr(data.size() - std::min(data.size(), tail_bytes)));
    tail_.erase(0, tail_.size() - std::min(tail_.size(), tail_bytes));
    return Step{.event = Event::data, .data = data, .consumed = data_bytes};
}

/// Of the data: up to the byte with which a boundary would be whole.
size_t FormReader::bytes_before_boundary(std::string_view data) const {
    const std::string_view boundary = std::string_view(delimiter_).substr(2);
    if (!tail_.empty()) {
        const std::string seam = tail_ + std::string(data.substr(0, boundary.size() - 1));
        const size_t at = seam.find(boundary);
        if (at != seam.npos) return at + boundary.size() - tail_.size() - 1;
    }
    const size_t at = data.find(boundary);
    return at == data.npos ? data.size() : at + boundary.size() - 1;
}

FormReader::Step FormReader::match_on(std::string_view bytes) {
    size_t taken = 0;
    while (taken < bytes.size() && matched_ < delimiter_.size() && bytes[taken] == delimiter_[matched_]) {
        ++taken;
        ++matched_;
    }
    if (matched_ == delimiter_.size()) {
        // Right behind its head: some take that for the next part, others for data.
        state_ = implied_ == 0 ? State::delimited : State::broken;
        return {.event = Event::none, .data = {}, .consumed = taken};
    }
    if (taken == bytes.size()) return {.event = Event::none, .data = {}, .consumed = taken};
    const size_t data_bytes = matched_ - implied_;
    const std::string_view data = std::string_view(delimiter_).substr(implied_, data_bytes);
    tail_ = std::string_view(delimiter_).substr(0, matched_).substr(std::min<size_t>(matched_, 2));
    matched_ = implied_ = 0;
    return {.event = data_bytes > 0 ? Event::data : Event::none, .data = data, .consumed = taken};
}

/// Lines up to an empty one.
bool FormReader::read_head_byte(char c) {
    if (head_.size() == part_head_bytes_max) return false;
    head_ += c;
    if (c != '\n') return true;
    if (!head_.ends_with("\r\n")) return false;
    if (head_ == "\r\n" || head_.ends_with("\r\n\r\n")) return end_head();
    return true;
}

bool FormReader::end_head() {
    if (head_.find(std::string_view(delimiter_).substr(2)) != head_.npos) return false;
    for (std::string_view rest = head_; rest != "\r\n";) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(line.size() + 2);
        if (!read_line(line)) return false;
    }
    matched_ = implied_ = 2;
    state_ = State::data;
    return has_disposition_;
}

bool FormReader::read_line(std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) return false;  // a folded line too
    const auto is_control = [](char c) { return static_cast<uint8_t>(c) < 0x20 && c != '\t'; };
    if (std::ranges::any_of(line, is_control)) return false;
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    drop_blanks(value);
    if (equal_ignoring_case(name, "content-disposition"))
        return !std::exchange(has_disposition_, true) && read_disposition(value);
    bool as_it_is = true;
    if (equal_ignoring_case(name, "content-transfer-encoding"))
        as_it_is = equal_ignoring_case(value, "binary") || equal_ignoring_case(value, "8bit") ||
                   equal_ignoring_case(value, "7bit");
    if (equal_ignoring_case(name, "content-encoding")) as_it_is = equal_ignoring_case(value, "identity");
    part_.encoded = part_.encoded || !as_it_is;
    return true;
}

/// `form-data; name="purpose"; filename="f"`, each once.
bool FormReader::read_disposition(std::string_view value) {
    std::string_view kind;
    if (!take_value(value, kind) || !equal_ignoring_case(kind, "form-data")) return false;
    bool named = false;
    for (;;) {
        drop_blanks(value);
        if (value.empty()) return named;
        std::string_view name, text;
        if (!take_parameter(value, name, text)) return false;
        const bool extended = name.find('*') != name.npos;  // RFC 2231: of a name, or of a part of it
        if (extended && !equal_ignoring_case(name, "filename*")) return false;
        if (equal_ignoring_case(name, "name")) {
            if (named || text.find('\\') != text.npos) return false;
            named = true;
            part_.name = text;
        }
        const bool is_filename = equal_ignoring_case(name, "filename") || equal_ignoring_case(name, "filename*");
        part_.is_file = part_.is_file || is_filename;
    }
}

}  // namespace loom::http
