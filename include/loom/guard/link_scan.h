// Links in a text of Markdown or HTML that may carry data to somebody else: an image of such an address is asked for as
// soon as it is shown, a link when it is followed. Pure.
//
// Read are Markdown's images, links and definitions (CommonMark 0.31), the attributes of HTML that name an address
// (src, srcset, poster, background, href, action, ping and their kin), CSS's url(), and bare addresses. What is written
// to look like another address is read as a browser reads it (WHATWG URL): slashes the wrong way round or too many, a
// name in front of an '@', blanks and breaks inside of an attribute; what is spelt with entities, percents in the host,
// or backslashes there is suspicious in itself.
//
// Harmful, where the host is not one of the allowed:
//   - whatever loads by itself: images, and all attributes but those of <a> and <area>;
//   - javascript:, vbscript:, data: and file:, whatever their host;
//   - links that carry data (UrlReader::carries_data).
// A definition ([name]: address) is taken for an image's, since an image of that name may stand anywhere.
// What stands in a fenced block of code is not looked at: a line of three backticks or more with nothing before them,
// up to a line of as many alone; where a text makes it doubtful what a fence is, the rest of it is no code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loom::guard {

/// Names of hosts: example.com, and *.example.com for all that end so.
class HostList {
  public:
    /// False: it is no host's name.
    [[nodiscard]] bool add(std::string_view name);
    /// host  small letters.
    [[nodiscard]] bool has(std::string_view host) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return names_.empty() && ends_.empty(); }

  private:
    std::vector<std::string> names_, ends_;
};

/// One address, byte by byte.
class UrlReader {
  public:
    static constexpr size_t host_bytes_max = 255;

    // What a link that is followed by a click may hold before it carries data; of characters, percents decoded.
    static constexpr uint32_t word_max = 24;          // letters and digits in one
    static constexpr uint32_t random_path_min = 16;   // such a word that looks like no word
    static constexpr uint32_t random_query_min = 12;  // likewise, behind the '?' or '#', and in the host
    static constexpr uint32_t digits_path_min = 15;
    static constexpr uint32_t digits_query_min = 12;
    static constexpr uint32_t path_max = 160;
    static constexpr uint32_t value_max = 32;  // of one parameter
    static constexpr uint32_t query_max = 64;  // of all
    static constexpr uint32_t host_max = 80;
    static constexpr uint32_t labels_max = 6;

    /// It begins as what a document refers to: with a scheme, or without.
    void begin_reference() noexcept { *this = UrlReader(); }
    /// Its scheme was read; what follows is its host, or slashes.
    void begin_host(std::string_view start = {}) noexcept;

    /// False: it is one that leads nowhere else: relative, or of a scheme that is not looked at.
    [[nodiscard]] bool put(unsigned char c) noexcept;
    /// It is written so that readers may differ about it.
    void suspect() noexcept { suspicious_ = true; }
    /// Likewise, and where its host begins nobody can say.
    void hide() noexcept {
        suspicious_ = true;
        stage_ = Stage::opaque;
    }
    void finish() noexcept;

    [[nodiscard]] bool in_host() const noexcept { return stage_ == Stage::slashes || stage_ == Stage::host; }
    [[nodiscard]] bool host_is_known() const noexcept { return stage_ == Stage::path || stage_ == Stage::query; }
    [[nodiscard]] bool is_suspicious() const noexcept { return suspicious_; }
    [[nodiscard]] std::string_view host() const noexcept { return {host_.data(), host_size_}; }
    /// Does it lead to somebody?
    [[nodiscard]] bool leads_out() const noexcept { return suspicious_ || host_size_ > 0; }
    /// A name in front of the host; a long, random or large word in it; a host of many or long parts.
    [[nodiscard]] bool carries_data() const noexcept { return suspicious_ || has_user_ || has_data_; }

  private:
    enum class Stage : uint8_t { scheme, root, slashes, host, path, query, opaque };
    [[nodiscard]] bool put_scheme(unsigned char c) noexcept;
    void put_host(unsigned char c) noexcept;
    void end_host() noexcept;
    void put_coded(unsigned char c) noexcept;
    void put_data(unsigned char c) noexcept;
    void end_word() noexcept;
    void flush_percent() noexcept;

    Stage stage_ = Stage::scheme;
    bool suspicious_ = false, has_user_ = false, has_data_ = false;
    uint8_t host_size_ = 0;
    uint8_t scheme_size_ = 0;
    uint8_t percent_ = 0;  // digits of one that are still to come
    std::array<unsigned char, 2> percent_digits_{};
    std::array<char, 12> scheme_{};
    std::array<char, host_bytes_max> host_;
    uint32_t path_ = 0, query_ = 0, value_ = 0;
    // The word at hand.
    uint32_t word_ = 0, digits_ = 0, changes_ = 0;
    uint8_t last_class_ = 0;
};

struct LinkFind {
    size_t begin = 0, end = 0;  // of the address
    bool goes_on = false;
};

