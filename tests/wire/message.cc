#include "message.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace loom::wire {
namespace {

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || token_marks.find(static_cast<char>(c)) != std::string_view::npos;
    });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

Field parse_field(std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) throw WireError("a header line without a colon: " + std::string(line));
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_token(name)) throw WireError("a header name that is no token: " + std::string(line));
    const auto is_control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
    if (std::any_of(value.begin(), value.end(), is_control)) throw WireError("a control byte in " + std::string(name));
    return {std::string(name), std::string(value)};
}

size_t parse_number(std::string_view text, int base) {
    size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) throw WireError("no number: " + std::string(text));
    return number;
}

Head parse_head(std::string raw) {
    Head head;
    std::string_view rest = raw;
    for (bool is_first = true; rest != "\r\n"; is_first = false) {
        const size_t end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, end);
        if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
            throw WireError("a bare CR, LF or NUL in a head: " + std::string(line));
        }
        if (is_first) head.start_line = line;
        if (!is_first) head.fields.push_back(parse_field(line));
        rest.remove_prefix(end + 2);
    }
    head.raw = std::move(raw);
    return head;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

size_t Head::count(std::string_view name) const {
    return static_cast<size_t>(
        std::count_if(fields.begin(), fields.end(), [&](const Field& f) { return same_name(f.name, name); }));
}

std::string Head::value(std::string_view name) const {
    for (const Field& field : fields) {
        if (same_name(field.name, name)) return field.value;
    }
    return "";
}

int Message::status() const {
    const std::string& line = head.start_line;
    if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "))) {
        throw WireError("no status line: " + line);
    }
    return static_cast<int>(parse_number(std::string_view(line).substr(9, 3), 10));
}

std::string Message::method() const { return head.start_line.substr(0, head.start_line.find(' ')); }

std::string Message::target() const {
    const size_t start = head.start_line.find(' ') + 1;
    return head.start_line.substr(start, head.start_line.rfind(' ') - start);
}

bool MessageReader::fill(Deadline deadline) {
    if (connection_end_ != End::open) return false;
    const size_t before = buffer_.size();
    switch (source_(buffer_, deadline)) {
        case Got::bytes:
            if (on_bytes) on_bytes(std::string_view(buffer_).substr(before));
            return true;
        case Got::fin: connection_end_ = End::cut_by_fin; return false;
        case Got::rst: connection_end_ = End::cut_by_rst; return false;
    }
    return false;
}

bool MessageReader::read_head(Deadline deadline) {
    message_ = Message();
    in_trailers_ = false;
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (fill(deadline)) continue;
        if (!buffer_.empty()) throw WireError("the connection ended inside a head: " + buffer_);
        return false;
    }
    message_.head = parse_head(buffer_.substr(0, end + 4));
    buffer_.erase(0, end + 4);
    return true;
}

void MessageReader::decide_request_framing() {
    const Head& head = message_.head;
    if (head.has("Transfer-Encoding")) {
        if (head.has("Content-Length")) throw WireError("a request with Content-Length and Transfer-Encoding");
        if (!same_name(head.value("Transfer-Encoding"), "chunked")) throw WireError("an unknown Transfer-Encoding");
        message_.framing = Framing::chunked;
    } else if (head.has("Content-Length")) {
        if (head.count("Content-Length") > 1) throw WireError("two Content-Length");
        message_.framing = Framing::length;
        length_left_ = parse_number(head.value("Content-Length"), 10);
    }
}

void MessageReader::decide_response_framing(bool is_bodyless) {
    const int status = message_.status();
    if (is_bodyless || status < 200 || status == 204 || status == 304) return;
    decide_request_framing();
    if (message_.framing == Framing::none) message_.framing = Framing::until_close;
}

bool MessageReader::take_chunk() {
    const size_t end = buffer_.find("\r\n");
    if (end == std::string::npos) return false;
    if (in_trailers_) {
        if (end > 0) message_.trailers.push_back(parse_field(std::string_view(buffer_).substr(0, end)));
        message_.raw_body += buffer_.substr(0, end + 2);
        buffer_.erase(0, end + 2);
        if (end == 0) message_.end = End::complete;
        return true;
    }
    const std::string_view size_line = std::string_view(buffer_).substr(0, end);
    const size_t size = parse_number(trim(size_line.substr(0, size_line.find(';'))), 16);
    if (size == 0) {
        in_trailers_ = true;
        message_.raw_body += buffer_.substr(0, end + 2);
        buffer_.erase(0, end + 2);
        return true;
    }
    if (buffer_.size() < end + 2 + size + 2) return false;
    if (buffer_.compare(end + 2 + size, 2, "\r\n") != 0) throw WireError("a chunk that does not end with CRLF");
    message_.chunks.push_back(buffer_.substr(end + 2, size));
    message_.body += message_.chunks.back();
    message_.raw_body += buffer_.substr(0, end + 2 + size + 2);
    buffer_.erase(0, end + 2 + size + 2);
    return true;
}

bool MessageReader::take_body() {
    switch (message_.framing) {
        case Framing::none: message_.end = End::complete; break;
        case Framing::length: {
            const size_t taken = std::min(length_left_, buffer_.size());
            message_.body.append(buffer_, 0, taken);
            message_.raw_body.append(buffer_, 0, taken);
            buffer_.erase(0, taken);
            length_left_ -= taken;
            if (length_left_ == 0) message_.end = End::complete;
            break;
        }
        case Framing::chunked:
            while (message_.end == End::open && take_chunk()) {
            }
            break;
        case Framing::until_close:
            message_.body += buffer_;
            message_.raw_body += buffer_;
            buffer_.clear();
            break;
    }
    return message_.end != End::open;
}

/// Takes what is there, or waits for more; sets the message's end when the connection ends first.
void MessageReader::pump(Deadline deadline) {
    if (take_body() || fill(deadline)) return;
    const bool is_clean = message_.framing == Framing::until_close && connection_end_ == End::cut_by_fin;
    message_.end = is_clean ? End::complete : connection_end_;
}

Message* MessageReader::start_request(Deadline deadline) {
    if (!read_head(deadline)) return nullptr;
    decide_request_framing();
    return &message_;
}

std::optional<Message> MessageReader::read_request(Deadline deadline) {
    if (start_request(deadline) == nullptr) return std::nullopt;
    return read_rest(deadline);
}

Message& MessageReader::start_response(bool is_bodyless, Deadline deadline) {
    if (!read_head(deadline)) {
        throw WireError(connection_end_ == End::cut_by_rst ? "a reset instead of a response"
                                                           : "a FIN instead of a response");
    }
    decide_response_framing(is_bodyless);
    return message_;
}

Message MessageReader::read_response(bool is_bodyless, Deadline deadline) {
    start_response(is_bodyless, deadline);
    return read_rest(deadline);
}

void MessageReader::read_body_until(std::string_view token, Deadline deadline) {
    for (;;) {
        const bool is_over = take_body();
        if (message_.body.find(token) != std::string::npos) return;
        if (is_over) throw WireError("the message ended before '" + std::string(token) + "': " + message_.body);
        pump(deadline);
    }
}

Message& MessageReader::read_rest(Deadline deadline) {
    while (message_.end == End::open) pump(deadline);
    return message_;
}

End MessageReader::read_end(Deadline deadline) {
    while (buffer_.empty() && fill(deadline)) {
    }
    if (!buffer_.empty()) throw WireError("bytes instead of the end of the connection: " + buffer_);
    return connection_end_;
}

}  // namespace loom::wire
