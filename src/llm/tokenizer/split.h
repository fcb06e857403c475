// Where a piece of text ends that byte-pair encoding merges for itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/llm/tokenizer.h"
#include "unicode_classes.h"

namespace loom::llm {

/// A part of a text, by its characters.
struct TextWindow {
    std::string_view text;
    bool is_last = true;   // nothing follows it
    bool starved = false;  // what follows it decides: the end that was found may be wrong

    enum class Kind : uint8_t { other, newline, space, upper, lower, letter, mark, number, end };
    struct Char {
        Kind kind;
        uint32_t end;  // offset behind it
    };
    /// Bytes that are no UTF-8 are characters for themselves.
    [[nodiscard]] Char at(uint32_t offset) noexcept;
    [[nodiscard]] bool has(uint32_t offset, char byte) noexcept {
        if (offset < text.size()) return text[offset] == byte;
        starved |= !is_last;
        return false;
    }

    const CharClass* classes = char_classes();
};

/// offset  where a piece begins, inside the text. Returns where it ends, behind offset.
[[nodiscard]] uint32_t piece_end(SplitPattern pattern, TextWindow& window, uint32_t offset) noexcept;

}  // namespace loom::llm
