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

PiiStream::PiiStream(const PiiScanner& scanner) : scanner_(scanner) {
    buffer_.reserve(2 * static_cast<size_t>(Window::lookbehind_max) + held_bytes_max());
}

size_t PiiStream::held_bytes_max() const noexcept {
    // A find that waits for those that might be longer, the word before the anchor that is open, and what that reads.
    return 2 * size_t{scanner_.types().bytes_max()} + word_bytes_max + 4;
}

void PiiStream::feed(std::string_view piece, PiiStreamSink& sink) {
    buffer_.append(piece);
    run(false, sink);
    forget();
}

void PiiStream::finish(PiiStreamSink& sink) {
    run(true, sink);
    buffer_.clear();
    base_ = cursor_ = resume_ = 0;
    held_ = {};
}

void PiiStream::run(bool final, PiiStreamSink& sink) {
    Telling telling{*this, sink};
    const auto tell = [](void* context, const PiiSpan& span) { static_cast<Telling*>(context)->found(span); };
    Window window(buffer_, final);
    resume_ = static_cast<size_t>(scanner_.walk(window, static_cast<Pos>(resume_), held_, tell, &telling));
    size_t decided = buffer_.size();
    if (!final) {
        decided = static_cast<size_t>(hold_begin(window, static_cast<Pos>(resume_)));
        if (decided == buffer_.size()) decided -= cut_character(buffer_);
    }
    if (held_.is_any && (final || held_.span.end <= decided)) {
        held_.told_end = held_.span.end;
        held_.is_any = false;
        telling.found(held_.span);
    }
    if (held_.is_any) decided = std::min<size_t>(decided, held_.span.begin);
    telling.text_up_to(std::max(decided, cursor_));
}

/// Finders look back a little; the rest was told.
void PiiStream::forget() {
    constexpr size_t slack = 256;
    constexpr auto behind = static_cast<size_t>(Window::lookbehind_max);
    const size_t needed = std::min(cursor_, resume_);
    if (needed < behind + slack) return;
    const size_t count = needed - behind;
    buffer_.erase(0, count);
    base_ += count;
    cursor_ -= count;
    resume_ -= count;
    held_.told_end -= std::min<uint64_t>(held_.told_end, count);
    held_.span.begin -= std::min<uint64_t>(held_.span.begin, count);
    held_.span.end -= std::min<uint64_t>(held_.span.end, count);
}

}  // namespace loom::guard
