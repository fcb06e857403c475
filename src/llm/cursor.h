// Walks the tokens of one document under JSON's grammar, once, from left to right. Whoever reads a value consumes it
// whole; what is not wanted is skipped, and judged as strictly as what is read.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "loom/llm/range.h"
#include "structure.h"

namespace loom::llm {

/// Every function that returns bool leaves a fault() behind when it returns false, and the cursor must not be used on.
class Cursor {
  public:
    static constexpr uint32_t depth_max = 256;

    Cursor(std::string_view text, Tokens tokens) noexcept
        : text_(text), next_(tokens.begin), end_(tokens.begin + tokens.count) {}

    /// First byte of the next token; 0 at the end of the document.
    [[nodiscard]] char peek() const noexcept { return next_ == end_ ? '\0' : text_[*next_]; }
    [[nodiscard]] bool at_end() const noexcept { return next_ == end_; }
    [[nodiscard]] uint32_t offset() const noexcept {
        return next_ == end_ ? static_cast<uint32_t>(text_.size()) : *next_;
    }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] const Fault& fault() const noexcept { return fault_; }

    /// At the next token; a document that ended too early says that instead.
    bool fail_here(const char* what) noexcept {
        fault_ = {at_end() ? "the document ends too early" : what, offset()};
        return false;
    }
    bool fail_at(uint32_t offset, const char* what) noexcept {
        fault_ = {what, offset};
        return false;
    }

    /// on_member(Range key): the key with its quotes; it consumes the value.
    template <class OnMember>
    [[nodiscard]] bool each_member(OnMember&& on_member) {
        if (peek() != '{') return fail_here("an object is expected");
        if (!enter()) return false;
        if (peek() == '}') return leave();
        return members_until_end(on_member);
    }

    /// The rest of an object whose brace (or a comma of it) was consumed, up to its closing brace.
    template <class OnMember>
    [[nodiscard]] bool members_until_end(OnMember&& on_member) {
        for (;;) {
            if (peek() != '"') return fail_here("a key in quotes is expected");
            const Range key = take_string();
            if (peek() != ':') return fail_here("a colon is expected behind the key");
            ++next_;
            if (!on_member(key)) return false;
            const char c = peek();
            if (c == '}') return leave();
            if (c != ',') return fail_here("a comma or the end of the object is expected");
            ++next_;
        }
    }

    /// on_element() consumes the element.
    template <class OnElement>
    [[nodiscard]] bool each_element(OnElement&& on_element) {
        if (peek() != '[') return fail_here("an array is expected");
        if (!enter()) return false;
        if (peek() == ']') return leave();
        for (;;) {
            if (!on_element()) return false;
            const char c = peek();
            if (c == ']') return leave();
            if (c != ',') return fail_here("a comma or the end of the array is expected");
            ++next_;
        }
    }

    /// The string under the cursor, quotes included; peek() must be a quote.
    [[nodiscard]] Range take_string() noexcept {
        const uint32_t begin = *next_++;
        // Between a string and the next token stands only white space, so its closing quote is the last one before it.
        uint32_t end = offset();
        while (text_[end - 1] != '"') --end;
        return {begin, end - begin};
    }

    [[nodiscard]] bool skip_value() noexcept {
        const char c = peek();
        if (c == '"') {
            ++next_;
            return true;
        }
        return c == '{' || c == '[' ? skip_container() : skip_scalar();
    }

    /// Skips a value and says where it stood.
    [[nodiscard]] bool skip_value(Range& range) noexcept {
        range.offset = offset();
        if (!skip_value()) return false;
        range.length = last_end() - range.offset;
        return true;
    }

    /// A number, true, false or null: judged, and not consumed when it is none of these.
    [[nodiscard]] bool skip_scalar() noexcept;

    [[nodiscard]] bool is_null() const noexcept { return peek() == 'n' && is_literal("null"); }
    [[nodiscard]] bool is_true() const noexcept { return peek() == 't' && is_literal("true"); }
    [[nodiscard]] bool is_false() const noexcept { return peek() == 'f' && is_literal("false"); }
    [[nodiscard]] bool is_number() const noexcept { return peek() == '-' || (peek() >= '0' && peek() <= '9'); }

    /// A number of digits only, saturated; not consumed, and false without a fault, when it is anything else.
    [[nodiscard]] bool take_count(uint64_t& count) noexcept;

    /// End of the last token consumed.
    [[nodiscard]] uint32_t last_end() const noexcept {
        uint32_t end = offset();
        while (is_space(text_[end - 1])) --end;
        return end;
    }

  private:
    static bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    [[nodiscard]] char at(size_t offset) const noexcept { return offset < text_.size() ? text_[offset] : ' '; }
    [[nodiscard]] bool ends_scalar(size_t offset) const noexcept;
    [[nodiscard]] bool is_literal(std::string_view literal) const noexcept;
    [[nodiscard]] size_t number_end(size_t offset) const noexcept;
    bool skip_container() noexcept;

    bool enter() noexcept {
        if (depth_ == depth_max) return fail_here("the document is nested too deep");
        depth_ += 1;
        ++next_;
        return true;
    }
    bool leave() noexcept {
        depth_ -= 1;
        ++next_;
        return true;
    }

    std::string_view text_;
    const uint32_t* next_;
    const uint32_t* end_;
    uint32_t depth_ = 0;
    Fault fault_;
};

/// The inside of a string's range.
[[nodiscard]] inline std::string_view inside(std::string_view text, Range quoted) {
    return text.substr(quoted.offset + 1, quoted.length - 2);
}

}  // namespace loom::llm
