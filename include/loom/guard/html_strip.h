// Takes HTML out of a text that somebody may show as HTML. Pure; a text comes in pieces, cut anywhere, and what is told
// is what the whole gives.
//
// Tags, attributes, comments and raw texts are read as browsers read them (WHATWG HTML, 13.2.5 Tokenization). Whatever
// the text was, in what is told each '<' begins a whole tag or comment that is kept and holds no other '<', or what
// follows it begins none. So no place of it is a tag to any reader, however that reads what stands around it, and
// doing it once more changes nothing. What would break that is broken itself, by a blank behind its '<' and without
// loss: a tag in which another '<' stands, that is never closed, longer than tag_bytes_max, or so misspelt that readers
// may differ about it, and the last of a text, since texts may be joined. Any other stays as it is: "a < b", "<3".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loom/base/block_pool.h"

namespace loom::guard {

enum class HtmlMode : uint8_t {
    off,
    /// Elements that act, load documents or ask for what is typed (script with its code, style, iframe, object, form,
    /// svg, …), attributes that are code (on…, style, srcdoc, formaction), addresses that are (javascript:, vbscript:,
    /// data: but for pictures), comments that hold tags. All else is kept byte for byte.
    scripts,
    all,  // every tag and comment, and the code of script and style; of <https://…> and <a@b> the brackets
};

/// Of one text.
class HtmlStrip {
  public:
    /// What it holds back at most, of a tag, a comment, or a script from its first tag to its last; in characters.
    static constexpr uint32_t tag_bytes_max = 4096;

    HtmlStrip(HtmlMode mode, BlockPool& blocks) noexcept
        : mode_(mode), chars_(blocks), lengths_(blocks), written_(blocks) {}

    /// Placeholders (guard::MaskTable) have their values put in their places behind this: no '<' is told in front of
    /// one, and none in a tag. Before the first character.
    void expect_placeholders() noexcept { placeholders_ = true; }

    /// c        one character of the text; any value of 0x80 and above for what is not ASCII.
    /// written  the bytes that stand for it where it comes from (an escape of JSON), at most 255.
    /// Appends to `out` what is decided, as it is written.
    void put(char c, std::string_view written, ByteBuffer& out);
    /// May characters that are no '<' be passed?
    [[nodiscard]] bool holds() const noexcept { return state_ != State::text; }
    void pass(std::string_view plain, ByteBuffer& out);
    /// The text is over. Nothing is put behind it.
    void end(ByteBuffer& out);

    /// Tags, comments and attributes that were taken out or broken.
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    [[nodiscard]] size_t memory_bytes() const noexcept {
        return chars_.capacity() + lengths_.capacity() + written_.capacity();
    }

  private:
    enum class State : uint8_t {
        text,
        open,   // behind '<'
        close,  // behind "</"
        declaration,
        dash,   // behind "<!-"
        bogus,  // "<!x", "<?x", "</1": a comment up to the next '>'
        comment,
        tag,
        code,      // of a script or a style
        code_end,  // in the tag that ends it
    };
    enum class Place : uint8_t {
        name,
        between,  // attributes
        attribute,
        behind_attribute,
        before_value,
        double_quoted,
        single_quoted,
        unquoted,
        behind_value,
    };
    struct Cut {
        uint16_t begin = 0, end = 0;
    };
    static constexpr size_t cuts_max = 16;

    [[nodiscard]] bool breaks_at_open() const noexcept {
        return state_ != State::comment && state_ != State::code && state_ != State::code_end;
    }
    void begin(std::string_view written);
    void hold(char c, std::string_view written);
    void step(char c, ByteBuffer& out);
    void step_open(char c, ByteBuffer& out);
    void step_close(char c, ByteBuffer& out);
    void step_declaration(char c, ByteBuffer& out);
    void step_comment(char c, ByteBuffer& out);
    void step_tag(char c, ByteBuffer& out);
    void step_code(char c, ByteBuffer& out);
    void begin_tag(bool is_end) noexcept;
    void begin_attribute() noexcept;
    void end_attribute(uint32_t value_end, uint32_t end);
    void begin_comment(ByteBuffer& out);
    void end_tag(ByteBuffer& out);
    void end_bogus(ByteBuffer& out);
    [[nodiscard]] bool is_address() const noexcept;
    [[nodiscard]] std::string_view held(uint32_t begin, uint32_t end) const noexcept {
        return chars_.view().substr(begin, end - begin);
    }
    [[nodiscard]] uint32_t held_count() const noexcept { return static_cast<uint32_t>(chars_.size()); }
    void keep(ByteBuffer& out);
    void keep_without_cuts(ByteBuffer& out);
    void take_out(ByteBuffer& out);
    void break_open(ByteBuffer& out);
    void give_up(ByteBuffer& out);
    void put_again(uint32_t from, ByteBuffer& out);
    void let_go() noexcept;

    const HtmlMode mode_;
    bool placeholders_ = false;
    State state_ = State::text;
    Place place_ = Place::name;
    bool behind_open_ = false;                    // what was told last is a '<' that begins nothing
    bool is_end_ = false;                         // a tag that ends an element
    bool odd_ = false;                            // readers may differ about it
    bool has_open_ = false;                       // a comment that holds a '<'
    bool no_code_ = false, no_comments_ = false;  // one was never closed: the rest of the text is read without
    uint8_t match_ = 0;                           // of "</script"
    bool too_many_cuts_ = false;
    uint8_t cut_count_ = 0;
    uint32_t name_end_ = 0, attribute_ = 0, attribute_end_ = 0, value_ = 0, tag_end_ = 0;
    uint32_t name_ = 0;
    uint32_t count_ = 0;
    std::array<Cut, cuts_max> cuts_;
    ByteBuffer chars_, lengths_, written_;  // what is held: its characters, how long each is written, and how
};

}  // namespace loom::guard
