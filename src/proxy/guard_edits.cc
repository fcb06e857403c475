#include "guard_edits.h"

#include <algorithm>

namespace loom::proxy {

namespace {

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

GuardEdits::GuardEdits(BlockPool& blocks, std::string_view document, std::span<const guard::ExternalSpan> spans)
    : document_(document), spans_(spans), texts_(blocks, document), edits_(spans.size()), changed_(blocks) {}

size_t GuardEdits::memory_bytes() const noexcept {
    return GuardTexts::memory_bytes_max(document_.size()) +
           (changed_.capacity() > 0 ? BlockPool::footprint(changed_.capacity()) : 0);
}

/// Bytes from..to of the piece belong to this span.
void GuardEdits::note(Edit& edit, const TextPiece& piece, uint32_t from, uint32_t to) noexcept {
    if (piece.window == nullptr || piece.window->runs[piece.run].kind != llm::TextRun::Kind::text) {
        unfit_ = true;
        return;
    }
    const uint32_t begin = piece.window->from(piece.run, piece.window_at + from);
    const uint32_t end = piece.window->from_end(piece.run, piece.window_at + to);
    const uint8_t depth = piece.window->runs[piece.run].depth;
    if (!edit.begun) {
        edit = {.begin = begin, .end = end, .depth = depth, .begun = true};
        return;
    }
    // One escape may be several bytes.
    const bool follows = edit.depth == depth && begin <= edit.end && end >= edit.end;
    unfit_ |= !follows;
    edit.end = std::max(edit.end, end);
}

void GuardEdits::take(const TextPiece& piece) {
    const auto piece_end = static_cast<uint32_t>(piece.at + piece.bytes.size());
    const auto is_behind = [&](const guard::ExternalSpan& span) {
        return span.text < piece.text || (span.text == piece.text && span.end < piece.at);
    };
    while (first_ < spans_.size() && is_behind(spans_[first_])) first_ += 1;
    for (size_t i = first_; i < spans_.size(); ++i) {
        const guard::ExternalSpan& span = spans_[i];
        if (span.text != piece.text || span.begin >= piece_end) return;
        const auto cuts = [&](uint32_t at) {
            return at >= piece.at && at < piece_end && continues_character(piece.bytes[at - piece.at]);
        };
        misplaced_ |= cuts(span.begin) || cuts(span.end);
        const uint32_t from = std::max(span.begin, piece.at), to = std::min(span.end, piece_end);
        if (from < to) note(edits_[i], piece, from - piece.at, to - piece.at);
    }
}

void GuardEdits::write() {
    size_t bytes = document_.size();
    for (const guard::ExternalSpan& span : spans_) bytes += span.label.size();
    changed_.reserve(bytes);
    uint32_t at = 0;
    for (size_t i = 0; i < edits_.size(); ++i) {
        const Edit& edit = edits_[i];
        if (edit.begin >= at) {  // else two spans are of one escape, and it has gone already
            changed_.append(document_.substr(at, edit.begin - at));
            changed_.append(spans_[i].label);
        }
        at = std::max(at, edit.end);
    }
    changed_.append(document_.substr(at));
}

bool GuardEdits::turn() {
    bool more = true;
    for (size_t read = 0; more && read < turn_bytes; read += GuardTexts::piece_bytes)
        more = texts_.read([this](const TextPiece& piece) { take(piece); }, [](TextRole) {});
    if (!more) unfit_ |= !std::ranges::all_of(edits_, &Edit::begun);
    if (misplaced_ || unfit_) return false;
    if (!more) write();
    return more;
}

}  // namespace loom::proxy
