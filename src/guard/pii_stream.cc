#include <algorithm>
#include <utility>

#include "hold.h"
#include "loom/base/assert.h"
#include "loom/guard/pii_scanner.h"
#include "window.h"

namespace loom::guard {

namespace {

/// How many bytes at the end are a character of UTF-8 that is not whole; 0 for what is none.
size_t cut_character(std::string_view text) noexcept {
    for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        const auto c = static_cast<unsigned char>(text[text.size() - back]);
        if ((c & 0xc0) == 0x80) continue;
        const size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

}  // namespace

/// Hands on finds, and the text between them.
struct PiiStream::Telling {
    PiiStream& stream;
    PiiStreamSink& sink;

    void text_up_to(size_t end) {
        LOOM_ASSERT(end >= stream.cursor_);
        if (end > stream.cursor_)
            sink.text(std::string_view(stream.buffer_).substr(stream.cursor_, end - stream.cursor_));
        stream.cursor_ = end;
    }
    void found(const PiiSpan& span) {
        text_up_to(span.begin);
        sink.found({span.begin + stream.base_, span.end + stream.base_, span.type},
                   std::string_view(stream.buffer_).substr(span.begin, span.end - span.begin));
        stream.cursor_ = span.end;
    }
};

size_t PiiScan::unneeded() const noexcept {
    const size_t behind = scanner_->lookbehind();
    size_t needed = std::min(resume_, decided_);
    if (held_.is_any) needed = std::min<size_t>(needed, held_.span.begin);
    return needed > behind ? needed - behind : 0;
}

void PiiScan::advance_into(std::string_view window, bool final, PiiScanner::Sink sink, void* context) {
    Window text(window, final);
    fed_ += window.size() - seen_;
    seen_ = window.size();
    resume_ = static_cast<size_t>(scanner_->walk(text, static_cast<Pos>(resume_), held_, sink, context));
    decided_ = final ? window.size() : static_cast<size_t>(hold_begin(text, static_cast<Pos>(resume_)));
    if (held_.is_any && (final || held_.span.end <= decided_)) {
        held_.told_end = held_.span.end;
        held_.is_any = false;
        sink(context, held_.span);
    }
    if (held_.is_any) decided_ = std::min<size_t>(decided_, held_.span.begin);
    looks_ += text.looks();
}

void PiiScan::forget(size_t count) noexcept {
    LOOM_ASSERT(count <= unneeded());
    resume_ -= count;
    seen_ -= count;
    decided_ -= count;
    held_.told_end -= std::min<uint64_t>(held_.told_end, count);
    held_.span.begin -= std::min<uint64_t>(held_.span.begin, count);
    held_.span.end -= std::min<uint64_t>(held_.span.end, count);
}

PiiStream::PiiStream(const PiiScanner& scanner) : scanner_(scanner), scan_(scanner) {
    buffer_.reserve(2 * scanner_.lookbehind() + held_bytes_max());
}

size_t PiiStream::held_bytes_max() const noexcept {
    // A find that waits for those that might be longer, the word before the anchor that is open, and what that reads.
    const size_t open = 2 * scanner_.bytes_max() + word_bytes_max + 4;
    return open + open / 8;  // PiiScan::waits
}

void PiiStream::feed(std::string_view piece, PiiStreamSink& sink) {
    buffer_.append(piece);
    if (scan_.waits(buffer_.size())) return;
    run(false, sink);
    forget();
}

void PiiStream::finish(PiiStreamSink& sink) {
    run(true, sink);
    buffer_.clear();
    base_ = cursor_ = 0;
    scan_ = PiiScan(scanner_);
}

void PiiStream::run(bool final, PiiStreamSink& sink) {
    Telling telling{*this, sink};
    scan_.advance(buffer_, final, [&](const PiiSpan& span) { telling.found(span); });
    size_t decided = scan_.decided();
    if (!final && decided == buffer_.size()) decided -= cut_character(buffer_);
    while (decided > cursor_ && decided < buffer_.size() &&
           (static_cast<unsigned char>(buffer_[decided]) & 0xc0) == 0x80)
        decided -= 1;
    telling.text_up_to(std::max(decided, cursor_));
}

/// Finders look back a little; the rest was told.
void PiiStream::forget() {
    constexpr size_t slack = 256;
    const size_t count = std::min(scan_.unneeded(), cursor_);
    if (count < slack) return;
    buffer_.erase(0, count);
    scan_.forget(count);
    base_ += count;
    cursor_ -= count;
}

}  // namespace loom::guard
