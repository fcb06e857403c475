// The one door to simdjson. JSON is read on demand, in place, and never rebuilt: what a reader wants to change it names
// by offset (see llm/edits.h). Input must have `padding_bytes` readable bytes behind it.
#pragma once

#include <cassert>  // simdjson 3.0 uses assert without it

#include <simdjson.h>

namespace loom::json {

namespace ondemand = simdjson::ondemand;
inline constexpr size_t padding_bytes = simdjson::SIMDJSON_PADDING;

}  // namespace loom::json
