#include "ledger_segment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "segment_cipher.h"

namespace loom::store {
namespace {

using tenant::LedgerRead;

constexpr size_t window_bytes = 1u << 20;
constexpr size_t record_bytes_max = SegmentCipher::sealed_record_bytes_max;
static_assert(record_bytes_max > tenant::ledger_record_bytes_max && window_bytes > 4 * record_bytes_max);

bool take_number(std::string_view& text, char end, uint32_t& number) {
    const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || stop == text.data() + text.size() || *stop != end) return false;
    text.remove_prefix(static_cast<size_t>(stop - text.data()) + 1);
    return true;
}

}  // namespace

std::string segment_file_name(const SegmentName& name) {
    return fmt::format("{}-{}-{}.log", name.epoch, name.shard, name.number);
}

std::optional<SegmentName> parse_segment_file_name(std::string_view name) {
    SegmentName parsed;
    std::string_view rest = name;
    const bool numbers = take_number(rest, '-', parsed.epoch) && take_number(rest, '-', parsed.shard) &&
                         take_number(rest, '.', parsed.number);
    if (!numbers || rest != "log" || segment_file_name(parsed) != name) return std::nullopt;
    return parsed;
}

SegmentReader::SegmentReader(int fd, uint64_t from, uint64_t until, const SegmentCipher* cipher) noexcept
    : fd_(fd),
      cipher_(cipher),
      at_(cipher == nullptr ? from : std::max<uint64_t>(from, SegmentCipher::header_bytes)),
      until_(until),
      good_end_(from) {}

LedgerRead SegmentReader::read_at(std::string_view bytes) {
    if (cipher_ == nullptr) return tenant::read_ledger_record(bytes);
    return cipher_->read_record(bytes, at_, opened_);
}

/// From at_ on, a record's length at least as far as there is so much.
std::string_view SegmentReader::window() {
    const bool inside = at_ >= buffer_at_ && at_ <= buffer_at_ + buffer_.size();
    const uint64_t have = inside ? buffer_at_ + buffer_.size() - at_ : 0;
    const uint64_t wanted = std::min<uint64_t>(record_bytes_max, until_ - at_);
    if ((!inside || have < wanted) && !fill()) return {};
    return std::string_view(buffer_.data(), buffer_.size()).substr(static_cast<size_t>(at_ - buffer_at_));
}

bool SegmentReader::fill() {
    buffer_.resize(std::min<uint64_t>(window_bytes, until_ - at_));
    buffer_at_ = at_;
    size_t filled = 0;
    while (filled < buffer_.size()) {
        const ssize_t got =
            ::pread(fd_, buffer_.data() + filled, buffer_.size() - filled, static_cast<off_t>(buffer_at_ + filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) error_ = errno;
        if (got <= 0) break;
        filled += static_cast<size_t>(got);
    }
    if (error_ == 0 && filled < buffer_.size()) until_ = at_ + filled;  // the file is shorter
    buffer_.resize(filled);
    return error_ == 0;
}

const LedgerRead* SegmentReader::next() {
    while (at_ < until_) {
        const std::string_view bytes = window();
        if (error_ != 0 || bytes.empty()) return nullptr;
        read_ = read_at(bytes);
        if (read_.state == LedgerRead::State::whole) {
            record_ = cipher_ == nullptr ? bytes.substr(0, read_.bytes)
                                         : std::string_view(opened_.data(), read_.bytes - SegmentCipher::frame_bytes);
            at_ += read_.bytes;
            good_end_ = at_;
            return &read_;
        }
        if (!step_over()) return nullptr;
    }
    return nullptr;
}

/// To the next whole record. False: there is none.
bool SegmentReader::step_over() {
    const uint64_t bad_at = at_;
    const bool incomplete = read_.state == LedgerRead::State::incomplete;
    bool zeros = true;
    while (at_ < until_) {
        const std::string_view bytes = window();
        if (error_ != 0 || bytes.empty()) return false;
        if (read_at(bytes).state == LedgerRead::State::whole) {
            if (!zeros) damaged_bytes_ += at_ - bad_at;
            return true;
        }
        zeros = zeros && bytes.front() == 0;
        at_ += 1;
    }
    // At the end: a write that stopped half way, unless it is more than that.
    if (!zeros && !incomplete) damaged_bytes_ += until_ - bad_at;
    return false;
}

}  // namespace loom::store
