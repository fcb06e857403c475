#include "loom/guard/html_strip.h"

#include <algorithm>
#include <utility>

#include "html_tag.h"
#include "loom/base/assert.h"
#include "window.h"

namespace loom::guard {

namespace {

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
/// What some readers drop, so that it stands between nothing.
constexpr bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < ' ' && !is_blank(c); }
constexpr bool is_letter(char c) noexcept { return is_alpha(static_cast<unsigned char>(c)); }
constexpr bool is_quote(char c) noexcept { return c == '"' || c == '\'' || c == '`'; }

}  // namespace

void HtmlStrip::pass(std::string_view plain, ByteBuffer& out) {
    if (behind_open_) behind_open_ = std::ranges::all_of(plain, is_control);
    out.append(plain);
}

void HtmlStrip::put(char c, std::string_view written, ByteBuffer& out) {
    LOOM_ASSERT(!written.empty() && written.size() <= UINT8_MAX);
    if (c == '<' && breaks_at_open()) {
        if (state_ == State::open) {
            keep(out);
            behind_open_ = true;
        } else if (state_ != State::text) {
            break_open(out);
        }
        return begin(written);
    }
    if (state_ == State::text) {
        behind_open_ = behind_open_ && is_control(c);
        return out.append(written);
    }
    hold(c, written);
    step(c, out);
    if (state_ != State::text && held_count() >= tag_bytes_max) give_up(out);
}

void HtmlStrip::end(ByteBuffer& out) {
    while (state_ != State::text) give_up(out);  // a '<' at the end as well: others may join it to another text
}

void HtmlStrip::begin(std::string_view written) {
    state_ = State::open;
    odd_ = has_open_ = false;
    hold('<', written);
}

void HtmlStrip::hold(char c, std::string_view written) {
    const auto length = static_cast<char>(static_cast<uint8_t>(written.size()));
    chars_.append({&c, 1});
    lengths_.append({&length, 1});
    written_.append(written);
}

void HtmlStrip::step(char c, ByteBuffer& out) {
    odd_ |= is_control(c) || (placeholders_ && c == '[');
    switch (state_) {
        case State::text: return;
        case State::open: return step_open(c, out);
        case State::close: return step_close(c, out);
        case State::declaration:
        case State::dash: return step_declaration(c, out);
        case State::bogus:
            if (c == '>') end_bogus(out);
            return;
        case State::comment: return step_comment(c, out);
        case State::tag: return step_tag(c, out);
        case State::code:
        case State::code_end: return step_code(c, out);
    }
}

void HtmlStrip::step_open(char c, ByteBuffer& out) {
    if (is_control(c)) return;
    if (is_letter(c)) return begin_tag(false);
    if (placeholders_ && c == '[') return break_open(out);
    if (c == '/')
        state_ = State::close;
    else if (c == '!')
        state_ = State::declaration;
    else if (c == '?')
        state_ = State::bogus;
    else
        keep(out);
}

void HtmlStrip::step_close(char c, ByteBuffer& out) {
    if (is_control(c)) return;
    if (is_letter(c)) return begin_tag(true);
    if (c == '>') return end_bogus(out);
    state_ = State::bogus;
}

void HtmlStrip::step_declaration(char c, ByteBuffer& out) {
    if (c == '>') return end_bogus(out);
    if (c == '-') return state_ == State::dash ? begin_comment(out) : void(state_ = State::dash);
    state_ = State::bogus;
}

void HtmlStrip::begin_comment(ByteBuffer& out) {
    if (no_comments_) return break_open(out);
    state_ = State::comment;
    name_ = held_count();
}

void HtmlStrip::step_comment(char c, ByteBuffer& out) {
    has_open_ |= c == '<';
    if (c != '>') return;
    const std::string_view body = held(name_, held_count() - 1);
    const bool ends = body.empty() || body == "-" || body.ends_with("--") || body.ends_with("--!");
    if (!ends) return;
    mode_ == HtmlMode::scripts && !has_open_ && !odd_ ? keep(out) : take_out(out);
}

