#include "batch_lines.h"

#include <algorithm>
#include <utility>

#include "loom/http/message.h"
#include "loom/store/resource_register.h"

namespace loom::proxy {
namespace {

constexpr size_t purpose_bytes_max = 64;  // "batch", "fine-tune", "user_data" …
constexpr Error no_object{.code = Errc::bad_message, .side = Side::downstream, .what = "a JSON object is expected"};
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr size_t id_bytes_max = store::ResourceRegister::text_bytes_max + 1;  // of a longer one it is known: nobody's
constexpr size_t named_bytes = 128 + id_bytes_max;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

/// Where a line ends: some readers break lines at a carriage return too.
size_t line_end_of(std::string_view data) noexcept {
    const size_t feed = data.find('\n');
    return std::min(feed, data.substr(0, feed).find('\r'));
}

}  // namespace

bool may_mean_batch(std::string_view purpose) {
    std::string plain;
    for (const char c : purpose) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        const bool letter = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
        if (!letter && lower != '-' && lower != '_' && lower != '.') return true;  // to be read as who knows what
        plain += lower;
    }
    return plain.empty() || plain.size() > purpose_bytes_max || plain.find("batch") != plain.npos;
}

BatchLines::BatchLines(llm::ResourceReader& reader, BlockPool& blocks, std::string_view content_type,
                       uint64_t line_bytes_max)
    : reader_(reader), form_(content_type), line_bytes_max_(line_bytes_max), line_(blocks) {}

Result<size_t> BatchLines::read(std::string_view bytes) {
    size_t at = 0;
    size_t passing = form_.ended() ? 0 : bytes.size();
    while (at < bytes.size()) {
        const auto step = LOOM_TRY(form_.next(bytes.substr(at)));
        at += step.consumed;
        switch (step.event) {
            case http::FormReader::Event::none: break;
            case http::FormReader::Event::head: LOOM_TRY(begin_part()); break;
            case http::FormReader::Event::data:
                if (in_purpose_)
                    take_purpose(step.data);
                else
                    take_lines(step.data);
                break;
            case http::FormReader::Event::end:
                end_part();
                passing = at - 1;
                break;
        }
    }
    return passing;
}

BatchLines::Purpose BatchLines::purpose() const noexcept {
    if (purpose_known_) return may_mean_batch(purpose_) ? Purpose::batch : Purpose::other;
    return form_.ended() ? Purpose::other : Purpose::unknown;
}

uint64_t BatchLines::memory_bytes(size_t more_bytes) const noexcept {
    const size_t line_bytes = std::max(line_.capacity(), more_bytes == 0 ? 0 : line_.size() + more_bytes);
    return (line_bytes == 0 ? 0 : BlockPool::footprint(line_bytes)) +
           (named_.size() + remembered_.size()) * named_bytes;
}

/// The one before it ends here: only now is that known of a part that is not the last.
Result<void> BatchLines::begin_part() {
    end_part();
    const http::FormReader::Part& part = form_.part();
    if (part.is_file && http::equal_ignoring_case(part.name, "purpose"))  // to some, with an empty filename, a field
        return fail(Errc::bad_message, Side::downstream, "'purpose' has a filename in the form");
    in_purpose_ = part.name == "purpose" && !part.is_file;
    in_field_ = !part.is_file && part.name != "file";
    line_number_ = 0;
    if (in_purpose_ && std::exchange(has_purpose_, true))
        return fail(Errc::bad_message, Side::downstream, "'purpose' stands twice in the form");
    begin_next_line();
    if (part.encoded && !in_purpose_)
        fail_line({.code = Errc::bad_message, .side = Side::downstream, .what = "its part is encoded"});
    if (part.encoded && in_purpose_) purpose_ = "\n";
    return {};
}

void BatchLines::end_part() {
    if (std::exchange(in_purpose_, false)) purpose_known_ = true;
    end_line({});
    odd_.reset();
}

void BatchLines::take_purpose(std::string_view data) {
    purpose_ += data.substr(0, purpose_bytes_max + 1 - std::min(purpose_.size(), purpose_bytes_max + 1));
}

void BatchLines::take_lines(std::string_view data) {
    while (!data.empty() && !fault_ && purpose() != Purpose::other) {
        if (std::exchange(after_return_, false) && data.front() == '\n') {
            data.remove_prefix(1);
            continue;
        }
        const size_t end = line_end_of(data);
        if (end != data.npos) {
            end_line(data.substr(0, end));
            const bool by_return = data[end] == '\r';
            data.remove_prefix(end + 1);
            begin_next_line();
            after_return_ = by_return;
            if (odd_) fault_ = std::exchange(odd_, {});
            in_field_ = false;
            continue;
        }
        if (line_.empty())
            while (!data.empty() && is_blank(data.front())) data.remove_prefix(1);
        // What no request begins with is not waited for.
        const bool may_be_one = data.empty() || !line_.empty() || data.front() == '{' || data.front() == '\xef';
        if (!may_be_one) return fail_line(no_object);
        if (line_.size() + data.size() > line_bytes_max_)
            return fail_line(
                {.code = Errc::too_large, .side = Side::downstream, .what = "it is larger than limit.body_size"});
        line_.append(data);
        return;
    }
    if (fault_ || purpose() == Purpose::other) line_.release();
}

void BatchLines::begin_next_line() noexcept {
    line_number_ += 1;
    after_return_ = false;
    line_.clear();
}

void BatchLines::end_line(std::string_view last_piece) {
    if (fault_ || purpose() == Purpose::other) return line_.release();
    if (line_.size() + last_piece.size() > line_bytes_max_)
        return fail_line(
            {.code = Errc::too_large, .side = Side::downstream, .what = "it is larger than limit.body_size"});
    if (line_.empty()) return read_line(last_piece);
    line_.append(last_piece);
    read_line(line_.view());
    line_.clear();
}

void BatchLines::read_line(std::string_view line) {
    if (line_number_ == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    if (line.empty()) return;
    if (line.front() != '{') return fail_line(no_object);
    auto named = reader_.read_batch_line(line);
    if (!named) return fail_line(named.error());
    for (llm::ResourceName& name : *named) {
        name.id.resize(std::min(name.id.size(), id_bytes_max));
        if (remembered_.size() == remembered_max) remembered_.clear();
        if (!remembered_.emplace(name.kind, name.id).second) continue;
        named_.push_back({std::move(name), line_number_});
    }
}

/// A form's plain field may be anything, as long as it is one line.
void BatchLines::fail_line(Error why) {
    if (fault_ || odd_) return;
    (in_field_ ? odd_ : fault_) = Fault{why, line_number_};
    line_.release();
}

}  // namespace loom::proxy
