// Can the tests of a rule be made at all?
#pragma once

#include <span>
#include <vector>

#include "loom/rule/rule.h"
#include "parser.h"

namespace loom::rule {

/// Of all rules' patterns: each is an automaton of 2 KiB.
inline constexpr size_t patterns_max = 64;

/// What is wrong with the tests, in the order of the tree.
[[nodiscard]] std::vector<Complaint> check(const Node& rule, std::span<const KnownValues> known);

}  // namespace loom::rule
