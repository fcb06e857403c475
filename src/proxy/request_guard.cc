#include "request_guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::proxy {

namespace {

using Kind = llm::TextRun::Kind;
using Border = llm::TextRun::Border;

constexpr bool is_of_number(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// In the place of what was taken out, so that what stood on both sides of it never becomes one word or number.
constexpr std::string_view removed_text = " [removed] ";

const guard::PiiScanner& no_scanner() {
    static const guard::PiiScanner none{guard::PiiTypes{}};
    return none;
}

}  // namespace

RequestGuard::RequestGuard(const GuardPlan& plan, BlockPool& blocks, std::string_view document)
    : plan_(plan),
      document_(document),
      arena_(blocks, 4096),
      table_(arena_, false),
      reader_(document),
      bytes_(blocks),
      runs_(blocks),
      scan_(plan.pii ? plan.pii->scanner : no_scanner()),
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
    if (plan.injection) attacks_.emplace();
}

size_t RequestGuard::memory_bytes() const noexcept {
    const auto of = [](const ByteBuffer& buffer) {
        return buffer.capacity() == 0 ? 0 : BlockPool::footprint(buffer.capacity());
    };
    return of(bytes_) + of(runs_) + of(edits_) + of(extras_) + of(changed_) + text_bytes_ +
           guard::MaskTable::memory_bytes_max;
}

Result<bool> RequestGuard::turn() {
    // Of ordinary text a turn is turn_bytes; what is made to be looked at often ends it before.
    const uint64_t looks = scan_.looks();
    for (size_t read = 0; phase_ == Phase::read && read < turn_bytes; read += piece_bytes) {
        read_piece();
        if (scan_.looks() < looks || scan_.looks() - looks > turn_looks) break;
    }
    if (reader_.is_broken())
        return fail(Errc::bad_message, Side::downstream, "a text of the request holds a broken escape");
    if (phase_ == Phase::write) write_turn();
    return phase_ != Phase::done;
}

void RequestGuard::begin_pass(llm::TextReader::Parts parts) {
    parts_ = parts;
    reader_ = llm::TextReader(document_, parts);
    window_.size = window_.run_count = 0;
    scan_ = guard::PiiScan(plan_.pii->scanner);
}

/// What comes of a piece of the document.
void RequestGuard::read_piece() {
    const bool ended = !reader_.fill(window_, piece_bytes);
    if (plan_.pii) scan_.advance(window_.text(), ended, [this](const guard::PiiSpan& span) { found(span); });
    const bool reads_attacks = attacks_ && parts_ == llm::TextReader::Parts::apart;
    if (reads_attacks) read_attacks(ended);
    if (ended || too_many_ || reader_.is_broken()) return end_pass();
    size_t gone = plan_.pii ? scan_.unneeded() : window_.size;
    if (reads_attacks) gone = std::min<size_t>(gone, attacks_at_ - std::min<uint32_t>(attacks_at_, looked_back_bytes));
    // Nothing that is looked for is longer than a window; that this holds is not left to hope.
    too_many_ |= gone == 0 && window_.size >= turn_bytes;
    window_.forget(static_cast<uint32_t>(gone));
    if (plan_.pii) scan_.forget(gone);
    if (reads_attacks) attacks_at_ -= static_cast<uint32_t>(gone);
}

/// Where parts of one message follow each other, a value may be cut by them: they are read again without what stands
/// between, and with a blank.
void RequestGuard::end_pass() {
    using enum llm::TextReader::Parts;
    const bool again = plan_.pii && reader_.has_parts() && !too_many_ && !reader_.is_broken();
    if (again && parts_ == apart) return begin_pass(joined);
    if (again && parts_ == joined) return begin_pass(with_blank);
    begin_writing();
}

