// A rule as a tree, as it was written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loom/rule/facts.h"

namespace loom::rule {

enum class Relation : uint8_t {
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    not_in,
    contains,
    starts_with,
    ends_with,
    matches,
};
/// As the language spells it.
[[nodiscard]] const char* spelling_of(Relation relation) noexcept;

/// One side of a test.
struct Operand {
    enum class Kind : uint8_t { attribute, text, number, clock, flag, list };
    Kind kind = Kind::flag;
    uint32_t offset = 0;  // where it stands
    Attribute attribute = Attribute::model;
    std::string text;   // of a text; of an attribute: its name's, "" where it takes none
    double number = 0;  // of a number; of a clock: seconds since midnight
    bool flag = false;
    std::vector<Operand> items;  // of a list: texts, numbers or clocks

    [[nodiscard]] bool is_attribute() const noexcept { return kind == Kind::attribute; }
    [[nodiscard]] const AttributeRow& row() const noexcept { return attributes()[static_cast<size_t>(attribute)]; }
};

struct Node {
    enum class Kind : uint8_t { all, any, negation, test, flag, has };
    Kind kind = Kind::flag;
    uint32_t offset = 0;  // of its first word; a test's relation
    Relation relation = Relation::equal;
    Operand left;                // of a test; a flag's or has()'s attribute, or a constant
    Operand right;               // of a test
    std::vector<Node> children;  // of all, any (two or more) and negation (one)
};

}  // namespace loom::rule
