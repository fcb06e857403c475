#include "answer_stream.h"

#include <algorithm>

#include "audit_notes.h"
#include "request_guard.h"

namespace loom::proxy {

namespace {

constexpr size_t name_bytes_max = 64;

/// Of an event: words, nothing that could be a value of somebody's.
bool is_name(std::string_view name) noexcept {
    if (name.starts_with(' ')) name.remove_prefix(1);
    return name.size() <= name_bytes_max &&
           std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '.'; });
}

/// Does it hold data and its name alone? Comments, ids and all else nobody looks through.
bool is_plain(std::string_view event) noexcept {
    while (!event.empty()) {
        const std::string_view line = event.substr(0, event.find_first_of("\r\n"));
        event.remove_prefix(std::min(line.size() + 1, event.size()));
        if (line.empty() || line == ":" || line.starts_with("data:")) continue;
        if (!line.starts_with("event:") || !is_name(line.substr(6))) return false;
    }
    return true;
}

}  // namespace

AnswerStream::AnswerStream(const GuardPlan& plan, BlockPool& blocks, llm::EventScratch& scratch, llm::Protocol protocol,
                           guard::MaskTable& values, bool expects_json, const guard::SystemText* system,
                           guard::HtmlMode html)
    : blocks_(blocks),
      finds_(plan, values, expects_json, system, html),
      texts_(scratch, protocol),
      made_(blocks),
      joined_(blocks),
      rest_(blocks),
      stripped_(blocks),
      scratch_(blocks, 256) {}

AnswerStream::~AnswerStream() = default;

/// May it change what the client gets?
bool AnswerStream::acts() const noexcept {
    return !finds_.plan.dry_run && (finds_.restores || finds_.strips_html() || finds_.plan.acts_on_answers());
}

bool AnswerStream::parse(std::string_view event, http::SseEvent& parsed) {
    if (const auto read = http::parse_event(event, parsed, {})) return true;
    joined_.reserve(event.size());
    const auto read = http::parse_event(event, parsed, {joined_.data(), joined_.capacity()});
    return read.has_value();
}

EventGuard::Step AnswerStream::on_event(std::string_view event, ByteBuffer& out) {
    if (gave_up_) return Step::as_it_came;
    http::SseEvent parsed;
    if (!parse(event, parsed)) return acts() ? Step::refused : Step::as_it_came;
    const bool plain = !acts() || is_plain(event);
    if (!parsed.has_data || parsed.data.empty()) {
        if (plain) return Step::as_it_came;
        out.append(":\n\n");  // a sign of life, without what it says
        return Step::changed;
    }
    std::string_view data = parsed.data;
    changes_.clear();
    made_.clear();
    scratch_.release();
    const bool acts = this->acts();
    if (!texts_.read(data)) return acts ? Step::refused : Step::as_it_came;
    const size_t out_before = out.size();
    if (!take_texts(data, out)) {
        gave_up_ = !acts;
        for (auto& slot : slots_) slot.reset();
        return acts ? Step::refused : Step::as_it_came;
    }
    if (acts) add_changes(texts_.repeats());
    if (blocks_answer()) add_changes(texts_.filtered());
    add_changes(texts_.renumbered());
    std::ranges::sort(changes_, {}, [](const Change& change) { return change.range.offset; });
    ByteBuffer changed(blocks_);
    if (!take_rest(data, changed)) return acts ? Step::refused : Step::as_it_came;
    if (!acts) return Step::as_it_came;
    const bool is_whole = changed.empty() && changes_.empty() && stripped_.empty();
    if (plain && is_whole && out.size() == out_before) return Step::as_it_came;
    ByteBuffer gathered(blocks_);
    if (changed.empty()) {
        size_t at = 0;
        for (const Change& change : changes_) {
            gathered.append(data.substr(at, change.range.offset - at));
            gathered.append(text_of(change));
            at = change.range.end();
        }
        gathered.append(data.substr(at));
    }
    write(event, parsed, changed.empty() ? gathered.view() : changed.view(), plain, out);
    return Step::changed;
}

