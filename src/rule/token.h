// The words of a rule.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loom::rule {

struct Token {
    enum class Kind : uint8_t { end, word, text, number, clock, symbol, bad };
    Kind kind = Kind::end;
    uint32_t offset = 0;
    std::string_view spelling;  // as it stands in the rule
    std::string text;           // of a text: its content; of a bad token: what is wrong with it
    double number = 0;          // of a clock: seconds since midnight

    [[nodiscard]] bool is(std::string_view wanted) const noexcept {
        return (kind == Kind::word || kind == Kind::symbol) && spelling == wanted;
    }
};

class Lexer {
  public:
    explicit Lexer(std::string_view text) noexcept : text_(text) {}
    [[nodiscard]] Token next();
    /// The name behind a dot, `x-team` of `header.x-team`, where the next byte begins one; else "".
    [[nodiscard]] std::string_view take_name() noexcept;

  private:
    Token read_text();
    Token read_number();
    Token read_clock(size_t begin);
    Token read_symbol();
    Token make(Token::Kind kind, size_t begin) const;
    Token bad(size_t begin, std::string what) const;
    [[nodiscard]] char peek(size_t ahead = 0) const noexcept {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace loom::rule
