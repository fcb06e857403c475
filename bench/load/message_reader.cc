#include "message_reader.h"

#include <strings.h>

#include <charconv>

namespace bench {

static constexpr size_t head_bytes_max = 64 * 1024;

void MessageReader::reset() {
    state_ = State::head;
    chunked_ = false;
    left_ = 0;
    head_.clear();
    line_.clear();
}

std::string_view MessageReader::header(std::string_view name) const {
    std::string_view rest = head_;
    for (size_t end = rest.find("\r\n"); end != rest.npos && end != 0; end = rest.find("\r\n")) {
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (line.size() <= name.size() || line[name.size()] != ':') continue;
        if (strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
        const size_t first = line.find_first_not_of(' ', name.size() + 1);
        return first == line.npos ? std::string_view() : line.substr(first);
    }
    return {};
}

size_t MessageReader::feed_framing(std::string_view bytes) {
    if (state_ == State::head) return feed_head(bytes);
    return feed_line(bytes);
}

size_t MessageReader::feed_head(std::string_view bytes) {
    const size_t before = head_.size();
    const size_t from = before < 3 ? 0 : before - 3;  // the blank line may be split over two reads
    const size_t take = std::min(bytes.size(), head_bytes_max - before);
    head_.append(bytes.substr(0, take));
    const size_t end = head_.find("\r\n\r\n", from);
    if (end == head_.npos) {
        if (head_.size() == head_bytes_max) state_ = State::failed;
        return take;
    }
    head_.resize(end + 4);
    begin_body();
    return head_.size() - before;
}

void MessageReader::begin_body() {
    if (header("transfer-encoding") == "chunked") {
        chunked_ = true;
        state_ = State::chunk_size;
        return;
    }
    const std::string_view length = header("content-length");
    left_ = 0;
    std::from_chars(length.data(), length.data() + length.size(), left_);
    state_ = left_ == 0 ? State::done : State::body_counted;
}

size_t MessageReader::feed_line(std::string_view bytes) {
    const size_t end = bytes.find('\n');
    if (end == bytes.npos) {
        line_.append(bytes);
        if (line_.size() > 256) state_ = State::failed;
        return bytes.size();
    }
    line_.append(bytes.substr(0, end));
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    end_line();
    line_.clear();
    return end + 1;
}

void MessageReader::end_line() {
    if (state_ == State::trailer) {
        if (line_.empty()) state_ = State::done;
        return;
    }
    if (state_ == State::chunk_end) {
        state_ = line_.empty() ? State::chunk_size : State::failed;
        return;
    }
    const auto [stop, error] = std::from_chars(line_.data(), line_.data() + line_.size(), left_, 16);
    if (error != std::errc() || stop == line_.data()) {
        state_ = State::failed;
        return;
    }
    state_ = left_ == 0 ? State::trailer : State::chunk_data;
}

}  // namespace bench