/// What texts that have ended still hold, as events before this one; then its own texts.
bool AnswerStream::take_texts(std::string_view data, ByteBuffer& out) {
    left_out_.clear();
    for (const uint32_t slot : texts_.ended()) {
        const size_t begin = made_.size();
        if (!take(slot, {}, true)) return false;
        const std::string_view made = made_.view().substr(begin);
        if (!made.empty() && acts()) texts_.write(slot, made, out);
    }
    for (const llm::EventTexts::Text& text : texts_.texts()) {
        const std::string_view piece = llm::text_of(data, text.range);
        const size_t begin = made_.size();
        if (!take(text.slot, piece, text.ends, text.holds_json)) return false;
        left_out_.push_back(text.range);
        if (made_.view().substr(begin) != piece)
            changes_.push_back({.range = text.range, .begin = begin, .size = made_.size() - begin});
    }
    size_t memory_bytes = 0;
    for (const auto& slot : slots_)
        if (slot != nullptr) memory_bytes += slot->memory_bytes();
    return memory_bytes <= memory_bytes_max;
}

/// Into made_. Once something may not be told, no more is.
bool AnswerStream::take(uint32_t index, std::string_view piece, bool ends, bool holds_json) {
    if (blocks_answer()) return true;
    auto& slot = slots_[index];
    if (slot == nullptr) slot = std::make_unique<TextSlot>(blocks_, finds_, holds_json);
    const bool good = slot->take(piece, ends, scratch_, made_);
    if (ends) slot.reset();
    return good;
}

void AnswerStream::add_changes(std::span<const llm::EventTexts::Change> changes) {
    for (const llm::EventTexts::Change& change : changes)
        changes_.push_back({.range = change.range, .text = change.text});
}

/// Events of a stream are alike but for their texts.
Hash128 AnswerStream::rest_of(std::string_view data) {
    rest_.clear();
    size_t at = 0;
    constexpr uint32_t number_bytes_max = 9;  // no more digits than those in which nothing is found
    llm::Range number = texts_.number_at();
    if (number.length > number_bytes_max) number = {};
    const auto pass = [&](llm::Range range) {
        rest_.append(data.substr(at, range.offset - at));
        at = range.end();
    };
    for (const llm::Range& range : left_out_) {
        if (number.length > 0 && number.offset >= at && number.offset < range.offset) pass(number);
        pass(range);
    }
    if (number.length > 0 && number.offset >= at) pass(number);
    rest_.append(data.substr(at));
    return hash128(rest_.view(), 0);
}

/// What stands in the event beside its texts. changed: the data with all that changes, where something there does.
bool AnswerStream::take_rest(std::string_view& data, ByteBuffer& changed) {
    stripped_.clear();
    const Hash128 rest = rest_of(data);
    if (data == "[DONE]" || (clean_rest_ && *clean_rest_ == rest)) return true;
    const uint32_t html_count = finds_.strips_html() ? strip_rest(data) : 0;
    RequestGuard guard(finds_.plan, blocks_, data, &finds_.values, GuardSide::answer);
    if (finds_.expects_json) guard.expect_json();
    if (finds_.strips_html()) guard.keep_html_out();
    if (finds_.system != nullptr) guard.compare_with(*finds_.system);
    if (!run(guard)) return false;
    uint32_t found = html_count;
    for (uint32_t i = 0; i < pii_type_count; ++i) {
        found += guard.counts()[i];
        if (texts_.is_summary() || guard.counts()[i] == 0) continue;
        finds_.counts[i] += guard.counts()[i];
        if (finds_.notes != nullptr) note_rest(static_cast<PiiType>(i), guard.counts()[i]);
    }
    for (size_t i = 0; i < leak_kind_count; ++i) {
        found += guard.leak_counts()[i];
        if (texts_.is_summary() || guard.leak_counts()[i] == 0) continue;
        finds_.leak_counts[i] += guard.leak_counts()[i];
        const auto kind = static_cast<LeakKind>(i);
        if (finds_.notes != nullptr)
            finds_.notes->add(GuardSide::answer, "exfiltration", leak_kind_name(kind),
                              action_name(finds_.plan.leaks->action(kind)), std::nullopt, guard.leak_counts()[i]);
    }
    for (const uint32_t count : guard.content_counts()) found += count;
    if (!texts_.is_summary()) note_content(guard);
    if (guard.blocked() == GuardReason::too_many) return finds_.plan.dry_run;
    if (guard.blocked() && !finds_.plan.dry_run) {
        finds_.blocked = guard.blocked_types();
        finds_.leaks_blocked |= guard.leaks_blocked();
        finds_.content_blocked |= guard.content_blocked();
        if (guard.content_blocked() != 0) return silence_rest(data, changed);
    }
    if (found == 0 && !guard.restored_any()) clean_rest_ = rest;
    changed = std::move(guard.changed());
    return true;
}

