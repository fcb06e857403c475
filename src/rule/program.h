// A compiled rule: instructions that leave verdicts on a stack, and what they refer to.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "glob.h"
#include "loom/rule/rule.h"
#include "syntax.h"

namespace loom::rule {

enum class Op : uint8_t {
    constant,     // pushes `verdict`
    flag,         // pushes what `left` says
    has,          // pushes whether `left` is there
    test,         // pushes `left relation right`
    among_texts,  // pushes whether `left` is one of texts[first, first + count)
    among_numbers,
    in_networks,
    matches,
    negate,      // of the top
    both,        // of the top two
    either,      // of the top two
    skip_if_no,  // jumps to `first` where the top is no: what follows would not change it
    skip_if_yes,
};

struct Side {
    bool is_literal = false;
    Attribute attribute = Attribute::model;
    uint16_t index = 0;  // of the literal, or of the attribute's name
};

struct Instruction {
    Op op = Op::constant;
    Relation relation = Relation::equal;
    Verdict verdict = Verdict::no;
    Side left;
    Side right;
    uint16_t first = 0;
    uint16_t count = 0;
};
static_assert(sizeof(Instruction) <= 16);

struct Rule::Program {
    std::vector<Instruction> code;
    std::vector<Value> literals;
    std::vector<std::string_view> names;  // of keyed attributes; the first is ""
    std::vector<std::string_view> texts;  // each set sorted
    std::vector<double> numbers;          // likewise
    std::vector<IpNetwork> networks;
    std::vector<Glob> globs;
    std::deque<std::string> strings;  // what the views point into
    AttributeSet uses;
    std::vector<std::pair<Attribute, std::string_view>> keyed;  // header["x"]: which names are asked for

    [[nodiscard]] Value value(Side side, const Facts& facts) const noexcept {
        return side.is_literal ? literals[side.index] : facts.get(side.attribute, names[side.index]);
    }
    [[nodiscard]] Verdict test(const Instruction& one, const Facts& facts) const noexcept;
    [[nodiscard]] Verdict in_networks(const Instruction& one, const Facts& facts) const noexcept;
    [[nodiscard]] Verdict matches(const Instruction& one, const Facts& facts) const noexcept;
};

/// A verdict waits for each `and` and `or` that is open: two for each parenthesis, and two outside of all.
inline constexpr size_t stack_depth_max = 2 * (depth_max + 1) + 1;

}  // namespace loom::rule
