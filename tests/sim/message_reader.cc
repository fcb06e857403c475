#include "message_reader.h"

#include <algorithm>
#include <charconv>

namespace loom::sim {
namespace {

bool same_name(std::string_view a, std::string_view lower) noexcept {
    return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
               return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y;
           });
}

bool read_number(std::string_view text, int base, uint64_t& number) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void MessageReader::start(Kind kind) {
    kind_ = kind;
    state_ = State::head;
    begun_ = false;
    status_ = 0;
    interim_count_ = 0;
    head_.clear();
    body_.clear();
    line_.clear();
}

std::string_view MessageReader::field(std::string_view name) const noexcept {
    std::string_view rest(head_);
    for (size_t end; (end = rest.find("\r\n")) != rest.npos && end > 0;) {
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        const size_t colon = line.find(':');
        if (colon == line.npos || !same_name(line.substr(0, colon), name)) continue;
        std::string_view value = line.substr(colon + 1);
        while (value.starts_with(' ')) value.remove_prefix(1);
        while (value.ends_with(' ')) value.remove_suffix(1);
        return value;
    }
    return {};
}

size_t MessageReader::take(std::string_view bytes) {
    size_t taken = 0;
    while (taken < bytes.size() && state_ < State::done) {
        const std::string_view rest = bytes.substr(taken);
        begun_ = true;
        if (state_ == State::head) {
            const size_t before = head_.size();
            head_ += rest;
            const size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
            if (end == head_.npos) return bytes.size();
            head_.resize(end + 4);
            taken += head_.size() - before;
            take_head();
        } else if (state_ == State::body) {
            const size_t part = framing_ == Framing::close ? rest.size() : std::min<uint64_t>(left_, rest.size());
            body_ += rest.substr(0, part);
            taken += part;
            left_ -= framing_ == Framing::close ? 0 : part;
            if (framing_ == Framing::length && left_ == 0) state_ = State::done;
        } else {
            taken += take_chunked(rest);
        }
    }
    return taken;
}

void MessageReader::take_head() {
    if (kind_ != Kind::request) {
        uint64_t status = 0;
        if (!head_.starts_with("HTTP/1.") || head_.size() < 13 ||
            !read_number(std::string_view(head_).substr(9, 3), 10, status)) {
            state_ = State::broken;
            return;
        }
        status_ = static_cast<int>(status);
        if (status_ < 200) {
            interim_count_ += 1;
            head_.clear();
            return;
        }
    }
    const bool bodiless =
        kind_ == Kind::answer_to_head || (kind_ == Kind::answer && (status_ == 204 || status_ == 304));
    const std::string_view length = field("content-length");
    const std::string_view coding = field("transfer-encoding");
    left_ = 0;
    if (bodiless) {
        framing_ = Framing::none;
    } else if (!coding.empty()) {
        framing_ = Framing::chunked;
        if (coding != "chunked" || !length.empty()) state_ = State::broken;
    } else if (!length.empty()) {
        framing_ = Framing::length;
        if (!read_number(length, 10, left_)) state_ = State::broken;
    } else {
        framing_ = kind_ == Kind::request ? Framing::none : Framing::close;
    }
    if (state_ == State::broken) return;
    if (framing_ == Framing::chunked)
        state_ = State::chunk_line;
    else if (framing_ == Framing::close || left_ > 0)
        state_ = State::body;
    else
        state_ = State::done;
}

size_t MessageReader::take_line(std::string_view bytes, bool& whole) {
    const size_t end = bytes.find('\n');
    const size_t part = end == bytes.npos ? bytes.size() : end + 1;
    line_ += bytes.substr(0, part);
    whole = end != bytes.npos;
    if (whole && !line_.ends_with("\r\n")) state_ = State::broken;
    return part;
}

size_t MessageReader::take_chunked(std::string_view bytes) {
    bool whole = false;
    size_t taken = 0;
    if (state_ == State::chunk) {
        taken = std::min<uint64_t>(left_, bytes.size());
        body_ += bytes.substr(0, taken);
        left_ -= taken;
        if (left_ == 0) state_ = State::chunk_end;
        return taken;
    }
    taken = take_line(bytes, whole);
    if (!whole || state_ == State::broken) return taken;
    const std::string_view line(line_.data(), line_.size() - 2);
    if (state_ == State::chunk_line) {
        if (!read_number(line.substr(0, line.find(';')), 16, left_))
            state_ = State::broken;
        else
            state_ = left_ == 0 ? State::trailer : State::chunk;
    } else if (state_ == State::chunk_end) {
        state_ = line.empty() ? State::chunk_line : State::broken;
    } else if (line.empty()) {
        state_ = State::done;
    }
    line_.clear();
    return taken;
}

void MessageReader::end() {
    if (state_ == State::body && framing_ == Framing::close) state_ = State::done;
}

}  // namespace loom::sim
