// From a rule's text to its tree.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "syntax.h"

namespace loom::rule {

/// What is wrong, and at which byte of the rule.
struct Complaint {
    uint32_t offset = 0;
    std::string text;
};

/// Errors  the first thing that does not fit: behind it nothing can be told.
[[nodiscard]] std::expected<Node, Complaint> parse(std::string_view text);

}  // namespace loom::rule
