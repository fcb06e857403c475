// From a rule's tree to its program.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "check.h"
#include "loom/base/assert.h"
#include "parser.h"
#include "program.h"
#include "relation.h"

namespace loom::rule {

class Compiler {
  public:
    Compiler() : program_(std::make_unique<Rule::Program>()) { program_->names.emplace_back(); }

    Rule run(const Node& rule) {
        write(rule);
        LOOM_ASSERT(depth_ == 1 && deepest_ <= stack_depth_max);
        LOOM_ASSERT(program_->code.size() < std::numeric_limits<uint16_t>::max());  // a rule's text is short
        return Rule(std::move(program_));
    }

  private:
    void write(const Node& node) {
        switch (node.kind) {
            case Node::Kind::all: return write_joined(node, Op::skip_if_no, Op::both);
            case Node::Kind::any: return write_joined(node, Op::skip_if_yes, Op::either);
            case Node::Kind::negation:
                write(node.children.front());
                put({.op = Op::negate});
                return;
            case Node::Kind::test: return write_test(node);
            case Node::Kind::flag: return write_flag(node.left);
            case Node::Kind::has: return push({.op = Op::has, .left = side(node.left)});
        }
    }

    void write_joined(const Node& node, Op skip, Op join) {
        std::vector<size_t> skips;
        for (const Node& child : node.children) {
            const bool is_first = &child == &node.children.front();
            if (!is_first) {
                skips.push_back(program_->code.size());
                put({.op = skip});
            }
            write(child);
            if (is_first) continue;
            put({.op = join});
            depth_ -= 1;
        }
        for (const size_t at : skips) program_->code[at].first = static_cast<uint16_t>(program_->code.size());
    }

    void write_flag(const Operand& operand) {
        if (operand.is_attribute()) return push({.op = Op::flag, .left = side(operand)});
        push({.op = Op::constant, .verdict = verdict(operand.flag)});
    }

    void write_test(const Node& node) {
        const bool negated = node.relation == Relation::not_equal || node.relation == Relation::not_in;
        const bool is_address = node.left.is_attribute() && node.left.row().type == Type::address;
        if (node.relation == Relation::matches) {
            write_patterns(node);
        } else if (is_address) {
            write_networks(node);
        } else if (node.right.kind == Operand::Kind::list) {
            write_set(node);
        } else if (node.relation == Relation::contains && is_claim(node.left)) {
            // Whether a claim is a text or a list is its issuer's whim: "admin" must not be found in "superadmin".
            push({.op = Op::test, .relation = Relation::in, .left = side(node.right), .right = side(node.left)});
        } else {
            const Relation relation = node.relation == Relation::not_equal ? Relation::equal
                                      : node.relation == Relation::not_in  ? Relation::in
                                                                           : node.relation;
            push({.op = Op::test, .relation = relation, .left = side(node.left), .right = side(node.right)});
        }
        if (negated) put({.op = Op::negate});
    }

    static bool is_claim(const Operand& operand) { return operand.is_attribute() && operand.row().type == Type::any; }

    void write_patterns(const Node& node) {
        const auto first = program_->globs.size();
        each_item(node.right, [this](const Operand& item) { program_->globs.push_back(*Glob::compile(item.text)); });
        push_set(Op::matches, node.left, first, program_->globs.size());
    }

    void write_networks(const Node& node) {
        const auto first = program_->networks.size();
        each_item(node.right,
                  [this](const Operand& item) { program_->networks.push_back(*IpNetwork::parse(item.text)); });
        push_set(Op::in_networks, node.left, first, program_->networks.size());
    }

