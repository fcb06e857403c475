#include "request_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "audit_notes.h"
#include "leak_words.h"
#include "loom/guard/restore.h"
#include "mask_text.h"
#include "window_edits.h"

namespace loom::proxy {

namespace {

using Kind = llm::TextRun::Kind;
using Border = llm::TextRun::Border;

/// In the place of what was taken out, so that what stood on both sides of it never becomes one word or number.
constexpr std::string_view removed_text = " [removed] ";

}  // namespace

RequestGuard::RequestGuard(const GuardPlan& plan, BlockPool& blocks, std::string_view document,
                           guard::MaskTable* values, GuardSide side)
    : plan_(plan),
      document_(document),
      side_(side),
      arena_(blocks, 4096),
      table_(values != nullptr ? *values : own_table_.emplace(arena_, false, custom_of(plan))),
      reader_(document),
      bytes_(blocks),
      runs_(blocks),
      scan_(scanner_of(plan)),
      edits_(blocks),
      extras_(blocks),
      changed_(blocks) {
    // A small document has no use for a large window: its texts are no longer than itself, but for signs.
    const size_t bytes = std::min(window_bytes, 2 * document.size() + 2 * llm::TextReader::slack_bytes);
    const size_t runs = std::min(run_count, document.size() + 2 * llm::TextReader::slack_runs);
    bytes_.reserve(bytes);
    runs_.reserve(runs * sizeof(llm::TextRun) + alignof(llm::TextRun));
    const auto address = reinterpret_cast<uintptr_t>(runs_.data());
    const size_t slip = (alignof(llm::TextRun) - address % alignof(llm::TextRun)) % alignof(llm::TextRun);
    window_.bytes = {bytes_.data(), bytes};
    window_.runs = {reinterpret_cast<llm::TextRun*>(runs_.data() + slip), runs};
    looks_for_pii_ = plan.pii && plan.pii->looks_at(side);
    restores_ = side == GuardSide::answer && table_.keeps_any();
    trusts_form_ = side == GuardSide::request;
    if (side == GuardSide::answer && plan.leaks) leaks_.emplace(plan.leaks->rules);
    if (leaks_ && restores_) leaks_->expect_placeholders();
    const bool numbers = looks_for_pii_ && (plan.pii->style == guard::MaskStyle::placeholder ||
                                            plan.pii->style == guard::MaskStyle::reversible);
    if (numbers && side == GuardSide::request) phase_ = Phase::reserve;
    const auto& content = side == GuardSide::request ? plan.content : plan.answer_content;
    if (content) content_ = &*content;
    if (side == GuardSide::answer && content_ != nullptr)
        content_scan_.emplace(content_->severity, content_->categories(), &content_->words);
    if (side == GuardSide::request && plan.content)
        attacks_.emplace(&plan.content->words);
    else if (side == GuardSide::request && plan.injection)
        attacks_.emplace();
}

size_t RequestGuard::memory_bytes() const noexcept {
    const auto of = [](const ByteBuffer& buffer) {
        return buffer.capacity() == 0 ? 0 : BlockPool::footprint(buffer.capacity());
    };
    return of(bytes_) + of(runs_) + of(edits_) + of(extras_) + of(changed_) + text_bytes_ +
           guard::MaskTable::memory_bytes_max;
}

Result<bool> RequestGuard::turn() {
    if (phase_ == Phase::reserve) {
        reserve_turn();
        if (phase_ == Phase::reserve) return true;
    }
    // Of ordinary text a turn is turn_bytes; what is made to be looked at often ends it before.
    const uint64_t looks = scan_.looks();
    for (size_t read = 0; phase_ == Phase::read && read < turn_bytes; read += piece()) {
        read_piece();
        if (scan_.looks() < looks || scan_.looks() - looks > turn_looks) break;
    }
    if (reader_.is_broken())
        return side_ == GuardSide::request
                   ? fail(Errc::bad_message, Side::downstream, "a text of the request holds a broken escape")
                   : fail(Errc::bad_message, Side::upstream, "a text of the upstream's answer holds a broken escape");
    if (phase_ == Phase::write) write_turn();
    return phase_ != Phase::done;
}

/// Types of a configuration's own may match everywhere, and a piece ends no turn before its end.
size_t RequestGuard::piece() const noexcept { return custom_of(plan_) == nullptr ? piece_bytes : piece_bytes / 8; }

/// A client may say again what it was told, "[EMAIL_1]" of another request: nothing of this one may be called so, or
/// that would be put back in its place.
void RequestGuard::reserve_turn() {
    const size_t end = std::min(document_.size(), reserved_ + reserve_bytes);
    guard::reserve_placeholders(document_, reserved_, end, table_);
    reserved_ = end;
    if (reserved_ == document_.size()) phase_ = Phase::read;
}

void RequestGuard::begin_pass(llm::TextReader::Parts parts) {
    parts_ = parts;
    reader_.begin_again(parts);
    window_.size = window_.run_count = 0;
    scan_ = guard::PiiScan(plan_.pii->scanner);
}

/// What comes of a piece of the document.
void RequestGuard::read_piece() {
    const bool ended = !reader_.fill(window_, piece());
    if (looks_for_pii_) scan_.advance(window_.text(), ended, [this](const guard::PiiSpan& span) { found(span); });
    if (leaks_) leaks_->advance(window_.text(), ended, [this](const guard::LeakFind& leak) { found(leak); });
    if (content_scan_)
        content_scan_->advance(window_.text(), ended, [this](const guard::ContentFind& find) { found(find); });
    if (silences_) silence_window();
    if (restores_) restore(ended);
    const bool reads_attacks = attacks_ && parts_ == llm::TextReader::Parts::apart;
    if (reads_attacks) read_attacks(ended);
    if (ended || too_many_ || reader_.is_broken()) return end_pass();
    size_t gone = looks_for_pii_ ? scan_.unneeded() : window_.size;
    if (restores_) gone = std::min<size_t>(gone, restored_);
    if (leaks_) gone = std::min(gone, leaks_->decided());
    if (content_scan_) gone = std::min(gone, content_scan_->decided());
    if (reads_attacks) gone = std::min<size_t>(gone, attacks_at_ - std::min<uint32_t>(attacks_at_, looked_back_bytes));
    // Nothing that is looked for is longer than a window; that this holds is not left to hope.
    too_many_ |= gone == 0 && window_.size >= turn_bytes;
    window_.forget(static_cast<uint32_t>(gone));
    if (looks_for_pii_) scan_.forget(gone);
    if (leaks_) leaks_->forget(gone);
    if (content_scan_) content_scan_->forget(gone);
    if (restores_) restored_ -= static_cast<uint32_t>(gone);
    if (reads_attacks) attacks_at_ -= static_cast<uint32_t>(gone);
}

/// Where parts of one message follow each other, a value may be cut by them: they are read again without what stands
/// between, and with a blank.
void RequestGuard::end_pass() {
    using enum llm::TextReader::Parts;
    const bool again =
        looks_for_pii_ && side_ == GuardSide::request && reader_.has_parts() && !too_many_ && !reader_.is_broken();
    if (again && parts_ == apart) return begin_pass(joined);
    if (again && parts_ == joined) return begin_pass(with_blank);
    begin_writing();
}

void RequestGuard::found(const guard::PiiSpan& span) {
    auto begin = static_cast<uint32_t>(span.begin), end = static_cast<uint32_t>(span.end);
    const bool in_order = parts_ == llm::TextReader::Parts::apart;
    if ((!in_order && !crosses_parts(begin, end)) || is_left_out(begin)) return;
    const std::string_view value = window_.text().substr(begin, end - begin);
    const GuardAction action = plan_.pii->action(span.type);
    // What the client itself has sent is no secret from it.
    const bool exempt = plan_.pii->exempt.has(value) ||
                        (restores_ && table_.keeps(span.type, meant_by(window_, document_, begin, end)));
    if (!in_order && (exempt || is_known(begin, end))) return;
    if (!exempt) {
        counts_[static_cast<size_t>(span.type)] += 1;
        counted_any_ = true;
        if (action == GuardAction::block) blocked_.add(span.type);
        if (notes_ != nullptr)
            notes_->add(side_, "pii", name_of(span.type, custom_of(plan_)), action_name(action),
                        window_.from(window_.run_of(begin), begin));
    }
    // A part of an answer may have left: then the rest is told without what it was ended for.
    const bool masks = action == GuardAction::mask || (side_ == GuardSide::answer && action == GuardAction::block);
    const bool changes = !exempt && masks;
    const std::string_view text = changes ? replacement(span.type, begin, end) : std::string_view();
    const bool quoted = changes && widen_number(window_, begin, end, true, trusts_form_) == IsNumber::yes;
    replace(begin, end, {.text = text.data(), .text_bytes = static_cast<uint32_t>(text.size()), .changes = changes},
            quoted, in_order);
}

void RequestGuard::found(const guard::LeakFind& leak) {
    if (is_left_out(static_cast<uint32_t>(leak.begin))) return;
    const GuardAction action = plan_.leaks->action(leak.kind);
    leak_counts_[static_cast<size_t>(leak.kind)] += !leak.goes_on;
    const auto at = static_cast<uint32_t>(leak.begin);
    if (!leak.goes_on && notes_ != nullptr)
        notes_->add(side_, "exfiltration", leak_kind_name(leak.kind), action_name(action),
                    window_.from(window_.run_of(at), at));
    if (action == GuardAction::log) return;
    if (action == GuardAction::block) leaks_blocked_ |= static_cast<uint8_t>(1u << static_cast<unsigned>(leak.kind));
    const std::string_view text = leak.goes_on                  ? std::string_view()
                                  : leak.kind == LeakKind::link ? leak_removed_text
                                                                : removed_text;
    replace(static_cast<uint32_t>(leak.begin), static_cast<uint32_t>(leak.end),
            {.text = text.data(), .text_bytes = static_cast<uint32_t>(text.size()), .changes = true}, false, false);
}

void RequestGuard::found(const guard::ContentFind& find) {
    const auto begin = static_cast<uint32_t>(find.begin);
    if (!is_left_out(begin)) note_content(find.category, window_.from(window_.run_of(begin), begin));
}

/// Again of what the window still has of the turn before: the same bytes are replaced once.
void RequestGuard::silence_window() {
    each_piece(window_, 0, window_.size, [&](const WindowPiece& piece, Kind kind) {
        const bool is_left_out = std::ranges::any_of(
            left_out_, [&piece](llm::Range range) { return piece.begin >= range.offset && piece.begin < range.end(); });
        if (kind == Kind::text && !is_left_out) note({.begin = piece.begin, .end = piece.end, .changes = true}, false);
    });
}

/// with  what stands in the first piece's place; nothing is left of the others.
void RequestGuard::replace(uint32_t begin, uint32_t end, const Edit& with, bool quoted, bool in_order) {
    bool first = true;
    each_piece(window_, begin, end, [&](const WindowPiece& piece, Kind) {
        Edit edit{.begin = piece.begin, .end = piece.end, .changes = with.changes};
        if (std::exchange(first, false)) {
            edit.text = with.text;
            edit.text_bytes = with.text_bytes;
            edit.quotes = quoted ? static_cast<uint8_t>(piece.depth + 1) : uint8_t{0};
        }
        note(edit, in_order);
    });
}

/// Puts values back where their placeholders stand, as far as these are whole.
void RequestGuard::restore(bool ended) {
    const std::string_view text = window_.text();
    while (const auto found = guard::find_placeholder(text, restored_, ended)) {
        restored_ = static_cast<uint32_t>(found->end);
        if (!found->whole) break;
        const std::string_view value = table_.value_of(text.substr(found->begin, found->end - found->begin));
        const auto begin = static_cast<uint32_t>(found->begin);
        if (value.empty() || is_left_out(begin) || (keeps_html_out_ && value.contains('<'))) continue;
        const std::string_view written =
            arena_.keep(inside_strings(value, strings_around(window_, begin, trusts_form_)));
        text_bytes_ += written.size();
        restored_any_ = true;
        replace(begin, restored_,
                {.text = written.data(), .text_bytes = static_cast<uint32_t>(written.size()), .changes = true}, false,
                false);
    }
}

void RequestGuard::put_in(llm::Range range, std::string_view text) {
    note({.text = text.data(),
          .begin = range.offset,
          .end = range.end(),
          .text_bytes = static_cast<uint32_t>(text.size()),
          .changes = true},
         false);
}

bool RequestGuard::is_left_out(uint32_t at) const noexcept {
    if (left_out_.empty()) return false;
    const uint32_t run = window_.run_of(at);
    const uint32_t place = window_.from(run, at);
    return std::ranges::any_of(left_out_,
                               [place](llm::Range range) { return place >= range.offset && place < range.end(); });
}

bool RequestGuard::crosses_parts(uint32_t begin, uint32_t end) const noexcept {
    for (uint32_t run = window_.run_of(begin); run < window_.run_count && window_.runs[run].at < end; ++run)
        if (window_.runs[run].at > begin && window_.runs[run].border == Border::part) return true;
    return false;
}

/// Was one of the parts' pieces found by itself? Then what joins it only seems to.
bool RequestGuard::is_known(uint32_t begin, uint32_t end) const noexcept {
    const std::span<const Edit> edits(reinterpret_cast<const Edit*>(edits_.data()), edit_count_);
    bool known = false;
    each_piece(window_, begin, end, [&](const WindowPiece& piece, Kind) {
        const auto behind = std::ranges::lower_bound(edits, piece.begin + 1, {}, &Edit::end);
        known |= behind != edits.end() && behind->begin < piece.end;
    });
    return known;
}

std::string_view RequestGuard::replacement(PiiType type, uint32_t begin, uint32_t end) {
    const std::string_view value = window_.text().substr(begin, end - begin);
    const std::string meant = plan_.pii->restores() ? meant_by(window_, document_, begin, end) : std::string(value);
    const std::string_view text = mask_text(*plan_.pii, type, meant, table_, arena_);
    const bool is_kept = plan_.pii->style == guard::MaskStyle::partial || plan_.pii->style == guard::MaskStyle::hash;
    if (is_kept) text_bytes_ += text.size();
    return text;
}

void RequestGuard::note(const Edit& edit, bool in_order) {
    if (plan_.dry_run) any_change_ |= edit.changes;
    if (plan_.dry_run || too_many_) return;
    ByteBuffer& list = in_order ? edits_ : extras_;
    size_t& count = in_order ? edit_count_ : extra_count_;
    const bool full = (edit_count_ + extra_count_) * sizeof(Edit) + text_bytes_ > edit_bytes_max(document_.size());
    // Those of an answer may be many, as they may in a stream; they are all but in order.
    if (full || (side_ == GuardSide::request && extra_count_ >= extra_count_max)) {
        too_many_ |= edit.changes;
        return;
    }
    if (list.size() + sizeof(Edit) > list.capacity()) list.reserve(std::max<size_t>(2 * list.capacity(), 1024));
    list.append({reinterpret_cast<const char*>(&edit), sizeof(edit)});
    count += 1;
    any_change_ |= edit.changes;
}

// Attacks.

/// Text by text, as far as they are here.
void RequestGuard::read_attacks(bool ended) {
    while (attacks_at_ < window_.size) {
        uint32_t run = window_.run_of(attacks_at_);
        const bool at_border = window_.runs[run].border == Border::text && window_.runs[run].at == attacks_at_;
        if (at_border) attacks_at_ = window_.end_of(run++);  // a sign
        if (text_read_ == 0 && run < window_.run_count) text_begin_ = window_.from(run, attacks_at_);
        while (run < window_.run_count && window_.runs[run].border != Border::text) run += 1;
        const bool whole = run < window_.run_count || ended;
        const uint32_t end = run < window_.run_count ? window_.runs[run].at : window_.size;
        const size_t read = attacks_->read(window_.text().substr(attacks_at_, end - attacks_at_), whole);
        attacks_at_ += static_cast<uint32_t>(read);
        text_read_ += read;
        if (!whole) return map_attacks();
        judge_text();
    }
}

/// Spans are of the text; where that stands in the document only the window knows.
void RequestGuard::map_attacks() noexcept {
    if (!plan_.injection || plan_.injection->action != InjectionAction::sanitize) return;
    const auto spans = attacks_->spans();
    const auto in_window = [&](uint64_t place) {
        const uint64_t back = text_read_ - std::min(place, text_read_);
        return attacks_at_ - static_cast<uint32_t>(std::min<uint64_t>(back, attacks_at_));
    };
    // The last that was mapped may have grown.
    for (size_t i = mapped_count_ == 0 ? 0 : mapped_count_ - 1; i < spans.size(); ++i) {
        uint32_t begin = 0, end = 0, pieces = 0;
        bool bare = false;
        each_piece(window_, in_window(spans[i].begin), std::max(in_window(spans[i].end), in_window(spans[i].begin) + 1),
                   [&](const WindowPiece& piece, Kind kind) {
                       if (pieces++ == 0) begin = piece.begin;
                       bare |= kind == Kind::bare;
                       end = std::max(end, piece.end);
                   });
        const Range range{begin, end, pieces == 1 && !bare};
        if (i >= mapped_count_) {
            ranges_[i] = range;
        } else {
            ranges_[i] = {std::min(ranges_[i].begin, begin), std::max(ranges_[i].end, end),
                          ranges_[i].whole && range.whole};
        }
    }
    mapped_count_ = spans.size();
}

/// A text has ended.
void RequestGuard::judge_text() {
    const guard::InjectionScore score = attacks_->finish();
    if (plan_.injection) judge_attack(score);
    if (content_ != nullptr) judge_content(attacks_->content());
    text_read_ = 0;
    mapped_count_ = 0;
}

void RequestGuard::judge_content(const guard::ContentScore& score) noexcept {
    for (size_t i = 0; i < content_category_count; ++i) {
        const auto category = static_cast<ContentCategory>(i);
        if (content_->action(category) != ContentAction::none && score.reaches(category, content_->severity))
            note_content(category, text_begin_);
    }
}

/// at  in the document.
void RequestGuard::note_content(ContentCategory category, uint32_t at) noexcept {
    const auto i = static_cast<size_t>(category);
    const ContentAction action = content_->action(category);
    content_counts_[i] += 1;
    if (notes_ != nullptr) notes_->add(side_, "content", content_category_names[i], action_name(action), at);
    if (action == ContentAction::block) content_blocked_ |= static_cast<uint8_t>(1u << i);
}

void RequestGuard::judge_attack(const guard::InjectionScore& score) {
    map_attacks();
    if (score.points_undoubted > worst_.points_undoubted) worst_ = score;
    const bool is_attack = score.blocks(plan_.injection->sensitivity);
    attack_count_ += is_attack;
    if (is_attack && notes_ != nullptr) note_attack(score);
    const bool sanitizes = plan_.injection->action == InjectionAction::sanitize;
    attack_blocked_ |=
        is_attack && (plan_.injection->action == InjectionAction::block || (sanitizes && attacks_->has_more_spans()));
    for (const Range& range : std::span(ranges_).first(is_attack && sanitizes ? mapped_count_ : 0)) {
        attack_blocked_ |= !may_take_out(range);
        if (range.end > range.begin)
            note({.text = removed_text.data(),
                  .begin = range.begin,
                  .end = range.end,
                  .text_bytes = static_cast<uint32_t>(removed_text.size()),
                  .changes = true},
                 false);
    }
}

/// Its rules; their place is their text's.
void RequestGuard::note_attack(const guard::InjectionScore& score) noexcept {
    for (const guard::InjectionReason& reason : std::span(score.reasons).first(score.reason_count))
        notes_->add(side_, "prompt_injection", reason.rule, action_name(plan_.injection->action), text_begin_);
}

/// What goes over the border of a string would leave no JSON behind: such a request is refused instead.
bool RequestGuard::may_take_out(const Range& range) const noexcept {
    bool slash = false;
    for (const char c : document_.substr(range.begin, range.end - range.begin)) {
        if (c == '"' && !slash) return false;
        slash = c == '\\' && !slash;
    }
    return range.whole;
}

// The changed document.

void RequestGuard::begin_writing() {
    window_ = {};
    bytes_.release();
    runs_.release();
    const bool writes = any_change_ && !plan_.dry_run && (side_ == GuardSide::answer || !blocked());
    phase_ = writes ? Phase::write : Phase::done;
    if (!writes) return;
    const std::span<Edit> extras(reinterpret_cast<Edit*>(extras_.data()), extra_count_);
    if (!std::ranges::is_sorted(extras, {}, &Edit::begin)) std::ranges::sort(extras, {}, &Edit::begin);
    size_t bytes = document_.size();
    const auto add = [&](const ByteBuffer& list, size_t count) {
        for (const Edit& edit : std::span(reinterpret_cast<const Edit*>(list.data()), count))
            bytes += edit.text_bytes + (edit.quotes == 0 ? 0u : 2u << (edit.quotes - 1));
    };
    add(edits_, edit_count_);
    add(extras_, extra_count_);
    changed_.reserve(bytes);
}

void RequestGuard::write_turn() {
    constexpr size_t work_max = 4 * turn_bytes;
    const std::span<const Edit> edits(reinterpret_cast<const Edit*>(edits_.data()), edit_count_);
    const std::span<const Edit> extras(reinterpret_cast<const Edit*>(extras_.data()), extra_count_);
    for (size_t work = 0; work < work_max; work += sizeof(Edit)) {
        const bool has_edit = written_edits_ < edits.size(), has_extra = written_extras_ < extras.size();
        const bool takes_extra =
            has_extra && (!has_edit || extras[written_extras_].begin < edits[written_edits_].begin);
        const Edit end{.begin = static_cast<uint32_t>(document_.size()), .changes = true};
        const Edit& next = takes_extra ? extras[written_extras_] : has_edit ? edits[written_edits_] : end;
        if (next.changes && next.begin > copied_) {
            const auto bytes = static_cast<uint32_t>(std::min<size_t>(next.begin - copied_, work_max - work));
            changed_.append(document_.substr(copied_, bytes));
            copied_ += bytes;
            work += bytes;
            if (copied_ < next.begin) return;
        }
        if (&next == &end) {
            edits_.release();
            extras_.release();
            phase_ = Phase::done;
            return;
        }
        put(next);
        (takes_extra ? written_extras_ : written_edits_) += 1;
    }
}

/// All before it was copied. Of edits that overlap the first has its text, and nothing of what the others meant is
/// left.
void RequestGuard::put(const Edit& edit) {
    if (!edit.changes) return;
    const bool overlaps = edit.begin < copied_;
    if (!overlaps) {
        const auto quote = [&] {
            if (edit.quotes == 0) return;
            for (uint32_t i = 1; i < 1u << (edit.quotes - 1); ++i) changed_.append("\\");
            changed_.append("\"");
        };
        quote();
        changed_.append({edit.text, edit.text_bytes});
        quote();
    }
    copied_ = std::max(copied_, edit.end);
}

// What is told.

/// Guards that only log never refuse.
bool RequestGuard::may_act() const noexcept {
    const auto acts = [](GuardAction action) { return action != GuardAction::log; };
    return (plan_.pii && std::ranges::any_of(plan_.pii->actions, acts)) || (leaks_ && plan_.leaks->acts()) ||
           (plan_.injection && plan_.injection->action != InjectionAction::log) ||
           (content_ != nullptr && content_->acts());
}

std::optional<GuardReason> RequestGuard::blocked() const noexcept {
    if (!blocked_.empty()) return GuardReason::pii;
    if (attack_blocked_) return GuardReason::prompt_injection;
    if (content_blocked_ != 0) return GuardReason::content;
    for (unsigned i = 0; i < leak_kind_count; ++i)
        if ((leaks_blocked_ >> i & 1) != 0) return reason_of(static_cast<LeakKind>(i));
    if (too_many_ && may_act()) return GuardReason::too_many;
    return std::nullopt;
}

std::string_view RequestGuard::blocked_names(Arena& arena) const {
    std::string_view names;
    const auto add = [&](std::string_view name) { names = names.empty() ? name : arena.join(names, ", ", name); };
    for (uint32_t i = 0; i < pii_type_count; ++i)
        if (blocked_.has(static_cast<PiiType>(i))) add(name_of(static_cast<PiiType>(i), custom_of(plan_)));
    for (uint32_t i = 0; blocked_.empty() && attack_blocked_ && i < worst_.reason_count; ++i)
        add(worst_.reasons[i].rule);
    for (unsigned i = 0; i < leak_kind_count; ++i)
        if ((leaks_blocked_ >> i & 1) != 0) add(leak_kind_name(static_cast<LeakKind>(i)));
    const bool is_content = names.empty();
    for (size_t i = 0; is_content && i < content_category_count; ++i)
        if ((content_blocked_ >> i & 1) != 0) add(content_category_names[i]);
    return names;
}

std::string_view RequestGuard::summary(Arena& arena) const {
    std::string_view told;
    const auto add = [&](std::string_view name, uint32_t count) {
        std::array<char, 16> digits;
        const char* const end = fmt::format_to(digits.data(), "{}", count);
        const std::string_view one = arena.join(name, ":", {digits.data(), static_cast<size_t>(end - digits.data())});
        told = told.empty() ? one : arena.join(told, " ", one);
    };
    for (uint32_t i = 0; counted_any_ && i < pii_type_count; ++i)
        if (counts_[i] > 0) add(name_of(static_cast<PiiType>(i), custom_of(plan_)), counts_[i]);
    if (attack_count_ > 0) add("prompt_injection", attack_count_);
    for (size_t i = 0; i < content_category_count; ++i)
        if (content_counts_[i] > 0) add(content_category_names[i], content_counts_[i]);
    return told;
}

void RequestGuard::count(observe::ShardMetrics& metrics) const noexcept {
    for (uint32_t i = 0; counted_any_ && i < pii_type_count; ++i)
        if (counts_[i] > 0) metrics.pii_detected(plan_.pii->series[i], counts_[i]);
    if (attack_count_ > 0) metrics.injection_detected();
    for (size_t i = 0; i < content_category_count; ++i)
        if (content_counts_[i] > 0) metrics.content_detected(static_cast<ContentCategory>(i));
    if (const auto reason = blocked()) metrics.guard_blocked(*reason, plan_.dry_run);
}

}  // namespace loom::proxy
