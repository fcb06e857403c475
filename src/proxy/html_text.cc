#include "html_text.h"

#include <algorithm>
#include <cstring>

namespace loom::proxy {

namespace {

struct Unit {
    char c = 0;
    size_t bytes = 1;
};

/// What stands at the front of a JSON string's inside. Half of a pair is as good as a whole character.
Unit unit_of(std::string_view raw) noexcept {
    if (raw.front() != '\\' || raw.size() < 2) return {raw.front(), 1};
    if (raw[1] != 'u') {
        constexpr std::string_view letters = "nrtbf", meanings = "\n\r\t\b\f";
        const size_t which = letters.find(raw[1]);
        return {which == letters.npos ? raw[1] : meanings[which], 2};
    }
    constexpr size_t escape_bytes = 6;
    uint32_t code = 0;
    for (const char c : raw.substr(2, escape_bytes - 2)) {
        const auto small = static_cast<unsigned char>(c | 0x20);
        code = code * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : small - 'a' + 10);
    }
    return {static_cast<char>(code < 0x80 ? code : 0x80), std::min(raw.size(), escape_bytes)};
}

/// They are looked through twice, so that a text of many signs of one kind and none of the other costs no more.
constexpr size_t look_bytes = 256;

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Can one stand in it? What has neither sign needs no look.
bool may_hold_html(std::string_view raw) noexcept { return raw.contains('<') || raw.contains("\\u003"); }

}  // namespace

std::string_view html_mode_name(guard::HtmlMode mode) noexcept {
    switch (mode) {
        case guard::HtmlMode::off: return "off";
        case guard::HtmlMode::scripts: return "scripts";
        case guard::HtmlMode::all: break;
    }
    return "all";
}

HtmlText::HtmlText(const HtmlTerms& terms, BlockPool& blocks)
    : strip_(terms.mode, blocks), form_(terms.expects_json ? Form::unknown : Form::text) {
    if (terms.restores) strip_.expect_placeholders();
}

void HtmlText::take(std::string_view piece, bool ends, ByteBuffer& out) {
    while (!piece.empty()) {
        if (form_ == Form::json) {
            strip_.pass(piece, out);
            break;
        }
        const bool passes = form_ == Form::text && !strip_.holds();
        std::string_view plain = passes ? piece.substr(0, look_bytes) : std::string_view();
        plain = plain.substr(0, plain.find('<'));
        plain = plain.substr(0, plain.find('\\'));
        if (!plain.empty()) {
            strip_.pass(plain, out);
            piece.remove_prefix(plain.size());
            continue;
        }
        const Unit unit = unit_of(piece);
        if (form_ == Form::unknown && !is_blank(unit.c))
            form_ = unit.c == '{' || unit.c == '[' ? Form::json : Form::text;
        if (form_ == Form::json) continue;
        strip_.put(unit.c, piece.substr(0, unit.bytes), out);
        piece.remove_prefix(unit.bytes);
    }
    if (ends) strip_.end(out);
}

HtmlDocument::HtmlDocument(const HtmlTerms& terms, BlockPool& blocks, std::string_view document)
    : terms_(terms),
      blocks_(blocks),
      document_(document),
      done_(!may_hold_html(document)),
      reader_(document),
      bytes_(blocks),
      runs_(blocks),
      changed_(blocks),
      shifts_(blocks) {
    if (done_) return;
    const size_t bytes = std::min(document.size(), piece_bytes) + 2 * llm::TextReader::slack_bytes;
    const size_t runs = std::min(document.size(), piece_bytes) / 2 + 2 * llm::TextReader::slack_runs;
    bytes_.reserve(bytes);
    runs_.reserve(runs * sizeof(llm::TextRun) + alignof(llm::TextRun));
    const auto address = reinterpret_cast<uintptr_t>(runs_.data());
    const size_t slip = (alignof(llm::TextRun) - address % alignof(llm::TextRun)) % alignof(llm::TextRun);
    window_.bytes = {bytes_.data(), bytes};
    window_.runs = {reinterpret_cast<llm::TextRun*>(runs_.data() + slip), runs};
}

size_t HtmlDocument::memory_bytes() const noexcept {
    const auto of = [](const ByteBuffer& buffer) {
        return buffer.capacity() == 0 ? 0 : BlockPool::footprint(buffer.capacity());
    };
    return of(bytes_) + of(runs_) + of(changed_) + of(shifts_) + left_out_.capacity() * sizeof(llm::Range) +
           (text_ ? text_->memory_bytes() : 0);
}

bool HtmlDocument::turn() {
    for (size_t read = 0; !done_ && read < turn_bytes; read += piece_bytes) {
        done_ = !reader_.fill(window_, piece_bytes);
        for (uint32_t run = 0; run < window_.run_count; ++run) read_run(window_, run);
        window_.size = window_.run_count = 0;
        if (!done_) continue;
        end_text();
        if (count_ > 0)
            changed_.append(document_.substr(copied_));
        else
            changed_.release();
        bytes_.release();
        runs_.release();
    }
    return !done_;
}

void HtmlDocument::read_run(const llm::TextWindow& window, uint32_t run) {
    const llm::TextRun& of = window.runs[run];
    if (of.kind == llm::TextRun::Kind::sign) return end_text();
    if (of.is_given || of.holds_json || is_left_out(of.from)) return;
    if (!text_) begin_text(of.from);
    const uint32_t end = window.from_end(run, window.end_of(run));
    if (end <= read_) return;  // of an escape that stands for several characters
    text_->take(document_.substr(read_, end - read_), false, changed_);
    read_ = end;
}

void HtmlDocument::begin_text(uint32_t at) {
    changed_.reserve(document_.size());
    changed_.append(document_.substr(copied_, at - copied_));
    text_.emplace(terms_, blocks_);
    begin_ = read_ = at;
    text_begin_ = changed_.size();
}

void HtmlDocument::end_text() {
    if (!text_) return;
    text_->take({}, true, changed_);
    count_ += text_->count();
    text_.reset();
    copied_ = read_;
    const Shift shift{
        .at = read_,
        .by = static_cast<int32_t>(static_cast<int64_t>(changed_.size() - text_begin_) - (read_ - begin_))};
    if (shift.by != 0) shifts_.append({reinterpret_cast<const char*>(&shift), sizeof shift});
}

bool HtmlDocument::is_left_out(uint32_t at) const noexcept {
    const auto behind = std::ranges::upper_bound(left_out_, at, {}, &llm::Range::offset);
    return behind != left_out_.begin() && at < std::prev(behind)->end();
}

uint32_t HtmlDocument::place_of(uint32_t offset) const noexcept {
    int64_t place = offset;
    for (size_t at = 0; at < shifts_.size(); at += sizeof(Shift)) {
        Shift shift;
        std::memcpy(&shift, shifts_.data() + at, sizeof shift);
        if (shift.at <= offset) place += shift.by;
    }
    return static_cast<uint32_t>(place);
}

}  // namespace loom::proxy
