// Patterns with `*`, `?` and `[...]` as automata of one word: a byte of the text costs one look-up and three
// operations, whatever the pattern.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>

namespace loom::rule {

class Glob {
  public:
    /// Errors  a literal that says what is wrong: more than pattern_bytes_max bytes beside `*`, a `[` without its `]`,
    ///         a range that runs backwards, a character beyond ASCII inside brackets.
    [[nodiscard]] static std::expected<Glob, const char*> compile(std::string_view pattern) noexcept;

    /// Does all of the text match? Linear in its length. `?` is one character; `*` any bytes.
    [[nodiscard]] bool matches(std::string_view text) const noexcept;

  private:
    friend class GlobReader;
    // Bit i of a state: the first i steps of the pattern are done.
    std::array<uint64_t, 256> steps_{};  // by byte: those that it does, from state bit i to i + 1
    uint64_t loops_ = 0;                 // states that stay whatever comes: in front of them stands a `*`
    uint64_t trails_ = 0;                // states behind a `?`: they stay while its character goes on (10xxxxxx)
    uint64_t last_ = 1;                  // the state in which all is done
};

}  // namespace loom::rule
