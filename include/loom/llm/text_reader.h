// The texts of a request, one behind the other, decoded: contents, parts, instructions, what tools are given and say,
// descriptions, in whatever protocol. Told by what they are not, so that a member that nobody here knows is read too.
//
// A request may be large and is read in turns, so only a window of its texts is there at a time; where each of its
// bytes comes from in the document is told beside it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace loom::llm {

/// Bytes of one kind that follow each other in the document, in a row.
struct TextRun {
    enum class Kind : uint8_t {
        text,  // inside a string
        bare,  // outside of the strings of JSON that stands inside a string; or a number of the document itself
        sign,  // of the reader's own: what stands between two texts
    };
    enum class Border : uint8_t {
        none,
        part,  // another part of the same message begins, right behind the one before
        text,  // another text begins
    };
    uint32_t at = 0;    // in the window
    uint32_t from = 0;  // in the document
    /// 0: as many bytes in the document as in the window. Else all of them stem from so many: an escape.
    uint16_t coded_bytes = 0;
    Kind kind = Kind::text;
    uint8_t depth = 0;  // strings around it: of JSON inside strings
    Border border = Border::none;
    bool holds_json = false;  // its string is known to: any other may only look like it
    bool is_given = false;    // to a tool, as it was called; or the name of a member
};

/// What a reader fills. The memory is its owner's.
struct TextWindow {
    std::span<char> bytes;
    std::span<TextRun> runs;
    uint32_t size = 0;
    uint32_t run_count = 0;

    [[nodiscard]] std::string_view text() const noexcept { return {bytes.data(), size}; }
    /// The run that byte `at` is in.
    [[nodiscard]] uint32_t run_of(uint32_t at) const noexcept;
    [[nodiscard]] uint32_t end_of(uint32_t run) const noexcept { return run + 1 < run_count ? runs[run + 1].at : size; }
    /// From where to where in the document bytes of one run come: whole escapes.
    [[nodiscard]] uint32_t from(uint32_t run, uint32_t at) const noexcept;
    [[nodiscard]] uint32_t from_end(uint32_t run, uint32_t end) const noexcept;
    /// Drops the first bytes.
    void forget(uint32_t count) noexcept;
};

/// The inside of one string of a document, decoded byte by byte: its escapes, and those of JSON that stands in it. It
/// may be cut anywhere: what is not whole waits for more.
class StringText {
  public:
    /// The bytes of the document that something is made of.
    struct Origin {
        uint32_t from = 0, end = 0;
    };
    /// A window has to have room for so much more than the bytes that are put.
    static constexpr uint32_t slack_bytes = 96;
    static constexpr uint32_t slack_runs = 16;

    /// Another string begins. holds_json  whoever reads it takes it for a document. is_given  as TextRun has it.
    void begin(bool holds_json = false, bool is_given = false) noexcept;
    /// A byte of it, which stands at `at`.
    void put(TextWindow& window, char c, uint32_t at) noexcept { put_coded(window, 0, c, {at, at + 1}); }
    /// Is the byte behind this one escaped?
    [[nodiscard]] bool escapes_next() const noexcept { return nests_[0].slash; }
    /// Do bytes other than quotes and backslashes stand for themselves here? Then they may be copied.
    [[nodiscard]] bool is_plain() const noexcept;
    void copy(TextWindow& window, std::string_view bytes, uint32_t at) noexcept;
    /// What is not whole is read as it stands there.
    void end(TextWindow& window) noexcept;
    /// Where what waits for more begins; `at` where nothing does.
    [[nodiscard]] uint32_t waits_from(uint32_t at) const noexcept;
    /// A string held a broken escape: nobody can say what is in it.
    [[nodiscard]] bool is_broken() const noexcept { return broken_; }

    /// The next run begins at such a border.
    void expect(TextRun::Border border) noexcept { pending_ = border; }
    void emit(TextWindow& window, char c, Origin origin, TextRun::Kind kind, uint32_t nest) noexcept;

  private:
    static constexpr uint32_t nesting_max = 4;

