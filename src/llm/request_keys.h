// The members of a request that decide something, and how they are told from all others.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm {

enum class Key : uint8_t {
    model,
    stream,
    stream_options,
    messages,
    prompt,
    input,
    max_tokens,
    max_completion_tokens,
    max_output_tokens,
    n,
    user,
    tools,
    functions,
    tool_choice,
    system,
    instructions,
    anthropic_version,
    previous_response_id,
    conversation,
    include_usage,  // inside stream_options
    other,
};

struct KeyFacts {
    std::string_view name;
    const char* param;       // the name as a literal for the error
    const char* duplicate;   // the fault when it stands twice
    const char* wrong_type;  // the fault when its value is of another type
};

[[nodiscard]] const KeyFacts& facts_of(Key key) noexcept;

/// raw        the key without its quotes, undecoded.
/// disguised  set when it is spelled otherwise than `name` (escapes, another case, U+017F or U+212A for s and k) and
///            yet some parser of an upstream would take it for the key that is returned.
[[nodiscard]] Key key_of(std::string_view raw, bool& disguised) noexcept;

}  // namespace loom::llm
