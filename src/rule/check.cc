#include "check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "glob.h"
#include "loom/base/edit_distance.h"

namespace loom::rule {
namespace {

constexpr size_t shown_values_max = 12;
constexpr std::array<std::string_view, 7> weekdays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

// What a value may turn out to be, one bit each.
enum Shape : uint8_t { text = 1, number = 2, flag = 4, clock = 8, address = 16, list = 32 };
constexpr uint8_t scalar = text | number | flag | clock;

uint8_t shapes(Type type) noexcept {
    switch (type) {
        case Type::text: return text;
        case Type::number: return number;
        case Type::flag: return flag;
        case Type::list: return list;
        case Type::address: return address;
        case Type::clock: return clock;
        case Type::loose: return text | number | flag;
        case Type::any: return text | number | flag | list;
    }
    return 0;
}

uint8_t shapes(const Operand& operand) noexcept {
    switch (operand.kind) {
        case Operand::Kind::attribute: return shapes(operand.row().type);
        case Operand::Kind::text: return text;
        case Operand::Kind::number: return number;
        case Operand::Kind::clock: return clock;
        case Operand::Kind::flag: return flag;
        case Operand::Kind::list: return list;
    }
    return 0;
}

const char* described(uint8_t shapes) noexcept {
    if ((shapes & text) != 0) return "a text, in quotes";
    if ((shapes & number) != 0) return "a number";
    if ((shapes & clock) != 0) return "a time of day without quotes, such as 09:30";
    if ((shapes & address) != 0) return "an address or network in quotes, such as \"10.0.0.0/8\"";
    return (shapes & flag) != 0 ? "true or false" : "a list";
}

std::string named(const Operand& operand) {
    if (operand.is_attribute()) return std::string(operand.row().name);
    return operand.kind == Operand::Kind::list ? "a list" : "a constant";
}

class Checker {
  public:
    explicit Checker(std::span<const KnownValues> known) : known_(known) {}

    std::vector<Complaint> run(const Node& rule) {
        check_node(rule);
        return std::move(complaints_);
    }

  private:
    void check_node(const Node& node) {
        switch (node.kind) {
            case Node::Kind::all:
            case Node::Kind::any:
            case Node::Kind::negation:
                for (const Node& child : node.children) check_node(child);
                return;
            case Node::Kind::test: return check_test(node);
            case Node::Kind::flag: return check_flag(node.left);
            case Node::Kind::has: return;
        }
    }

    void check_flag(const Operand& operand) {
        if (operand.kind == Operand::Kind::flag) return;
        if (operand.is_attribute() && operand.row().type == Type::flag) return;
        if (!operand.is_attribute())
            return complain(operand.offset, "a constant is no test; compare an attribute with it");
        const auto [relation, constant] = example(operand.row().type);
        complain(operand.offset, fmt::format("{0} is not yes or no by itself; compare it: {0} {1} {2}, or ask has({0})",
                                             written(operand), relation, constant));
    }

    static std::pair<const char*, const char*> example(Type type) noexcept {
        switch (type) {
            case Type::number: return {">", "100"};
            case Type::clock: return {">=", "09:00"};
            case Type::list: return {"contains", "\"x\""};
            case Type::address: return {"in", "\"10.0.0.0/8\""};
            default: return {"==", "\"x\""};
        }
    }
    static std::string written(const Operand& operand) {
        if (!operand.row().keyed) return std::string(operand.row().name);
        return fmt::format("{}[\"{}\"]", operand.row().name, operand.text);
    }

    void check_test(const Node& test) {
        const Operand &left = test.left, &right = test.right;
        if (left.kind == Operand::Kind::list)
            return complain(left.offset, "a list stands on the right: model in [\"a\", \"b\"]");
        if (!left.is_attribute() && !right.is_attribute())
            return complain(left.offset, "a test of two constants; one side has to be an attribute");
        switch (test.relation) {
            case Relation::equal:
            case Relation::not_equal: return check_equal(test);
            case Relation::less:
            case Relation::less_equal:
            case Relation::greater:
            case Relation::greater_equal: return check_order(test);
            case Relation::in:
            case Relation::not_in: return check_in(test);
            case Relation::contains: return check_part(test, text | list);
            case Relation::starts_with:
            case Relation::ends_with: return check_part(test, text);
            case Relation::matches: return check_matches(test);
        }
    }

    void check_equal(const Node& test) {
        const Operand &left = test.left, &right = test.right;
        const char* const word = test.relation == Relation::equal ? "in" : "not in";
        if (right.kind == Operand::Kind::list)
            return complain(test.offset, fmt::format("a list is asked by '{}': {} {} [...]", word, named(left), word));
        for (const Operand* side : {&left, &right})
            if (shapes(*side) == list)
                return complain(test.offset, fmt::format("{0} is a list: write \"x\" {1} {0}", named(*side), word));
        if (shapes(left) == address || shapes(right) == address) return check_address(test);
        if ((shapes(left) & shapes(right) & scalar) == 0) return mismatch(left, right);
        check_known(left, right);
        check_known(right, left);
    }

    void check_order(const Node& test) {
        constexpr uint8_t ordered = number | clock;
        const Operand &left = test.left, &right = test.right;
        if ((shapes(left) & shapes(right) & ordered) != 0) return;
        const Operand& fault = (shapes(left) & ordered) == 0 ? left : right;
        const Operand& other = &fault == &left ? right : left;
        if ((shapes(other) & ordered) != 0) return mismatch(other, fault);
        complain(test.offset, fmt::format("'{}' compares numbers and times of day alone", spelling_of(test.relation)));
    }

