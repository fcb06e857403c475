// One look at a prompt: which themes its words speak of, and what form it has.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "prompt_words.h"

namespace loom::route {

struct PromptForm {
    std::array<float, theme_count + 1> themes{};  // the words' weights, summed: each word once, more at the front
    float wanted_language = 0;                    // a language behind `to`, `in`, `auf` …
    uint32_t words = 0;
    uint32_t list_items = 0;  // lines that begin with a dash or a star
    uint32_t fences = 0;      // ```
    uint32_t code_marks = 0;  // {} ; == => :: () and the like
    uint32_t names = 0;       // snake_case, camelCase
    uint32_t sums = 0;        // digits beside operators, ^, and signs such as ∫
    uint32_t clauses = 0;     // commas, semicolons, colons

    [[nodiscard]] float of(Theme theme) const noexcept { return themes[static_cast<size_t>(theme)]; }
};

/// text  the inside of a JSON string. Broken escapes and bytes that are not UTF-8 are passed over.
[[nodiscard]] PromptForm scan_prompt(std::string_view text) noexcept;

/// What is read word by word: so much of the beginning, and of the end.
inline constexpr size_t head_bytes_max = 576;
inline constexpr size_t tail_bytes_max = 192;

}  // namespace loom::route
