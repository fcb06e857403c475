// A rule's program, run. This is on the request's path: no allocation, no recursion, no jump backwards.
#include <algorithm>
#include <array>

#include "program.h"
#include "relation.h"

namespace loom::rule {
namespace {

Verdict of_flag(const Value& value) noexcept {
    return value.kind == Kind::flag ? verdict(value.flag) : Verdict::unknown;
}

}  // namespace

Verdict Rule::Program::in_networks(const Instruction& one, const Facts& facts) const noexcept {
    const Value value = this->value(one.left, facts);
    if (value.kind != Kind::address) return Verdict::unknown;
    const auto begin = networks.begin() + one.first;
    const auto holds_it = [&value](const IpNetwork& network) { return network.contains(*value.address); };
    return verdict(std::any_of(begin, begin + one.count, holds_it));
}

Verdict Rule::Program::matches(const Instruction& one, const Facts& facts) const noexcept {
    const Value value = this->value(one.left, facts);
    if (value.kind != Kind::text) return Verdict::unknown;
    const auto begin = globs.begin() + one.first;
    return verdict(
        std::any_of(begin, begin + one.count, [&value](const Glob& glob) { return glob.matches(value.text); }));
}

/// The instructions that ask the facts.
Verdict Rule::Program::test(const Instruction& one, const Facts& facts) const noexcept {
    switch (one.op) {
        case Op::flag: return of_flag(value(one.left, facts));
        case Op::has: return verdict(value(one.left, facts).kind != Kind::missing);
        case Op::test: return relate(one.relation, value(one.left, facts), value(one.right, facts));
        case Op::among_texts: return is_among(value(one.left, facts), std::span(texts).subspan(one.first, one.count));
        case Op::among_numbers:
            return is_among(value(one.left, facts), std::span(numbers).subspan(one.first, one.count));
        case Op::in_networks: return in_networks(one, facts);
        case Op::matches: return matches(one, facts);
        default: return one.verdict;
    }
}

Verdict Rule::evaluate(const Facts& facts) const noexcept {
    std::array<Verdict, stack_depth_max> stack;
    size_t size = 0;
    const std::vector<Instruction>& code = program_->code;
    for (size_t at = 0; at < code.size(); ++at) {
        const Instruction& one = code[at];
        switch (one.op) {
            case Op::negate: stack[size - 1] = negation(stack[size - 1]); break;
            case Op::both:
                size -= 1;
                stack[size - 1] = std::min(stack[size - 1], stack[size]);
                break;
            case Op::either:
                size -= 1;
                stack[size - 1] = std::max(stack[size - 1], stack[size]);
                break;
            case Op::skip_if_no:
                if (stack[size - 1] == Verdict::no) at = one.first - 1u;
                break;
            case Op::skip_if_yes:
                if (stack[size - 1] == Verdict::yes) at = one.first - 1u;
                break;
            default: stack[size++] = program_->test(one, facts);
        }
    }
    return stack[0];
}

}  // namespace loom::rule
