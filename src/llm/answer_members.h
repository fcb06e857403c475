// Is there nothing in an answer but what the hub carries? Its readers pass over what they do not know, which serves who
// translates; an answer in another form must say all that it said.
#pragma once

#include <string_view>

#include "loom/llm/protocol.h"
#include "structure.h"

namespace loom::llm {

/// A document of this protocol. What is null or empty says nothing, and may be anything. Left out of the other form are
/// service_tier, system_fingerprint and the counts of usage that no protocol shares: they tell of the call.
[[nodiscard]] bool knows_answer(Protocol protocol, std::string_view document, Structure& structure);
/// The same for the data of one event of a stream.
[[nodiscard]] bool knows_event(Protocol protocol, std::string_view data, Structure& structure);
/// Are all tools that the request offers functions? Calls of others have members of their own.
[[nodiscard]] bool offers_functions_alone(Protocol protocol, std::string_view request, Structure& structure);

}  // namespace loom::llm