void HtmlStrip::end_bogus(ByteBuffer& out) {
    if (mode_ == HtmlMode::all) return take_out(out);
    odd_ ? break_open(out) : keep(out);
}

// Tags.

void HtmlStrip::begin_tag(bool is_end) noexcept {
    state_ = State::tag;
    place_ = Place::name;
    is_end_ = is_end;
    name_ = held_count() - 1;
    cut_count_ = 0;
    too_many_cuts_ = false;
}

void HtmlStrip::begin_attribute() noexcept {
    place_ = Place::attribute;
    attribute_ = held_count() - 1;
}

void HtmlStrip::step_tag(char c, ByteBuffer& out) {
    const uint32_t at = held_count() - 1;
    switch (place_) {
        case Place::name:
            if (!is_blank(c) && c != '/' && c != '>') return;
            name_end_ = at;
            place_ = Place::between;
            break;
        case Place::between:
        case Place::behind_value:
            place_ = Place::between;
            if (is_blank(c) || c == '/' || c == '>') break;
            odd_ |= c == '=' || is_quote(c);
            return begin_attribute();
        case Place::attribute:
            odd_ |= is_quote(c);
            if (!is_blank(c) && c != '/' && c != '>' && c != '=') return;
            attribute_end_ = at;
            place_ = c == '=' ? Place::before_value : is_blank(c) ? Place::behind_attribute : Place::between;
            break;
        case Place::behind_attribute:
            if (is_blank(c)) return;
            place_ = c == '=' ? Place::before_value : Place::between;
            if (c == '=' || c == '/' || c == '>') break;
            odd_ |= is_quote(c);
            return begin_attribute();
        case Place::before_value:
            if (is_blank(c) || c == '>') break;
            value_ = c == '"' || c == '\'' ? at + 1 : at;
            place_ = c == '"' ? Place::double_quoted : c == '\'' ? Place::single_quoted : Place::unquoted;
            odd_ |= c == '`';
            return;
        case Place::double_quoted:
        case Place::single_quoted:
            if (c != (place_ == Place::double_quoted ? '"' : '\'')) return;
            end_attribute(at, at + 1);
            place_ = Place::behind_value;
            return;
        case Place::unquoted:
            odd_ |= is_quote(c);
            if (!is_blank(c) && c != '>') return;
            end_attribute(at, at);
            place_ = Place::between;
            break;
    }
    if (c == '>') end_tag(out);
}

/// Of one that has a value: others do nothing.
void HtmlStrip::end_attribute(uint32_t value_end, uint32_t end) {
    if (mode_ != HtmlMode::scripts) return;
    if (!is_acting_attribute(held(attribute_, attribute_end_), held(value_, value_end))) return;
    if (cut_count_ == cuts_max)
        too_many_cuts_ = true;
    else
        cuts_[cut_count_++] = {static_cast<uint16_t>(attribute_), static_cast<uint16_t>(end)};
}

void HtmlStrip::end_tag(ByteBuffer& out) {
    const std::string_view name = held(name_, name_end_);
    const bool begins_code = !is_end_ && !no_code_ && holds_code(name);
    if (begins_code && !odd_) {
        state_ = State::code;
        tag_end_ = held_count();
        match_ = 0;
        return;
    }
    if (mode_ == HtmlMode::all) return take_out(out);
    if (odd_) return break_open(out);
    if (too_many_cuts_ || is_acting_element(name)) return take_out(out);
    cut_count_ == 0 ? keep(out) : keep_without_cuts(out);
}

/// Up to the tag that ends it, whatever stands in front of that.
void HtmlStrip::step_code(char c, ByteBuffer& out) {
    if (state_ == State::code_end) {
        if (c == '>') take_out(out);
        return;
    }
    const std::string_view name = held(name_, name_end_);
    const auto is_next = [&] {
        if (match_ < 2) return c == "</"[match_];
        return lower(static_cast<unsigned char>(c)) == lower(static_cast<unsigned char>(name[match_ - 2u]));
    };
    if (match_ == name.size() + 2) {
        if (c == '>') return take_out(out);
        if (is_blank(c) || c == '/') {
            state_ = State::code_end;
            return;
        }
    } else if (is_next()) {
        match_ += 1;
        return;
    }
    match_ = c == '<' ? 1 : 0;
}