/// Of what stands beside its texts. Then places are those of what is left.
uint32_t AnswerStream::strip_rest(std::string_view& data) {
    HtmlDocument document(finds_.html, blocks_, data);
    document.leave_out(kept_places());
    while (document.turn()) {
    }
    if (!texts_.is_summary()) finds_.note_html(document.count());
    if (finds_.plan.dry_run || document.changed().empty()) return document.count();
    stripped_ = std::move(document.changed());
    for (llm::Range& range : left_out_) range.offset = document.place_of(range.offset);
    for (Change& change : changes_) change.range.offset = document.place_of(change.range.offset);
    data = stripped_.view();
    return document.count();
}

/// What was looked through as a text, what tells one again, and what others take the place of: no HTML is counted
/// there, and each keeps its length. In order.
std::vector<llm::Range> AnswerStream::kept_places() const {
    std::vector<llm::Range> places = left_out_;
    for (const llm::EventTexts::Change& repeat : texts_.repeats()) places.push_back(repeat.range);
    for (const Change& change : changes_) places.push_back(change.range);
    std::ranges::sort(places, {}, &llm::Range::offset);
    return places;
}

/// The event's document, through the guard.
bool AnswerStream::run(RequestGuard& guard) const {
    guard.leave_out(left_out_);
    for (const Change& change : changes_) guard.put_in(change.range, text_of(change));
    for (bool more = true; more;) {
        const auto step = guard.turn();
        if (!step) return false;
        more = *step;
    }
    return true;
}

/// What a category was reached by is all of a text, and an event may tell again what was ended: nothing is left of it.
bool AnswerStream::silence_rest(std::string_view data, ByteBuffer& changed) {
    RequestGuard guard(finds_.plan, blocks_, data, &finds_.values, GuardSide::answer);
    guard.silence();
    if (!run(guard)) return false;
    changed = std::move(guard.changed());
    return true;
}

void AnswerStream::note_content(const RequestGuard& guard) {
    for (size_t i = 0; i < content_category_count; ++i) {
        const uint32_t count = guard.content_counts()[i];
        finds_.content_counts[i] += count;
        if (count > 0 && finds_.notes != nullptr)
            finds_.notes->add(GuardSide::answer, "content", content_category_names[i],
                              action_name(finds_.content->action(static_cast<ContentCategory>(i))), std::nullopt,
                              count);
    }
}

/// Of what stands beside the texts no place is told: it is another in each event.
void AnswerStream::note_rest(PiiType type, uint32_t count) {
    const PiiPlan& pii = *finds_.plan.pii;
    finds_.notes->add(GuardSide::answer, "pii", name_of(type, pii.scanner.custom().get()),
                      action_name(pii.action(type)), std::nullopt, count);
}

void AnswerStream::write(std::string_view event, const http::SseEvent& parsed, std::string_view data, bool plain,
                         ByteBuffer& out) {
    const bool renamed = blocks_answer() && !texts_.filtered_name().empty();
    if (parsed.data_in_place && !renamed && plain) {
        out.append(event.substr(0, parsed.data_offset));
        out.append(data);
        out.append(event.substr(parsed.data_offset + parsed.data.size()));
        if (!event.ends_with("\n\n") && !event.ends_with("\r\n\r\n") && !event.ends_with("\r\r")) out.append("\n\n");
        return;
    }
    const std::string_view name = renamed                 ? texts_.filtered_name()
                                  : is_name(parsed.event) ? parsed.event
                                                          : std::string_view();
    if (!name.empty()) {
        out.append("event: ");
        out.append(name);
        out.append("\n");
    }
    while (true) {
        const size_t end = data.find('\n');
        out.append("data: ");
        out.append(data.substr(0, end));
        out.append("\n");
        if (end == data.npos) break;
        data.remove_prefix(end + 1);
    }
    out.append("\n");
}

void AnswerStream::on_end(ByteBuffer& out) {
    made_.clear();
    scratch_.release();
    texts_.end();
    for (const uint32_t slot : texts_.ended()) {
        const size_t begin = made_.size();
        if (!take(slot, {}, true)) continue;
        const std::string_view made = made_.view().substr(begin);
        if (!made.empty() && acts()) texts_.write(slot, made, out);
    }
}

}  // namespace loom::proxy
