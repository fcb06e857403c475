// The members of a usage object, in whatever protocol's spelling.
#pragma once

#include "cursor.h"
#include "loom/llm/usage.h"

namespace loom::llm {

/// The cursor stands at the object. `found` says whether it told any count; usage is written then alone.
[[nodiscard]] bool read_usage_object(Cursor& cursor, Usage& usage, bool& found);

}  // namespace loom::llm
