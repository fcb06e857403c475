// JSON of strangers, read whole into a parser whose memory and depth are bounded.
#pragma once

#include <algorithm>
#include <string_view>

#include "loom/base/json.h"

namespace loom::json {

/// An object and nothing else; it lives until the parser's next use. False for any other bytes, and for what is nested
/// deeper than depth_max. The parser keeps its room.
[[nodiscard]] inline bool parse_bounded(simdjson::dom::parser& parser, std::string_view text, size_t depth_max,
                                        simdjson::dom::object& out) {
    if (text.empty()) return false;
    // Below its least capacity a parser would help itself to one of another depth.
    const size_t capacity = std::max<size_t>(text.size(), 1024);
    if (parser.capacity() < capacity && parser.allocate(capacity, depth_max) != simdjson::SUCCESS) return false;
    return parser.parse(text.data(), text.size()).get(out) == simdjson::SUCCESS;
}

}  // namespace loom::json
