// Names and ids that the other side refuses, and what stands for them there: a tool's name over 64 bytes, an id with a
// character that is not allowed. Made as the request is written, looked up as its answer is read.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "chat.h"
#include "loom/base/hash.h"

namespace loom::llm {

/// What a protocol allows in a name.
struct NameRule {
    uint32_t bytes_max = 64;
    bool dots = false;          // '.' and ':' beside letters, digits, '_' and '-'
    bool letter_first = false;  // a letter or '_' must come first
};

class Aliases {
  public:
    explicit Aliases(Arena& arena) noexcept : arena_(arena) {}

    /// The name itself where the rule allows it, else one that it allows: the same for the same name, no other's.
    [[nodiscard]] Text alias_of(Text name, NameRule rule);
    /// The name behind an alias; the name itself when it is none.
    [[nodiscard]] Text original_of(Text alias) const noexcept;

    /// The client spoke of OpenAI's `functions`, before there were tools: its answer's call is a `function_call`.
    bool legacy_functions = false;

  private:
    using Names = std::unordered_map<Text, Text, StringHash>;  // a request may hold as many as it has bytes for

    Arena& arena_;
    Names aliases_;    // by name
    Names originals_;  // by alias
};

}  // namespace loom::llm