void RequestGuard::found(const guard::PiiSpan& span) {
    auto begin = static_cast<uint32_t>(span.begin), end = static_cast<uint32_t>(span.end);
    const bool in_order = parts_ == llm::TextReader::Parts::apart;
    if (!in_order && !crosses_parts(begin, end)) return;
    const std::string_view value = window_.text().substr(begin, end - begin);
    GuardAction action = plan_.pii->action(span.type);
    const bool exempt = plan_.pii->exempt.has(value);
    if (!in_order && (exempt || is_known(begin, end))) return;
    if (!exempt) {
        counts_[static_cast<size_t>(span.type)] += 1;
        if (action == GuardAction::block) blocked_.add(span.type);
    }
    const bool changes = !exempt && action == GuardAction::mask;
    std::string_view text = changes ? replacement(span.type, value) : std::string_view();
    const bool quoted = changes && widen_number(begin, end);
    bool first = true;
    each_piece(begin, end, [&](const Edit& piece, Kind) {
        Edit edit = piece;
        edit.changes = changes;
        if (first) {
            edit.text = text.data();
            edit.text_bytes = static_cast<uint16_t>(text.size());
            edit.quotes = quoted ? static_cast<uint8_t>(piece.quotes + 1) : uint8_t{0};
        } else {
            edit.quotes = 0;
        }
        first = false;
        note(edit, in_order);
    });
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
    each_piece(begin, end, [&](const Edit& piece, Kind) {
        const auto behind = std::ranges::lower_bound(edits, piece.begin + 1, {}, &Edit::end);
        known |= behind != edits.end() && behind->begin < piece.end;
    });
    return known;
}

std::string_view RequestGuard::replacement(PiiType type, std::string_view value) {
    if (plan_.pii->style == guard::MaskStyle::placeholder) return table_.placeholder(type, value);
    const std::string_view text = plan_.pii->style == guard::MaskStyle::partial
                                      ? guard::mask_partly(type, value, arena_)
                                      : guard::mask_by_hash(type, value, plan_.pii->hash_key, arena_);
    text_bytes_ += text.size();
    return text;
}

/// A number of JSON has no quotes, and what takes its place needs them. Whether it is one: then all of it is meant.
bool RequestGuard::widen_number(uint32_t& begin, uint32_t& end) const noexcept {
    const std::string_view text = window_.text();
    const auto is_bare = [&](uint32_t at) { return window_.runs[window_.run_of(at)].kind == Kind::bare; };
    if (!is_bare(begin)) return false;
    uint32_t first = begin, last = end;
    while (first > 0 && is_of_number(text[first - 1]) && is_bare(first - 1)) first -= 1;
    while (last < text.size() && is_of_number(text[last]) && is_bare(last)) last += 1;
    if (!std::ranges::all_of(text.substr(first, last - first), is_of_number)) return false;
    uint32_t before = first, behind = last;
    while (before > 0 && is_blank(text[before - 1]) && first - before < 64) before -= 1;
    while (behind < text.size() && is_blank(text[behind]) && behind - last < 64) behind += 1;
    constexpr std::string_view borders = "\x1e:,[]{}";
    if (before > 0 && borders.find(text[before - 1]) == borders.npos) return false;
    if (behind < text.size() && borders.find(text[behind]) == borders.npos) return false;
    begin = first, end = last;
    return true;
}

/// The places of the document that bytes of the window stand for, as far as they are of a string, or of one kind.
template <class Piece>
void RequestGuard::each_piece(uint32_t begin, uint32_t end, Piece&& piece) const {
    Edit edit;
    Kind kind = Kind::sign;
    for (uint32_t run = window_.run_of(begin); run < window_.run_count && window_.runs[run].at < end; ++run) {
        const llm::TextRun& of = window_.runs[run];
        if (of.kind == Kind::sign) continue;
        const uint32_t from = window_.from(run, std::max(begin, of.at));
        const uint32_t behind = window_.from_end(run, std::min(end, window_.end_of(run)));
        if (kind == of.kind && edit.quotes == of.depth && (edit.end == from || edit.begin == from)) {
            edit.end = behind;
            continue;
        }
        if (kind != Kind::sign) piece(edit, kind);
        edit = {.begin = from, .end = behind, .quotes = of.depth};
        kind = of.kind;
    }
    if (kind != Kind::sign) piece(edit, kind);
}

