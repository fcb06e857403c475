// The words of a text that comes in pieces, told to a ContentTrack as an attack's reader tells them, and what the
// categories have reached after each.
#include <algorithm>
#include <array>

#include "content_track.h"
#include "injection_fold.h"
#include "loom/base/assert.h"
#include "loom/guard/content.h"
#include "open_word.h"
#include "window.h"

namespace loom::guard {

namespace {

constexpr char text_border = '\x1e';

/// What most texts are made of: ASCII words, and what stands between them and means nothing here.
enum class ByteKind : uint8_t { read, letter, gap, border };

const auto byte_kinds = [] {
    std::array<ByteKind, 256> kinds{};
    for (int c = 0; c < 0x80; ++c) {
        const char byte = static_cast<char>(c);
        const FoldedChar::Kind folded = fold({&byte, 1}, 0).kind;
        ByteKind& kind = kinds[static_cast<size_t>(c)];
        if (is_alpha(c))
            kind = ByteKind::letter;
        else if (folded != FoldedChar::Kind::letter && folded != FoldedChar::Kind::joiner &&
                 folded != FoldedChar::Kind::hidden)
            kind = ByteKind::gap;
    }
    kinds[static_cast<size_t>(text_border)] = ByteKind::border;
    return kinds;
}();

ByteKind kind_of(char c) noexcept { return byte_kinds[static_cast<unsigned char>(c)]; }

/// Does the text end in a character that is not whole yet?
bool is_cut(std::string_view text, size_t at) noexcept {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (at + bytes <= text.size()) return false;
    return std::ranges::all_of(text.substr(at + 1), [](char c) { return (c & 0xc0) == 0x80; });
}

}  // namespace

class ContentReader {
  public:
    ContentReader(ContentSeverity severity, uint8_t categories, const ContentWords* own) noexcept
        : own_(own), severity_(severity), categories_(categories), track_(own) {}

    template <class Found>
    void read(std::string_view window, bool final, Found&& found) {
        while (at_ < window.size()) {
            switch (kind_of(window[at_])) {
                case ByteKind::border:
                    end_word(found);
                    end_text();
                    at_ += 1;
                    continue;
                case ByteKind::gap:
                    end_word(found);
                    at_ += 1;
                    continue;
                case ByteKind::letter:
                    if (!word_.empty()) break;
                    if (const Plain plain = read_plain(window, final, found); plain == Plain::waits)
                        return;
                    else if (plain == Plain::read)
                        continue;
                    break;
                case ByteKind::read:
                    if (!final && is_cut(window, at_)) return;
                    break;
            }
            step(fold(window, at_), found);
        }
        if (!final) return;
        end_word(found);
        end_text();
    }
    [[nodiscard]] size_t decided() const noexcept {
        const bool waits = !word_.empty() && !word_.too_long() && at_ - word_begin_ <= ContentScan::held_bytes_max;
        return waits ? word_begin_ : at_;
    }
    void forget(size_t count) noexcept {
        LOOM_ASSERT(count <= decided());
        at_ -= count;
        word_begin_ -= std::min(word_begin_, count);
    }

  private:
    enum class Plain : uint8_t { no, read, waits };

    /// A word of ASCII letters between two gaps, as step() would read it, for a small part of what that takes. One
    /// whose end is not here yet waits for it, unless it is too long for a word anyway.
    template <class Found>
    Plain read_plain(std::string_view window, bool final, Found& found) {
        size_t end = at_ + 1;
        while (end < window.size() && kind_of(window[end]) == ByteKind::letter) end += 1;
        const size_t size = end - at_;
        if (end == window.size() && !final) return size <= OpenWord::bytes_max ? Plain::waits : Plain::no;
        if (size > OpenWord::bytes_max) return Plain::no;
        if (end < window.size() && kind_of(window[end]) == ByteKind::read) return Plain::no;
        if (track_.wants(window[at_], size > 1 ? window[at_ + 1] : '\0', size)) {
            word_.set(window.substr(at_, size));
            word_begin_ = at_;
            end_word(found);
        } else {
            word_index_ += 1;
        }
        at_ = end;
        return Plain::read;
    }
    template <class Found>
    void step(const FoldedChar& c, Found& found) {
        using Kind = FoldedChar::Kind;
        if (c.kind == Kind::letter) {
            if (word_.empty()) word_begin_ = at_;
            word_.add(c);
        } else if (c.kind != Kind::hidden && !(c.kind == Kind::joiner && !word_.empty())) {
            end_word(found);
        }
        at_ += c.bytes;
    }
    template <class Found>
    void end_word(Found& found) {
        if (word_.empty()) return;
        word_index_ += 1;
        if (track_.add(word_, word_index_)) judge(found);
        word_.clear();
    }
    /// Points come with words of rules alone, and what takes points away does not take finds back.
    template <class Found>
    void judge(Found& found) {
        const ContentScore score = track_.score();
        for (size_t i = 0; i < content_category_count; ++i) {
            const auto bit = static_cast<uint8_t>(1u << i);
            const auto category = static_cast<ContentCategory>(i);
            if ((categories_ & ~found_ & bit) == 0 || !score.reaches(category, severity_)) continue;
            found_ |= bit;
            found(ContentFind{word_begin_, category});
        }
    }
    void end_text() noexcept {
        if (word_index_ == 0) return;
        track_ = ContentTrack(own_);
        word_index_ = 0;
        found_ = 0;
    }

    const ContentWords* own_;
    ContentSeverity severity_;
    uint8_t categories_;  // a bit each
    uint8_t found_ = 0;   // likewise, of the text at hand
    uint32_t word_index_ = 0;
    size_t at_ = 0;          // in the window: read
    size_t word_begin_ = 0;  // likewise
    OpenWord word_;
    ContentTrack track_;
};

static_assert(content_category_count <= 8, "a bit each");
static_assert(sizeof(ContentReader) <= ContentScan::memory_bytes);

ContentScan::ContentScan(ContentSeverity severity, uint8_t categories, const ContentWords* own)
    : reader_(std::make_unique<ContentReader>(severity, categories, own)) {}
ContentScan::~ContentScan() = default;

size_t ContentScan::decided() const noexcept { return reader_->decided(); }
void ContentScan::forget(size_t count) noexcept { reader_->forget(count); }
void ContentScan::advance(std::string_view window, bool final, Sink sink, void* context) {
    reader_->read(window, final, [&](const ContentFind& find) { sink(context, find); });
}

}  // namespace loom::guard