/// An automaton over the bytes of texts, with 0x1e between one and the next.
class LinkScan {
  public:
    /// What one address may hold back. One that is longer is known to carry data.
    static constexpr size_t url_bytes_max = 1024;

    /// allowed  outlives this.
    explicit LinkScan(const HostList& allowed) noexcept : allowed_(&allowed) {}

    /// Placeholders (guard::MaskTable) have their values put in their places behind the scan: an address that holds
    /// one, [EMAIL_1], carries data. Before the first byte.
    void expect_placeholders() noexcept { placeholders_ = true; }

    using Sink = void (*)(void* context, const LinkFind& find);
    /// See LeakScan::advance.
    void advance(std::string_view window, bool final, Sink sink, void* context);
    [[nodiscard]] size_t decided() const noexcept { return holds() ? begin_ : at_; }
    void forget(size_t count) noexcept {
        at_ -= count;
        begin_ -= count;
        solid_ -= count;
    }

  private:
    enum class State : uint8_t {
        text,
        code,
        bracket,       // behind a ']'
        scheme,        // of a bare address: letters that may be one's
        scheme_slash,  // behind its ':'
        scheme_slashes,
        before,  // blanks in front of an address that something refers to
        url,
        closer,  // behind a bare address's bracket that nothing has opened
    };
    enum class Form : uint8_t { bare, markdown, angle, definition, quoted, unquoted, css };
    enum class Line : uint8_t { start, ticks, info, rest };

    [[nodiscard]] bool holds() const noexcept {
        return state_ == State::scheme || state_ == State::scheme_slash || state_ == State::scheme_slashes ||
               ((state_ == State::url || state_ == State::closer) && !swallows_);
    }
    bool step(unsigned char c);
    bool read(unsigned char c);
    void pass_prose(std::string_view window);
    void text(unsigned char c);
    void note_word(unsigned char c);
    void end_name(unsigned char c);
    void begin_attributes(bool is_anchor) noexcept;
    void note_attribute(unsigned char c) noexcept;
    void note_line(unsigned char c);
    void code(unsigned char c);
    void doubt_code() noexcept {
        no_code_ = true;
        line_ = Line::rest;
    }
    void open_bracket(bool is_image) noexcept;
    void close_bracket() noexcept;
    void note_set(unsigned char c) noexcept;
    void note_placeholder(unsigned char c) noexcept;
    bool after_bracket(unsigned char c);
    bool scheme(unsigned char c);
    bool before(unsigned char c);
    bool url(unsigned char c);
    bool closer(unsigned char c);
    void expect(Form form, bool loads) noexcept;
    void begin_url(Form form) noexcept;
    [[nodiscard]] bool ends_url(unsigned char c) const noexcept;
    void end_url();
    void leave_url() noexcept;
    void leave_line() noexcept;
    void begin_text() noexcept;
    void found(size_t begin, size_t end, bool goes_on) { sink_(context_, {begin, end, goes_on}); }

    const HostList* allowed_;
    Sink sink_ = nullptr;
    void* context_ = nullptr;
    size_t at_ = 0;     // of the window: what was read
    size_t begin_ = 0;  // of what is open
    size_t solid_ = 0;  // of a bare address: behind its last byte that is no mark of the sentence around it

    State state_ = State::text;
    // An address.
    UrlReader reader_;
    Form form_ = Form::bare;
    bool loads_ = false;     // by itself
    bool swallows_ = false;  // it is too long: it is found, and goes on
    bool escapes_ = false;   // behind a backslash, in Markdown
    char quote_ = 0;
    uint32_t parens_ = 0, squares_ = 0;
    bool placeholders_ = false;
    enum class Sign : uint8_t { none, open, bar, digit };  // of a placeholder: what was read of it last
    Sign sign_ = Sign::none;

    // A text.
    unsigned char last_ = ' ';
    bool escaped_ = false;
    uint64_t images_ = 0;  // brackets that are open, the last in the lowest bit: is it an image's?
    uint32_t brackets_ = 0;
    bool was_image_ = false;  // the one that was closed last
    /// Of this paragraph: which bracket an image's is closed by is in doubt, so that any may be.
    bool any_image_ = false;
    char set_ = 0;  // in a srcset: the quote that ends it, or a blank; behind a comma another address follows
    std::array<char, 12> name_{};
    uint8_t name_size_ = 0;
    bool in_name_ = false;
    bool tag_opens_ = false;  // behind its '<', in its name
    /// Where in a tag, as HTML tells: a '>' that is quoted ends none.
    enum class Attribute : uint8_t { none, tag_name, before_name, name, after_name, before_value, unquoted, quoted };
    Attribute attribute_ = Attribute::none;
    char attribute_quote_ = 0;
    bool anchor_ = false;     // it is of a tag whose address nothing loads by itself
    bool tag_doubt_ = false;  // in this text a tag began inside a quoted value: which of both it is nobody can say
    // Code.
    Line line_ = Line::start;
    bool no_code_ = false;
    bool blanks_only_ = false;
    uint32_t ticks_ = 0, fence_ = 0, waves_ = 0;
};

}  // namespace loom::guard