void RequestGuard::note(const Edit& edit, bool in_order) {
    if (plan_.dry_run || too_many_) return;
    ByteBuffer& list = in_order ? edits_ : extras_;
    size_t& count = in_order ? edit_count_ : extra_count_;
    const bool full = (edit_count_ + extra_count_) * sizeof(Edit) + text_bytes_ > edit_bytes_max(document_.size());
    if (full || extra_count_ >= extra_count_max) {
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
    if (plan_.injection->action != InjectionAction::sanitize) return;
    const auto spans = attacks_->spans();
    const auto in_window = [&](uint64_t place) {
        const uint64_t back = text_read_ - std::min(place, text_read_);
        return attacks_at_ - static_cast<uint32_t>(std::min<uint64_t>(back, attacks_at_));
    };
    // The last that was mapped may have grown.
    for (size_t i = mapped_count_ == 0 ? 0 : mapped_count_ - 1; i < spans.size(); ++i) {
        uint32_t begin = 0, end = 0, pieces = 0;
        bool bare = false;
        each_piece(in_window(spans[i].begin), std::max(in_window(spans[i].end), in_window(spans[i].begin) + 1),
                   [&](const Edit& piece, Kind kind) {
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
    map_attacks();
    if (score.points_undoubted > worst_.points_undoubted) worst_ = score;
    const bool is_attack = score.blocks(plan_.injection->sensitivity);
    attack_count_ += is_attack;
    const bool sanitizes = plan_.injection->action == InjectionAction::sanitize;
    attack_blocked_ |=
        is_attack && (plan_.injection->action == InjectionAction::block || (sanitizes && attacks_->has_more_spans()));
    for (const Range& range : std::span(ranges_).first(is_attack && sanitizes ? mapped_count_ : 0)) {
        attack_blocked_ |= !may_take_out(range);
        if (range.end > range.begin)
            note({.text = removed_text.data(),
                  .begin = range.begin,
                  .end = range.end,
                  .text_bytes = static_cast<uint16_t>(removed_text.size()),
                  .changes = true},
                 false);
    }
    text_read_ = 0;
    mapped_count_ = 0;
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
    const bool writes = any_change_ && !plan_.dry_run && !blocked();
    phase_ = writes ? Phase::write : Phase::done;
    if (!writes) return;
    const std::span<Edit> extras(reinterpret_cast<Edit*>(extras_.data()), extra_count_);
    std::ranges::sort(extras, {}, &Edit::begin);
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
    return (plan_.pii && std::ranges::any_of(plan_.pii->actions, acts)) ||
           (plan_.injection && plan_.injection->action != InjectionAction::log);
}

std::optional<GuardReason> RequestGuard::blocked() const noexcept {
    if (!blocked_.empty()) return GuardReason::pii;
    if (attack_blocked_) return GuardReason::prompt_injection;
    if (too_many_ && may_act()) return GuardReason::too_many;
    return std::nullopt;
}

std::string_view RequestGuard::blocked_names(Arena& arena) const {
    std::string_view names;
    const auto add = [&](std::string_view name) { names = names.empty() ? name : arena.join(names, ", ", name); };
    for (uint32_t i = 0; i < pii_type_count; ++i)
        if (blocked_.has(static_cast<PiiType>(i))) add(pii_type_name(static_cast<PiiType>(i)));
    for (uint32_t i = 0; blocked_.empty() && attack_blocked_ && i < worst_.reason_count; ++i)
        add(worst_.reasons[i].rule);
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
    for (uint32_t i = 0; i < pii_type_count; ++i)
        if (counts_[i] > 0) add(pii_type_name(static_cast<PiiType>(i)), counts_[i]);
    if (attack_count_ > 0) add("prompt_injection", attack_count_);
    return told;
}

void RequestGuard::count(observe::ShardMetrics& metrics) const noexcept {
    for (uint32_t i = 0; i < pii_type_count; ++i)
        if (counts_[i] > 0) metrics.pii_detected(static_cast<PiiType>(i), counts_[i]);
    if (attack_count_ > 0) metrics.injection_detected();
    if (const auto reason = blocked()) metrics.guard_blocked(*reason, plan_.dry_run);
}

}  // namespace loom::proxy