    /// A string on its way through the reader: of the document, or of JSON that stands in one.
    struct Nest {
        enum class Form : uint8_t { unknown, plain, json };
        Form form = Form::unknown;
        bool in_string = false;
        bool slash = false;    // the last byte may begin an escape
        uint8_t hex_left = 0;  // digits of "\u0041"
        std::array<char, 4> digits{};
        uint32_t code = 0;
        uint32_t high = 0;  // the first half of a pair, which waits for the second
        Origin escape{}, pair{};
    };
    void end_inner(TextWindow& window, uint32_t nest) noexcept;
    void put(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept;
    void put_plain(TextWindow& window, uint32_t nest, char c, Origin origin, TextRun::Kind kind) noexcept;
    void put_coded(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept;
    void put_escaped(TextWindow& window, uint32_t nest, char c, Origin origin) noexcept;
    void flush_escape(TextWindow& window, uint32_t nest, TextRun::Kind kind) noexcept;
    void put_code(TextWindow& window, uint32_t nest, uint32_t code, Origin origin) noexcept;
    void put_character(TextWindow& window, uint32_t nest, uint32_t code, Origin origin) noexcept;
    void flush_pair(TextWindow& window, uint32_t nest) noexcept;
    void flush_slash(TextWindow& window, uint32_t nest, TextRun::Kind kind) noexcept;

    TextRun::Border pending_ = TextRun::Border::none;  // of the run that comes
    bool broken_ = false;
    bool holds_json_ = false;
    bool is_given_ = false;
    std::array<Nest, nesting_max + 1> nests_;
};

/// Reads a document from front to back, in place. In what tools are given and give, in variables, metadata and schemas
/// all is read, names of members and numbers too. Elsewhere left out are names of members, numbers, values of members
/// that steer and are not read (model, role, type, ids), as far as they have a name's signs, addresses, and long runs
/// of Base64 in members that hold media or what is sealed; everywhere those that say what they are
/// ("data:image/png;base64,"). And credentials that a provider shows to a tool's server.
///
/// JSON inside a string (arguments of tools) is decoded with its strings; a written "\n" of any other text is a break.
class TextReader {
  public:
    /// How parts of one message that follow each other are put together.
    enum class Parts : uint8_t { apart, joined, with_blank };

    static constexpr uint32_t depth_max = 256;  // no reader of requests takes more
    /// A window has to have room for so much more than what is asked for.
    static constexpr uint32_t slack_bytes = StringText::slack_bytes;
    static constexpr uint32_t slack_runs = StringText::slack_runs;

    /// document  well formed and below 4 GiB; borrowed. One that is not gives nonsense, and nothing outside of it is
    ///           read.
    explicit TextReader(std::string_view document, Parts parts = Parts::apart) noexcept;
    TextReader(const TextReader&) = delete;
    /// As if it was new.
    void begin_again(Parts parts) noexcept;

    /// Reads on until the window is full, or until about `bytes` of the document were read. False: it has ended.
    [[nodiscard]] bool fill(TextWindow& window, size_t bytes) noexcept;
    /// A string holds a broken escape: nobody can say what is in it.
    [[nodiscard]] bool is_broken() const noexcept { return string_.is_broken(); }
    /// There were parts that follow each other.
    [[nodiscard]] bool has_parts() const noexcept { return has_parts_; }

  private:
    struct Level {  // without initialisers: there are many, and a document goes some levels deep
        bool in_array;
        bool expects_name;
        bool is_free;      // members have the names that a tool or a client gave them
        bool opens_free;   // the member at hand
        bool steers;       // the member at hand
        bool addresses;    // the member at hand
        bool seals;        // the member at hand may be media without saying so
        bool of_tools;     // a list of tools or their servers, or one of them
        bool conceals;     // the member at hand is a credential for such a server, or all members here are
        bool is_text;      // the member at hand is "text"
        bool is_json;      // the member at hand is a document, where it is a string
        bool gives;        // the member at hand is what a tool is given
        bool is_given;     // all members here are
        uint32_t element;  // of an array: the one at hand, from 1
        uint32_t part;     // of an array: the last whose text was told
    };
    using Origin = StringText::Origin;
    enum class Mode : uint8_t { outside, string, skipped, sealed };

    void step(TextWindow& window) noexcept;
    void open(char bracket) noexcept;
    void close() noexcept;
    void begin_name(TextWindow& window) noexcept;
    void begin_value(TextWindow& window) noexcept;
    [[nodiscard]] size_t name_like_end() const noexcept;
    [[nodiscard]] bool is_address() const noexcept;
    void begin_string(TextWindow& window) noexcept;
    void take_number(TextWindow& window) noexcept;
    [[nodiscard]] TextRun::Border border_of_value() noexcept;
    void read_string(TextWindow& window, size_t stop) noexcept;
    void skip() noexcept;
    void skip_string(size_t stop) noexcept;
    void check_sealed(TextWindow& window, size_t stop) noexcept;
    void end_string(TextWindow& window) noexcept;
    void sign(TextWindow& window, std::string_view bytes, TextRun::Border border) noexcept;

    std::string_view text_;
    Parts parts_;
    size_t at_ = 0;
    size_t value_begin_ = 0;       // of the string at hand
    std::string_view string_end_;  // what is written behind the string at hand
    Mode mode_ = Mode::outside;
    bool has_parts_ = false;
    uint32_t depth_ = 0;
    uint32_t beyond_ = 0;  // levels deeper than there is room for: their texts are read as those of the last
    std::array<Level, depth_max + 1> levels_;
    StringText string_;   // the one at hand
    bool slash_ = false;  // of one that is skipped: the last byte may begin an escape
};

}  // namespace loom::llm
