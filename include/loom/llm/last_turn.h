// The last turn of a chat: what a person asks, apart from all that it is asked in.
#pragma once

#include <cstdint>
#include <string_view>

#include "loom/llm/endpoint.h"
#include "loom/llm/range.h"

namespace loom::llm {

/// The one text of the last turn, where that is the user's and nothing but a text: as a string, or as the only part of
/// its kind. Absent for everything else: pictures and other parts, several parts, results of tools, an answer that is
/// begun, prompts that are no chat, members that nobody here knows.
/// document  that a RequestReader has read without a fault.      turns  its messages, input or contents (raw value).
/// Returns the raw JSON string, quotes included. Linear in the turns; nothing is copied.
[[nodiscard]] Range lone_last_text(Endpoint endpoint, std::string_view document, Range turns) noexcept;

}  // namespace loom::llm
