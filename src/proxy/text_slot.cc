#include "text_slot.h"

#include <algorithm>

#include "audit_notes.h"
#include "leak_words.h"
#include "loom/guard/restore.h"
#include "mask_text.h"

namespace loom::proxy {

namespace {

/// As between two texts of a document.
constexpr std::string_view text_sign = "\x1e";

void put_sign(llm::TextWindow& window) noexcept {
    window.runs[window.run_count++] = {.at = window.size, .kind = llm::TextRun::Kind::sign};
    window.bytes[window.size++] = text_sign.front();
}

}  // namespace

TextSlot::TextSlot(BlockPool& blocks, AnswerFinds& finds, bool holds_json)
    : finds_(finds), stripped_(blocks), raw_(blocks), bytes_(blocks), runs_(blocks), scan_(scanner_of(finds.plan)) {
    if (finds_.leaks != nullptr) leaks_.emplace(finds_.leaks->rules, finds_.system);
    if (leaks_ && finds_.restores) leaks_->expect_placeholders();
    if (finds_.strips_html() && !holds_json) html_.emplace(finds_.html, blocks);
    if (const ContentPlan* const content = finds_.content; content != nullptr)
        content_.emplace(content->severity, content->categories(), &content->words);
    make_room(64);
    put_sign(window_);
    text_.begin(holds_json);
}

void AnswerFinds::note_html(uint32_t count) {
    html_count += count;
    if (count > 0 && notes != nullptr)
        notes->add(GuardSide::answer, "html", html_mode_name(html.mode), html_action, std::nullopt, count);
}

/// What is looked through for all else.
std::string_view TextSlot::without_html(std::string_view piece, bool ends) {
    const uint32_t before = html_->count();
    stripped_.clear();
    html_->take(piece, ends, stripped_);
    finds_.note_html(html_->count() - before);
    return finds_.plan.dry_run ? piece : stripped_.view();
}

bool TextSlot::take(std::string_view piece, bool ends, Arena& scratch, ByteBuffer& out) {
    if (html_) piece = without_html(piece, ends);
    const size_t told_before = out.size();
    raw_.append(piece);
    if (base_ + raw_.size() > bytes_max) return false;
    const auto end = static_cast<uint32_t>(base_ + raw_.size());
    while (read_ < end && !finds_.stopped()) {
        read_on(std::min(end, read_ + turn_bytes));
        if (finds_.looks && scan_.waits(window_.size)) continue;
        look(false);
        tell(false, scratch, out);
        forget();
    }
    if (ends && !finds_.stopped()) {
        make_room(1);
        text_.end(window_);
        put_sign(window_);
        look(true);
        tell(true, scratch, out);
    }
    // It is said by the words before the last as well: none of those that came with it.
    if (finds_.content_blocked != 0) out.resize(told_before);
    return !text_.is_broken();
}

/// For so many bytes more, and what they may set free.
void TextSlot::make_room(uint32_t bytes) {
    const size_t size = window_.size + bytes + 2 * llm::StringText::slack_bytes;
    const size_t count = window_.run_count + bytes + 2 * llm::StringText::slack_runs;
    if (size > window_.bytes.size()) {
        bytes_.reserve(std::max(size, window_.bytes.size() * 2));
        bytes_.resize(bytes_.capacity());
        window_.bytes = {bytes_.data(), bytes_.capacity()};
    }
    if (count > window_.runs.size()) {
        static_assert(alignof(llm::TextRun) <= 64, "blocks are aligned so");
        runs_.reserve(std::max(count, window_.runs.size() * 2) * sizeof(llm::TextRun));
        runs_.resize(runs_.capacity());
        window_.runs = {reinterpret_cast<llm::TextRun*>(runs_.data()), runs_.capacity() / sizeof(llm::TextRun)};
    }
}

void TextSlot::read_on(uint32_t end) {
    make_room(end - read_);
    while (read_ < end) {
        std::string_view rest = raw_.view().substr(read_ - base_, end - read_);
        const std::string_view plain = text_.is_plain() ? rest.substr(0, rest.find('\\')) : std::string_view{};
        if (!plain.empty()) {
            text_.copy(window_, plain, read_);
            read_ += static_cast<uint32_t>(plain.size());
            continue;
        }
        text_.put(window_, rest.front(), read_);
        read_ += 1;
    }
}

void TextSlot::look(bool ends) {
    if (finds_.looks)
        scan_.advance(window_.text(), ends, [this](const guard::PiiSpan& span) { found_.push_back(span); });
    if (content_)
        content_->advance(window_.text(), ends,
                          [this](const guard::ContentFind& find) { content_found_.push_back(find); });
    if (!leaks_) return;
    leaks_->advance(window_.text(), ends, [this](const guard::LeakFind& leak) {
        const auto behind = std::ranges::upper_bound(leaks_found_, leak.begin, {}, &guard::LeakFind::begin);
        leaks_found_.insert(behind, leak);
    });
}

/// Nothing is found before this that is not known.
size_t TextSlot::decided() const noexcept {
    size_t decided = finds_.looks ? scan_.decided() : window_.size;
    if (content_) decided = std::min(decided, content_->decided());
    return leaks_ ? std::min(decided, leaks_->decided()) : decided;
}

/// Up to what is not decided, in order: text, what was found, and placeholders of what the client has sent.
void TextSlot::tell(bool ends, Arena& scratch, ByteBuffer& out) {
    const std::string_view text = window_.text();
    size_t limit = ends ? text.size() : decided();
    while (limit > acted_ && limit < text.size() && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80)
        limit -= 1;
    size_t next = 0, next_leak = 0, next_content = 0;  // of what was found
    size_t seek = acted_;  // what looks like a placeholder before it is none of ours: it is looked at as any text
    while (!finds_.stopped()) {
        const size_t pii_begin = next < found_.size() ? found_[next].begin : limit;
        const size_t leak_begin = next_leak < leaks_found_.size() ? leaks_found_[next_leak].begin : limit;
        const size_t content_begin = next_content < content_found_.size() ? content_found_[next_content].begin : limit;
        const size_t span_begin = std::min({pii_begin, leak_begin, content_begin});
        const auto back =
            finds_.restores ? guard::find_placeholder(text, std::max<size_t>(seek, acted_), ends) : std::nullopt;
        if (back && back->begin < std::min(span_begin, limit)) {
            if (!back->whole || back->end > limit) {
                limit = back->begin;
                break;
            }
            const std::string_view value = finds_.values.value_of(text.substr(back->begin, back->end - back->begin));
            seek = back->end;
            if (value.empty() || finds_.keeps_out(value)) continue;
            acted_ = static_cast<uint32_t>(back->end);
            const auto begin = static_cast<uint32_t>(back->begin);
            const uint8_t depth = strings_around(window_, begin, finds_.expects_json);
            replace(begin, acted_, scratch.keep(inside_strings(value, depth)), false, out);
            continue;
        }
        if (span_begin >= limit) break;
        if (content_begin == span_begin) {
            act(content_found_[next_content++]);
            continue;
        }
        if (leak_begin < pii_begin) {
            act(leaks_found_[next_leak++], out);
            continue;
        }
        if (!act(found_[next], ends, scratch, out)) {
            limit = std::min<size_t>(limit, found_[next].begin);
            break;
        }
        next += 1;
    }
    found_.erase(found_.begin(), found_.begin() + static_cast<ptrdiff_t>(next));
    leaks_found_.erase(leaks_found_.begin(), leaks_found_.begin() + static_cast<ptrdiff_t>(next_leak));
    content_found_.erase(content_found_.begin(), content_found_.begin() + static_cast<ptrdiff_t>(next_content));
    if (finds_.stopped()) return;
    const auto at = static_cast<uint32_t>(limit);
    if (ends && at == text.size())
        tell_raw(read_, out);
    else if (at == text.size())
        tell_raw(text_.waits_from(read_), out);
    else
        tell_raw(window_.from(window_.run_of(at), at), out);
    acted_ = std::max(acted_, at);
}

/// False: what comes next decides how it is written.
bool TextSlot::act(const guard::PiiSpan& span, bool ends, Arena& scratch, ByteBuffer& out) {
    auto begin = static_cast<uint32_t>(span.begin), end = static_cast<uint32_t>(span.end);
    if (end <= acted_) return true;  // of a placeholder that something else was found in
    const bool is_rest = begin < acted_;
    const std::string_view value = window_.text().substr(begin, end - begin);
    const PiiPlan& pii = *finds_.plan.pii;
    const GuardAction action = pii.action(span.type);
    const bool exempt =
        pii.exempt.has(value) ||
        (finds_.restores && finds_.values.keeps(span.type, meant_by(window_, raw_.view(), begin, end, base_)));
    const bool acts = !exempt && !finds_.plan.dry_run;
    bool quoted = false;
    if (acts && action == GuardAction::mask && !is_rest) {
        const IsNumber number = widen_number(window_, begin, end, ends, finds_.expects_json);
        if (number == IsNumber::unknown) return false;
        quoted = number == IsNumber::yes;
    }
    if (!exempt) finds_.counts[static_cast<size_t>(span.type)] += 1;
    if (!exempt && finds_.notes != nullptr)
        finds_.notes->add(GuardSide::answer, "pii", name_of(span.type, pii.scanner.custom().get()), action_name(action),
                          window_.from(window_.run_of(begin), begin));
    if (!acts || action == GuardAction::log) return true;
    begin = std::max(begin, acted_);
    acted_ = std::max(acted_, end);
    if (action == GuardAction::block) {
        tell_raw(window_.from(window_.run_of(begin), begin), out);
        finds_.blocked.add(span.type);
    } else {
        const std::string_view text =
            is_rest ? std::string_view() : mask_text(pii, span.type, value, finds_.values, scratch);
        replace(begin, end, text, quoted, out);
    }
    return true;
}

/// Of two that overlap the first has its text, and nothing is left of the other.
void TextSlot::act(const guard::LeakFind& leak, ByteBuffer& out) {
    const GuardAction action = finds_.leaks->action(leak.kind);
    finds_.leak_counts[static_cast<size_t>(leak.kind)] += !leak.goes_on;
    const auto at = static_cast<uint32_t>(leak.begin);
    if (!leak.goes_on && finds_.notes != nullptr)
        finds_.notes->add(GuardSide::answer, "exfiltration", leak_kind_name(leak.kind), action_name(action),
                          window_.from(window_.run_of(at), at));
    if (finds_.plan.dry_run || action == GuardAction::log) return;
    const auto begin = std::max(at, acted_);
    const auto end = static_cast<uint32_t>(leak.end);
    const bool is_rest = leak.goes_on || leak.begin < acted_;
    if (action == GuardAction::block) {
        if (begin < window_.size) tell_raw(window_.from(window_.run_of(begin), begin), out);
        finds_.block(leak.kind);
    } else if (end > acted_) {
        acted_ = end;
        replace(begin, end, is_rest ? std::string_view() : leak_removed_text, false, out);
    }
}

void TextSlot::act(const guard::ContentFind& find) noexcept {
    const auto i = static_cast<size_t>(find.category);
    const ContentAction action = finds_.content->action(find.category);
    finds_.content_counts[i] += 1;
    if (finds_.notes != nullptr) {
        const auto at = static_cast<uint32_t>(find.begin);
        finds_.notes->add(GuardSide::answer, "content", content_category_names[i], action_name(action),
                          window_.from(window_.run_of(at), at));
    }
    if (action == ContentAction::block && !finds_.plan.dry_run) finds_.content_blocked |= static_cast<uint8_t>(1u << i);
}

void TextSlot::replace(uint32_t begin, uint32_t end, std::string_view text, bool quoted, ByteBuffer& out) {
    bool first = true;
    each_piece(window_, begin, end, [&](const WindowPiece& piece, llm::TextRun::Kind) {
        if (piece.end <= told_) return;
        tell_raw(piece.begin, out);
        if (first) {
            const auto quote = [&] {
                for (uint32_t i = 1; quoted && i < 1u << piece.depth; ++i) out.append("\\");
                if (quoted) out.append("\"");
            };
            quote();
            out.append(text);
            quote();
        }
        first = false;
        told_ = piece.end;
    });
}

void TextSlot::tell_raw(uint32_t end, ByteBuffer& out) {
    if (end <= told_) return;
    out.append(raw_.view().substr(told_ - base_, end - told_));
    told_ = end;
}

/// What nobody looks back at.
void TextSlot::forget() {
    constexpr uint32_t slack = 256;
    size_t unneeded = finds_.looks ? scan_.unneeded() : acted_;
    if (leaks_) unneeded = std::min(unneeded, leaks_->decided());
    if (content_) unneeded = std::min(unneeded, content_->decided());
    const auto count = static_cast<uint32_t>(std::min<size_t>(unneeded, acted_));
    if (count >= slack) {
        window_.forget(count);
        if (finds_.looks) scan_.forget(count);
        if (leaks_) leaks_->forget(count);
        if (content_) content_->forget(count);
        acted_ -= count;
        for (guard::PiiSpan& span : found_) span.begin -= count, span.end -= count;
        for (guard::LeakFind& leak : leaks_found_) leak.begin -= count, leak.end -= count;
        for (guard::ContentFind& find : content_found_) find.begin -= std::min<size_t>(find.begin, count);
    }
    if (told_ - base_ < slack) return;
    raw_.remove_prefix(told_ - base_);
    base_ = told_;
}

}  // namespace loom::proxy
