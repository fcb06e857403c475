// A piece of a document, by place: an edit names what it changes this way, and nothing is copied.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm {

/// Bytes [offset, offset + length) of the document it came from. An absent value has length 0 (no JSON value is empty).
struct Range {
    uint32_t offset = 0;
    uint32_t length = 0;

    [[nodiscard]] constexpr uint32_t end() const noexcept { return offset + length; }
    [[nodiscard]] constexpr bool absent() const noexcept { return length == 0; }
    friend constexpr bool operator==(Range, Range) = default;
};

/// The range must lie inside the document.
[[nodiscard]] constexpr std::string_view text_of(std::string_view document, Range range) {
    return document.substr(range.offset, range.length);
}

}  // namespace loom::llm
