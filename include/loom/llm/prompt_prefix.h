// The part of a prompt that all turns of a conversation have in common: what a provider's prompt cache is looked up by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loom/llm/edits.h"
#include "loom/llm/request.h"

namespace loom::llm {

/// Of the tools, the system prompt and the messages up to the first user's, in this order and up to `bytes_max` of
/// them, as they stand in the body; marks for the cache (cache_control), which clients move from turn to turn, left
/// out. So the second turn has the first one's hash. What has no such beginning is hashed by its messages. Never 0.
/// body  what `request` was read of. Nothing is copied.
[[nodiscard]] uint64_t hash_prompt_prefix(const Request& request, std::string_view body, size_t bytes_max) noexcept;

/// A prompt_cache_key in front of the document's members; `key` needs no escape and stays put like every replacement.
/// False, with nothing put, where the document has one, or words that may be one: null, empty, inside of another
/// member, or spelt with escapes. Two of that name would be wrong.
[[nodiscard]] bool put_prompt_cache_key(Edits& edits, const Request& request, std::string_view body,
                                        std::string_view key) noexcept;

}  // namespace loom::llm