    void check_in(const Node& test) {
        const Operand &left = test.left, &right = test.right;
        if (shapes(left) == address) return check_address(test);
        if (shapes(left) == list)
            return complain(test.offset,
                            fmt::format("{0} is a list itself: write \"a\" in {0} or \"b\" in {0}", named(left)));
        if (right.kind == Operand::Kind::list) {
            for (const Operand& item : right.items) {
                if ((shapes(left) & shapes(item)) == 0) return mismatch(left, item);
                check_known(left, item);
            }
            return;
        }
        if ((shapes(right) & list) == 0)
            return complain(right.offset,
                            "'in' asks a list, as in model in [\"a\", \"b\"]; a part of a text is asked by 'contains'");
        if ((shapes(left) & text) == 0 && shapes(right) == list)
            return complain(left.offset, fmt::format("{0} holds texts: \"x\" in {0}", named(right)));
        check_known(right, left);
    }

    /// The client's address is asked for addresses and networks.
    void check_address(const Node& test) {
        const bool is_in = test.relation == Relation::in || test.relation == Relation::not_in;
        const Operand& right = test.right;
        if (shapes(test.left) != address) return complain(test.offset, "ip stands on the left: ip == \"192.0.2.1\"");
        if (right.kind == Operand::Kind::list && is_in)
            for (const Operand& item : right.items) check_network(item, true);
        else
            check_network(right, is_in);
    }

    void check_network(const Operand& operand, bool may_be_range) {
        if (operand.kind != Operand::Kind::text)
            return complain(operand.offset, fmt::format("ip is compared with {}", described(address)));
        const auto network = IpNetwork::parse(operand.text);
        if (!network) return complain(operand.offset, fmt::format("\"{}\": {}", operand.text, network.error().what));
        if (!may_be_range && operand.text.find('/') != operand.text.npos)
            complain(operand.offset, fmt::format("a network is asked by 'in': ip in \"{}\"", operand.text));
    }

    void check_part(const Node& test, uint8_t wholes) {
        const Operand &left = test.left, &right = test.right;
        const char* const relation = spelling_of(test.relation);
        if ((shapes(left) & wholes) == 0)
            return complain(test.offset, fmt::format("'{}' looks into texts; {} is none", relation, named(left)));
        if ((shapes(right) & text) == 0)
            return complain(right.offset, fmt::format("'{}' takes a text, in quotes", relation));
        if (right.kind == Operand::Kind::text && right.text.empty() && shapes(left) != list)
            return complain(right.offset, "the empty text is part of every text");
        if (shapes(left) == list) check_known(left, right);
    }

    void check_matches(const Node& test) {
        const Operand &left = test.left, &right = test.right;
        if ((shapes(left) & text) == 0 || !left.is_attribute())
            return complain(test.offset, fmt::format("'matches' looks at texts; {} is none", named(left)));
        if (right.kind == Operand::Kind::list) {
            for (const Operand& item : right.items) check_pattern(item);
        } else {
            check_pattern(right);
        }
    }

    void check_pattern(const Operand& pattern) {
        if (pattern.kind != Operand::Kind::text)
            return complain(pattern.offset, "'matches' takes a pattern in quotes, or a list of them");
        if (const auto glob = Glob::compile(pattern.text); !glob) return complain(pattern.offset, glob.error());
        if (++pattern_count_ == patterns_max + 1)
            complain(pattern.offset, fmt::format("a rule has at most {} patterns", patterns_max));
    }

    /// Can the attribute ever be this text?
    void check_known(const Operand& operand, const Operand& constant) {
        if (!operand.is_attribute() || constant.kind != Operand::Kind::text) return;
        const std::span<const std::string_view> values = values_of(operand.attribute);
        if (values.empty() || std::ranges::find(values, constant.text) != values.end()) return;
        std::string_view best;
        size_t best_distance = 3;
        for (const std::string_view value : values) {
            const bool begins = !value.empty() && constant.text.starts_with(value);  // "monday"
            const size_t distance = begins ? 0 : edit_distance(constant.text, value, best_distance);
            if (distance >= best_distance) continue;
            best = value;
            best_distance = distance;
        }
        std::string text = fmt::format("{} is never \"{}\"", operand.row().name, constant.text);
        if (!best.empty())
            text += fmt::format(", did you mean \"{}\"?", best);
        else
            text += '.';
        if (values.size() <= shown_values_max) text += fmt::format(" It is one of {}", fmt::join(values, ", "));
        complain(constant.offset, std::move(text));
    }

    [[nodiscard]] std::span<const std::string_view> values_of(Attribute attribute) const {
        if (attribute == Attribute::weekday) return weekdays;
        const auto found = std::ranges::find(known_, attribute, &KnownValues::attribute);
        return found == known_.end() ? std::span<const std::string_view>() : std::span(found->values);
    }

    void mismatch(const Operand& attribute, const Operand& other) {
        const bool turned = !attribute.is_attribute();
        const Operand& wanted = turned ? other : attribute;
        const Operand& given = turned ? attribute : other;
        complain(given.offset, fmt::format("{} is compared with {}", named(wanted), described(shapes(wanted))));
    }

    void complain(uint32_t offset, std::string text) {
        if (complaints_.size() < complaints_max) complaints_.push_back({offset, std::move(text)});
    }

    static constexpr size_t complaints_max = 10;
    std::span<const KnownValues> known_;
    size_t pattern_count_ = 0;
    std::vector<Complaint> complaints_;
};

}  // namespace

std::vector<Complaint> check(const Node& rule, std::span<const KnownValues> known) { return Checker(known).run(rule); }

}  // namespace loom::rule
