#include "loom/guard/link_scan.h"

#include <algorithm>
#include <utility>

#include "window.h"

namespace loom::guard {

namespace {

constexpr unsigned char text_border = 0x1e;
constexpr uint32_t fence_min = 3;
constexpr std::string_view sentence_marks = "?!.,:;*_~'\")]}|";
constexpr std::string_view schemes[] = {"https", "http", "ftp", "wss", "ws", "www."};

constexpr bool is_blank(unsigned char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_break(unsigned char c) noexcept { return c == '\n' || c == '\r'; }
constexpr bool is_control(unsigned char c) noexcept { return c <= ' ' || c == 0x7f; }
constexpr bool is_punctuation(unsigned char c) noexcept { return c > ' ' && c < 0x7f && !is_alnum(c); }
constexpr char small(unsigned char c) noexcept { return static_cast<char>(lower(c)); }

/// Attributes that name several.
bool is_set(std::string_view name) noexcept { return name == "srcset" || name == "imagesrcset"; }
/// Attributes that name an address, wherever they stand, and those that do in a tag.
bool loads_anywhere(std::string_view name) noexcept {
    return name == "src" || is_set(name) || name == "poster" || name == "background";
}
bool names_address(std::string_view name) noexcept {
    return name == "href" || name == "data" || name == "action" || name == "formaction" || name == "ping" ||
           name == "cite" || name == "url" || name == "manifest" || name == "codebase";
}

/// Bytes that mean nothing in a text but as parts of words.
constexpr auto is_prose = [] {
    std::array<bool, 256> prose{};
    for (size_t c = 0; c < prose.size(); ++c)
        prose[c] = (c >= ' ' || c == '\t') &&
                   std::string_view("[]<>(=`~\\").find(static_cast<char>(c)) == std::string_view::npos;
    return prose;
}();

/// Does one of the schemes begin so, as far as there is anything of it?
bool may_be_scheme(std::string_view rest) noexcept {
    for (const std::string_view scheme : {"http", "ftp", "ws", "www."}) {
        const size_t size = std::min(scheme.size(), rest.size());
        if (std::ranges::equal(scheme.substr(0, size), rest.substr(0, size), {}, {},
                               [](char c) { return small(static_cast<unsigned char>(c)); }))
            return true;
    }
    return false;
}

}  // namespace

void LinkScan::advance(std::string_view window, bool final, Sink sink, void* context) {
    sink_ = sink;
    context_ = context;
    while (at_ < window.size()) {
        if (state_ == State::text) pass_prose(window);
        if (at_ < window.size() && step(static_cast<unsigned char>(window[at_]))) at_ += 1;
    }
    if (final)
        while (holds() || swallows_) (void)step(text_border);
    if (!swallows_ || at_ <= begin_) return;
    found(begin_, at_, true);
    begin_ = at_;
}

/// Returns false where the byte is to be read once more, in another state.
bool LinkScan::step(unsigned char c) {
    const bool taken = read(c);
    if (taken && attribute_ != Attribute::none) note_attribute(c);
    return taken;
}

bool LinkScan::read(unsigned char c) {
    switch (state_) {
        case State::text: text(c); return true;
        case State::code: code(c); return true;
        case State::bracket: return after_bracket(c);
        case State::scheme:
        case State::scheme_slash:
        case State::scheme_slashes: return scheme(c);
        case State::before: return before(c);
        case State::url: return url(c);
        case State::closer: return closer(c);
    }
    return true;
}

void LinkScan::begin_text() noexcept {
    LinkScan fresh(*allowed_);
    fresh.placeholders_ = placeholders_;
    const auto at = at_;
    const auto sink = sink_;
    const auto context = context_;
    *this = fresh;
    at_ = at;
    sink_ = sink;
    context_ = context;
}

// Text.

/// What text() would make of each byte, as far as that is nothing but the name of the last word.
void LinkScan::pass_prose(std::string_view window) {
    if (tag_opens_ || attribute_ != Attribute::none || set_ != 0 || line_ != Line::rest || ticks_ != 0 || waves_ != 0 ||
        escaped_)
        return;
    size_t end = at_;
    unsigned char before = last_;
    for (; end < window.size(); ++end) {
        const auto c = static_cast<unsigned char>(window[end]);
        if (!is_prose[c]) break;
        const char letter = small(c);
        const bool may_begin = letter == 'h' || letter == 'f' || letter == 'w';
        if (may_begin && !is_alnum(before) && may_be_scheme(window.substr(end))) break;
        before = c;
    }
    if (end == at_) return;
    size_t word = end;
    while (word > at_ && is_blank(static_cast<unsigned char>(window[word - 1]))) --word;
    for (size_t i = 0; i <= name_.size() && word > at_ && is_alpha(static_cast<unsigned char>(window[word - 1])); ++i)
        --word;
    if (word > at_) {
        in_name_ = is_alpha(static_cast<unsigned char>(window[word - 1]));  // then it is too long for one
        name_size_ = in_name_ ? static_cast<uint8_t>(name_.size() + 1) : uint8_t{0};
    }
    for (; word < end; ++word) note_word(static_cast<unsigned char>(window[word]));
    last_ = before;
    at_ = end;
}

void LinkScan::text(unsigned char c) {
    if (c == text_border) return begin_text();
    const bool at_word = !is_alnum(last_);
    const unsigned char before = last_;
    last_ = c;
    // No bracket is open behind an empty line; a break of two bytes is none.
    if (is_break(c) && is_break(before) && !(c == '\n' && before == '\r')) {
        images_ = brackets_ = 0;
        any_image_ = false;
    }
    note_line(c);
    if (state_ == State::code) return;
    if (set_ != 0) note_set(c);
    if (state_ != State::text) return;
    note_word(c);
    if (state_ != State::text) return;
    if (escaped_) {
        escaped_ = false;
        if (is_punctuation(c)) {
            last_ = ' ';
            return;
        }
    }
    if (c == '\\') {
        escaped_ = true;
    } else if (c == '[') {
        open_bracket(before == '!');
    } else if (c == ']') {
        close_bracket();
        state_ = State::bracket;
    } else if ((c == '`' || c == '<') && images_ != 0) {  // brackets in code, or in a tag, close nothing
        any_image_ = true;
    } else if (at_word && (small(c) == 'h' || small(c) == 'f' || small(c) == 'w')) {
        begin_ = at_;
        state_ = State::scheme;
    }
}

void LinkScan::open_bracket(bool is_image) noexcept {
    any_image_ |= images_ >> 63 != 0;  // too deep to be known
    images_ = images_ << 1 | (is_image ? 1 : 0);
    brackets_ = std::min(brackets_ + 1, 64u);
}

void LinkScan::close_bracket() noexcept {
    was_image_ = any_image_ || (brackets_ > 0 && (images_ & 1) != 0);
    images_ >>= 1;
    brackets_ -= brackets_ > 0;
}

/// Between the addresses of a srcset.
void LinkScan::note_set(unsigned char c) noexcept {
    const bool ends = set_ == ' ' ? is_blank(c) || c == '>' : c == static_cast<unsigned char>(set_);
    if (ends) set_ = 0;
    if (ends || c != ',') return;
    in_name_ = escaped_ = false;
    name_size_ = 0;
    leave_line();
    expect(Form::unquoted, true);
    quote_ = set_ == ' ' ? char{0} : set_;
}

/// Names of tags and of attributes, and what follows them.
void LinkScan::note_word(unsigned char c) {
    if (is_alpha(c)) {
        if (!in_name_) name_size_ = 0;
        in_name_ = true;
        // One that is too long stays so.
        if (name_size_ < name_.size()) name_[name_size_] = small(c);
        if (name_size_ <= name_.size()) name_size_ += 1;
        return;
    }
    end_name(c);
    if (c == '<') tag_opens_ = true;
    if (!is_blank(c)) name_size_ = 0;
}

void LinkScan::end_name(unsigned char c) {
    const std::string_view name =
        name_size_ <= name_.size() ? std::string_view(name_.data(), name_size_) : std::string_view();
    const bool ends = std::exchange(in_name_, false);
    if (std::exchange(tag_opens_, false)) {
        if (ends) begin_attributes(name == "a" || name == "area");
        return;
    }
    if (name.empty()) return;
    if (c == '(' && ends && name == "url") return expect(Form::css, true);
    if (c != '=') return;
    if (loads_anywhere(name)) {
        set_ = is_set(name) ? ' ' : char{0};
        return expect(Form::unquoted, true);
    }
    const bool in_tag = attribute_ != Attribute::none || tag_doubt_;
    if (in_tag && names_address(name)) expect(Form::unquoted, tag_doubt_ || !anchor_);
}

void LinkScan::begin_attributes(bool is_anchor) noexcept {
    tag_doubt_ |= attribute_ == Attribute::quoted;
    anchor_ = is_anchor && (attribute_ == Attribute::none || anchor_);
    attribute_ = Attribute::tag_name;
}

/// A byte of a tag, behind the letters of its name (HTML, 13.2.5).
void LinkScan::note_attribute(unsigned char c) noexcept {
    using enum Attribute;
    const bool blank = is_blank(c);
    if (attribute_ == quoted) {
        if (c == static_cast<unsigned char>(attribute_quote_)) attribute_ = before_name;
        return;
    }
    if (c == '>') {
        attribute_ = none;
        return;
    }
    switch (attribute_) {
        case tag_name:
            if (blank || c == '/') attribute_ = before_name;
            return;
        case before_name:
            if (!blank && c != '/') attribute_ = name;  // also a '='
            return;
        case name:
        case after_name:
            if (blank)
                attribute_ = after_name;
            else
                attribute_ = c == '/' ? before_name : c == '=' ? before_value : name;
            return;
        case before_value:
            if (blank) return;
            attribute_quote_ = static_cast<char>(c);
            attribute_ = c == '"' || c == '\'' ? quoted : unquoted;
            return;
        case unquoted:
            if (blank) attribute_ = before_name;
            return;
        case none:
        case quoted: return;
    }
}

bool LinkScan::after_bracket(unsigned char c) {
    state_ = State::text;
    if (c != '(' && c != ':') return false;
    expect(c == '(' ? Form::markdown : Form::definition, c != '(' || was_image_);
    last_ = c;
    name_size_ = 0;
    in_name_ = false;
    leave_line();
    return true;
}

// Code.

/// The line at hand is read on by somebody else: it opens nothing that could be told from what does.
void LinkScan::leave_line() noexcept {
    no_code_ |= ticks_ >= fence_min;
    line_ = Line::rest;
    ticks_ = waves_ = 0;
}

/// Is this the line that opens a block? Backticks or tildes in any other way make it doubtful what one is, and so does
/// HTML, in which there is none.
void LinkScan::note_line(unsigned char c) {
    if (is_break(c)) {
        const bool opens = !no_code_ && (line_ == Line::ticks || line_ == Line::info) && ticks_ >= fence_min;
        line_ = Line::start;
        waves_ = 0;
        if (opens) {
            fence_ = ticks_;
            state_ = State::code;
        }
        ticks_ = 0;
        return;
    }
    waves_ = c == '~' ? waves_ + 1 : 0;
    if (waves_ >= fence_min) return doubt_code();
    if (tag_opens_ && !in_name_ && (is_alpha(c) || c == '!' || c == '/' || c == '?')) no_code_ = true;
    if (c == '`') {
        if (line_ == Line::start) {
            line_ = Line::ticks;
            ticks_ = 0;
        } else if (line_ == Line::info && ticks_ >= fence_min) {
            return doubt_code();
        }
        ticks_ += 1;
        if (line_ == Line::rest && ticks_ >= fence_min) doubt_code();
        return;
    }
    if (line_ == Line::ticks) {
        line_ = ticks_ >= fence_min ? Line::info : Line::rest;
        if (line_ == Line::rest) ticks_ = 0;
    } else if (line_ != Line::info) {
        line_ = Line::rest;
        ticks_ = 0;
    }
}

void LinkScan::code(unsigned char c) {
    if (c == text_border) return begin_text();
    last_ = c;
    const auto leave = [this] {
        state_ = State::text;
        tag_opens_ = false;
        escaped_ = in_name_ = false;
        name_size_ = 0;
        images_ = brackets_ = 0;
        ticks_ = waves_ = 0;
    };
    if (is_break(c)) {
        const bool closes = line_ == Line::info && ticks_ >= fence_;
        const bool bare = line_ == Line::ticks && ticks_ >= fence_;
        line_ = Line::start;
        if (closes || bare) leave();
        ticks_ = 0;
        blanks_only_ = false;
        return;
    }
    if (c == '`' && (line_ == Line::start || line_ == Line::ticks)) {
        line_ = Line::ticks;
        ticks_ += 1;
        // Behind blanks, or of another number, it may be the end or not.
        if (blanks_only_ && ticks_ >= fence_min) {
            leave();
            doubt_code();
        }
        return;
    }
    if (line_ == Line::start && (c == ' ' || c == '\t')) {
        blanks_only_ = true;
        return;
    }
    if (line_ == Line::ticks || line_ == Line::info) {
        const bool doubtful = ticks_ >= fence_min && (c != ' ' && c != '\t');
        if (doubtful || (ticks_ >= fence_min && ticks_ < fence_)) {
            leave();
            return doubt_code();
        }
        line_ = ticks_ >= fence_min ? Line::info : Line::rest;
        return;
    }
    line_ = Line::rest;
}

// Addresses.

/// A word that may be the scheme of one that stands for itself.
bool LinkScan::scheme(unsigned char c) {
    if (state_ == State::scheme) {
        std::string_view name(name_.data(), std::min<size_t>(name_size_, name_.size()));
        // Its letters are a name's: note_word() has kept the ones before.
        const auto is_one = [&](std::string_view of) { return name == of; };
        if (c == ':' && std::ranges::any_of(schemes, is_one)) {
            state_ = State::scheme_slash;
            return true;
        }
        if (c == '.' && name == "www") {
            reader_.begin_host("www.");
            begin_url(Form::bare);
            return true;
        }
        const auto begins = [&](std::string_view of) {
            return of.size() > name.size() && of.starts_with(name) && of[name.size()] == small(c);
        };
        if (!is_alpha(c) || !std::ranges::any_of(schemes, begins)) {
            state_ = State::text;
            return false;
        }
        last_ = c;
        note_word(c);
        return true;
    }
    if (c != '/') {
        state_ = State::text;
        in_name_ = false;
        name_size_ = 0;
        last_ = ':';
        return false;
    }
    if (state_ == State::scheme_slash) {
        state_ = State::scheme_slashes;
        return true;
    }
    reader_.begin_host();
    begin_url(Form::bare);
    return true;
}

void LinkScan::expect(Form form, bool loads) noexcept {
    state_ = State::before;
    form_ = form;
    loads_ = loads;
    quote_ = 0;
}

bool LinkScan::before(unsigned char c) {
    if (c == text_border) {
        state_ = State::text;
        return false;
    }
    const bool quotes = (c == '"' || c == '\'') && (form_ == Form::unquoted || form_ == Form::css) && quote_ == 0;
    if (quotes) {
        quote_ = static_cast<char>(c);
        if (set_ != 0) set_ = quote_;
        last_ = c;
        return true;
    }
    if (set_ != 0 && (quote_ != 0 ? c == static_cast<unsigned char>(quote_) : c == '>')) {
        state_ = State::text;
        return false;
    }
    if (is_control(c) || (set_ != 0 && c == ',')) {
        last_ = c;
        return true;
    }
    const bool angle = c == '<' && (form_ == Form::markdown || form_ == Form::definition);
    const bool loads = loads_;
    reader_.begin_reference();
    begin_url(angle ? Form::angle : quote_ != 0 && form_ == Form::unquoted ? Form::quoted : form_);
    loads_ = loads;
    begin_ = angle ? at_ + 1 : at_;
    return angle;
}

void LinkScan::begin_url(Form form) noexcept {
    state_ = State::url;
    form_ = form;
    loads_ = swallows_ = escapes_ = false;
    parens_ = squares_ = 0;
    sign_ = Sign::none;
    if (form == Form::bare) solid_ = at_ + 1;
}

bool LinkScan::ends_url(unsigned char c) const noexcept {
    if (c == text_border) return true;
    switch (form_) {
        case Form::bare: return is_control(c) || c == '<' || c == '>' || c == '"' || c == '`' || c == '\\';
        case Form::markdown: return is_control(c) || (c == ')' && parens_ == 0 && !escapes_);
        case Form::definition: return is_control(c);
        case Form::angle: return (c == '>' && !escapes_) || is_break(c);
        case Form::quoted: return c == static_cast<unsigned char>(quote_) || c == '<' || c == '>';
        case Form::unquoted: return is_control(c) || c == '>' || c == '"' || c == '\'';
        case Form::css:
            return quote_ != 0 ? c == static_cast<unsigned char>(quote_) || is_break(c) : is_control(c) || c == ')';
    }
    return true;
}

bool LinkScan::url(unsigned char c) {
    if (ends_url(c)) {
        // What a mark of HTML cuts off is shown, and may be what is carried.
        if (form_ == Form::quoted && (c == '<' || c == '>') && reader_.leads_out()) reader_.suspect();
        end_url();
        return false;
    }
    if (placeholders_) note_placeholder(c);
    if (form_ == Form::bare) {
        const bool opens = c == '(' || c == '[', closes = c == ')' || c == ']';
        uint32_t& open = c == '(' || c == ')' ? parens_ : squares_;
        if (opens) open += 1;
        if (closes && open == 0 && !swallows_) {
            state_ = State::closer;
            quote_ = static_cast<char>(c);
            return true;
        }
        open -= closes && open > 0;
        if (sentence_marks.find(static_cast<char>(c)) == sentence_marks.npos || swallows_ || closes) solid_ = at_ + 1;
    }
    const bool skips = form_ == Form::quoted || form_ == Form::css || form_ == Form::angle;
    if (skips && (c == '\t' || is_break(c))) {  // as a browser does
        no_code_ |= is_break(c);
        return true;
    }
    if (form_ == Form::css && c == '\\' && !reader_.host_is_known()) reader_.hide();  // an escape
    if (form_ == Form::markdown || form_ == Form::angle || form_ == Form::definition) {
        if (!escapes_ && c == '\\') {
            if (reader_.in_host()) reader_.suspect();
            escapes_ = true;
            return true;
        }
        const bool was_escape = std::exchange(escapes_, false);
        if (was_escape && !is_punctuation(c) && !reader_.put('\\')) {
            leave_url();
            return false;
        }
        if (!was_escape && form_ == Form::markdown) {
            parens_ += c == '(';
            parens_ -= c == ')';
        }
    }
    if (!reader_.put(c)) {
        leave_url();
        return false;
    }
    if (swallows_) return true;
    if (reader_.host_is_known() && !reader_.is_suspicious() && allowed_->has(reader_.host())) {
        leave_url();
        last_ = c;
        return true;
    }
    if (at_ + 1 - begin_ < url_bytes_max) return true;
    found(begin_, at_ + 1, false);
    swallows_ = true;
    begin_ = solid_ = at_ + 1;
    return true;
}

/// As find_placeholder() has them: signs that the table never made are data too.
void LinkScan::note_placeholder(unsigned char c) noexcept {
    if (c == '[') {
        sign_ = Sign::open;
    } else if (c == ']') {
        if (sign_ == Sign::digit) reader_.suspect();
        sign_ = Sign::none;
    } else if (sign_ == Sign::none) {
        return;
    } else if (c == '_') {
        sign_ = Sign::bar;
    } else if (is_digit(c)) {
        sign_ = sign_ == Sign::bar ? Sign::digit : sign_;
    } else {
        sign_ = c >= 'A' && c <= 'Z' ? Sign::open : Sign::none;
    }
}

/// A bracket in a bare address that nothing there has opened is its end, unless it goes on behind that.
bool LinkScan::closer(unsigned char c) {
    const bool goes_on = is_alnum(c) || c >= 0x80 || c == '/' || c == '?' || c == '&' || c == '=' || c == '%' ||
                         c == '-' || c == '_' || c == '#' || (c == '[' && placeholders_);
    const auto bracket = static_cast<unsigned char>(quote_);
    if (goes_on && reader_.put(bracket)) {
        state_ = State::url;
        return false;
    }
    at_ -= 1;  // the bracket is of the text, and so is what follows
    end_url();
    return false;
}

void LinkScan::end_url() {
    reader_.finish();
    const size_t end = form_ == Form::bare ? std::min(solid_, at_) : at_;
    if (swallows_) {
        if (end > begin_) found(begin_, end, true);
    } else if (end > begin_ && reader_.leads_out()) {
        const bool is_allowed = !reader_.is_suspicious() && allowed_->has(reader_.host());
        if (!is_allowed && (loads_ || reader_.carries_data())) found(begin_, end, false);
    }
    leave_url();
}

void LinkScan::leave_url() noexcept {
    state_ = State::text;
    swallows_ = escapes_ = false;
    in_name_ = escaped_ = false;
    name_size_ = 0;
    last_ = 'x';  // of an address: what follows at once begins no other
    leave_line();
}

}  // namespace loom::guard