// What becomes of what is held.

/// <https://example.com> and <ann@example.org>, as Markdown has them.
bool HtmlStrip::is_address() const noexcept {
    if (state_ != State::tag || is_end_ || odd_) return false;
    const std::string_view inside = held(1, held_count() - 1);
    if (std::ranges::any_of(inside, [](char c) { return is_blank(c) || is_quote(c); })) return false;
    const size_t scheme = inside.find(':');
    const bool is_url = scheme != inside.npos && inside.substr(scheme).starts_with("://") &&
                        std::ranges::all_of(inside.substr(0, scheme), is_letter);
    return is_url || (inside.contains('@') && !inside.contains('/') && !inside.contains('='));
}

void HtmlStrip::keep(ByteBuffer& out) {
    behind_open_ = false;
    out.append(written_.view());
    let_go();
}

void HtmlStrip::keep_without_cuts(ByteBuffer& out) {
    count_ += cut_count_;
    behind_open_ = false;
    size_t at = 0, cut = 0;
    for (uint32_t i = 0; i < held_count(); ++i) {
        const auto length = static_cast<uint8_t>(lengths_.view()[i]);
        while (cut < cut_count_ && i >= cuts_[cut].end) cut += 1;
        const bool is_cut = cut < cut_count_ && i >= cuts_[cut].begin;
        if (!is_cut) out.append(written_.view().substr(at, length));
        at += length;
    }
    let_go();
}

/// Behind a '<' a blank takes its place, so that what follows does not become its tag.
void HtmlStrip::take_out(ByteBuffer& out) {
    count_ += 1;
    const bool is_shown = mode_ == HtmlMode::all && is_address();
    if (std::exchange(behind_open_, false)) out.append(" ");
    if (is_shown) {
        const auto first = static_cast<uint8_t>(lengths_.view().front()),
                   last = static_cast<uint8_t>(lengths_.view().back());
        out.append(written_.view().substr(first, written_.size() - first - last));
    }
    let_go();
}

/// Its '<' begins nothing.
void HtmlStrip::break_open(ByteBuffer& out) {
    count_ += 1;
    behind_open_ = false;
    const auto first = static_cast<uint8_t>(lengths_.view().front());
    out.append(written_.view().substr(0, first));
    out.append(" ");
    out.append(written_.view().substr(first));
    let_go();
}

/// It is too long, or the text is over.
void HtmlStrip::give_up(ByteBuffer& out) {
    if (state_ == State::comment) {
        no_comments_ = true;
        count_ += 1;
        behind_open_ = false;
        out.append(written_.view().substr(0, static_cast<uint8_t>(lengths_.view().front())));
        out.append(" ");
        return put_again(1, out);
    }
    if (state_ != State::code && state_ != State::code_end) return break_open(out);
    no_code_ = true;
    count_ += 1;
    if (std::exchange(behind_open_, false)) out.append(" ");
    put_again(tag_end_, out);
}

/// What is held from there on, as if it came now.
void HtmlStrip::put_again(uint32_t from, ByteBuffer& out) {
    const ByteBuffer chars = std::move(chars_), lengths = std::move(lengths_), written = std::move(written_);
    let_go();
    size_t at = 0;
    for (uint32_t i = 0; i < chars.size(); ++i) {
        const auto length = static_cast<uint8_t>(lengths.view()[i]);
        if (i >= from) put(chars.view()[i], written.view().substr(at, length), out);
        at += length;
    }
}

void HtmlStrip::let_go() noexcept {
    state_ = State::text;
    chars_.clear();
    lengths_.clear();
    written_.clear();
}

}  // namespace loom::guard
