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

/// The one boundary that a Content-Type names; "" where it names none, or where another reader may find another.
std::string_view only_boundary(std::string_view content_type) noexcept {
    if (!is_form(content_type) || content_type.find_first_of(",\\") != text_end) return {};
    bool found = false, again = false;
    const std::string_view boundary = parameter(content_type, "boundary", found);
    if (!found || !is_boundary(boundary)) return {};
    const size_t behind = static_cast<size_t>(boundary.data() - content_type.data()) + boundary.size();
    (void)parameter(content_type.substr(behind), "boundary", again);
    return again ? std::string_view() : boundary;
}

void drop_blanks(std::string_view& text) noexcept {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
}

/// Takes `"…"` or a token from the front. False where it is neither. A quoted text may hold quoted pairs.
bool take_value(std::string_view& text, std::string_view& value) noexcept {
    if (!text.starts_with('"')) {
        const auto end = std::ranges::find_if_not(text, is_token_char);
        value = text.substr(0, static_cast<size_t>(end - text.begin()));
        text.remove_prefix(value.size());
        return !value.empty();
    }
    for (size_t at = 1; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
            continue;
        }
        if (text[at] != '"') continue;
        value = text.substr(1, at - 1);
        text.remove_prefix(at + 1);
        return true;
    }
    return false;
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
        case State::data: return read_data(bytes);
        case State::epilogue:
            if (c != '\r' && c != '\n' && c != ' ' && c != '\t') break;
            return went_to(State::epilogue);
        case State::broken: break;
    }
    state_ = State::broken;
    return fail(Errc::bad_message, Side::downstream, broken);
}

/// Data up to the next carriage return; none stands inside of a boundary, so a match that fails begins nowhere inside.
FormReader::Step FormReader::read_data(std::string_view bytes) {
    if (matched_ > 0) return match_on(bytes);
    const size_t data_bytes = std::min(bytes.find('\r'), bytes.size());
    if (data_bytes > 0) return {.event = Event::data, .data = bytes.substr(0, data_bytes), .consumed = data_bytes};
    matched_ = 1;
    return {.event = Event::none, .data = {}, .consumed = 1};
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
    if (!equal_ignoring_case(name, "content-transfer-encoding")) return true;
    const bool as_it_is = equal_ignoring_case(value, "binary") || equal_ignoring_case(value, "8bit") ||
                          equal_ignoring_case(value, "7bit");
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
        if (!value.starts_with(';')) return false;
        value.remove_prefix(1);
        drop_blanks(value);
        if (value.empty()) return named;
        const size_t equals = value.find('=');
        const std::string_view name = value.substr(0, equals);
        if (equals == value.npos || !is_token(name)) return false;
        value.remove_prefix(equals + 1);
        std::string_view text;
        if (!take_value(value, text)) return false;
        if (equal_ignoring_case(name, "name*")) return false;
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