    void write_set(const Node& node) {
        if (node.right.items.front().kind == Operand::Kind::text) {
            const size_t first = program_->texts.size();
            for (const Operand& item : node.right.items) program_->texts.push_back(keep(item.text));
            std::ranges::sort(program_->texts.begin() + static_cast<ptrdiff_t>(first), program_->texts.end());
            return push_set(Op::among_texts, node.left, first, program_->texts.size());
        }
        const size_t first = program_->numbers.size();
        for (const Operand& item : node.right.items) program_->numbers.push_back(item.number);
        std::ranges::sort(program_->numbers.begin() + static_cast<ptrdiff_t>(first), program_->numbers.end());
        push_set(Op::among_numbers, node.left, first, program_->numbers.size());
    }

    template <class Do>
    static void each_item(const Operand& operand, Do what) {
        if (operand.kind != Operand::Kind::list) return what(operand);
        std::ranges::for_each(operand.items, what);
    }

    void push_set(Op op, const Operand& left, size_t first, size_t end) {
        push({.op = op,
              .left = side(left),
              .first = static_cast<uint16_t>(first),
              .count = static_cast<uint16_t>(end - first)});
    }

    Side side(const Operand& operand) {
        if (operand.is_attribute()) {
            program_->uses.set(static_cast<size_t>(operand.attribute));
            const uint16_t name = name_index(operand.text);
            const std::pair use(operand.attribute, program_->names[name]);
            if (operand.row().keyed && std::ranges::find(program_->keyed, use) == program_->keyed.end())
                program_->keyed.push_back(use);
            return {.attribute = operand.attribute, .index = name};
        }
        program_->literals.push_back(literal(operand));
        return {.is_literal = true, .index = static_cast<uint16_t>(program_->literals.size() - 1)};
    }

    Value literal(const Operand& operand) {
        if (operand.kind == Operand::Kind::text) return Value::of_text(keep(operand.text));
        return operand.kind == Operand::Kind::flag ? Value::of_flag(operand.flag) : Value::of_number(operand.number);
    }

    uint16_t name_index(std::string_view name) {
        auto& names = program_->names;
        const auto found = std::ranges::find(names, name);
        if (found != names.end()) return static_cast<uint16_t>(found - names.begin());
        names.push_back(keep(name));
        return static_cast<uint16_t>(names.size() - 1);
    }

    std::string_view keep(std::string_view text) { return program_->strings.emplace_back(text); }

    void put(Instruction one) { program_->code.push_back(one); }
    void push(Instruction one) {
        put(one);
        depth_ += 1;
        deepest_ = std::max(deepest_, depth_);
    }

    std::unique_ptr<Rule::Program> program_;
    size_t depth_ = 0;  // of the stack, where the next instruction is
    size_t deepest_ = 0;
};

namespace {

Fault fault_at(std::string_view text, const Complaint& complaint) {
    const std::string_view before = text.substr(0, complaint.offset);
    const auto characters = std::ranges::count_if(before, [](char c) { return (c & 0xc0) != 0x80; });
    return {static_cast<uint32_t>(characters) + 1, complaint.text};
}

}  // namespace

Rule::Rule(std::unique_ptr<const Program> program) noexcept : program_(std::move(program)) {}
Rule::Rule(Rule&&) noexcept = default;
Rule& Rule::operator=(Rule&&) noexcept = default;
Rule::~Rule() = default;

std::expected<Rule, std::vector<Fault>> Rule::compile(std::string_view text, std::span<const KnownValues> known) {
    const auto tree = parse(text);
    if (!tree) return std::unexpected(std::vector{fault_at(text, tree.error())});
    std::vector<Fault> faults;
    for (const Complaint& complaint : check(*tree, known)) faults.push_back(fault_at(text, complaint));
    if (!faults.empty()) return std::unexpected(std::move(faults));
    return Compiler().run(*tree);
}

const AttributeSet& Rule::uses() const noexcept { return program_->uses; }

std::vector<std::string_view> Rule::names_of(Attribute attribute) const {
    std::vector<std::string_view> names;
    for (const auto& [keyed, name] : program_->keyed)
        if (keyed == attribute) names.push_back(name);
    return names;
}

}  // namespace loom::rule
