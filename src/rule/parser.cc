#include "parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "loom/base/edit_distance.h"
#include "loom/base/result.h"
#include "loom/rule/rule.h"
#include "token.h"

namespace loom::rule {
namespace {

template <class T>
using Parsed = std::expected<T, Complaint>;
using Kind = Token::Kind;

constexpr std::array<std::pair<std::string_view, Relation>, 11> relations = {{
    {"==", Relation::equal},
    {"!=", Relation::not_equal},
    {"<", Relation::less},
    {"<=", Relation::less_equal},
    {">", Relation::greater},
    {">=", Relation::greater_equal},
    {"in", Relation::in},
    {"contains", Relation::contains},
    {"starts_with", Relation::starts_with},
    {"ends_with", Relation::ends_with},
    {"matches", Relation::matches},
}};
constexpr std::array<std::string_view, 9> keywords = {"and",         "or",        "not",     "in", "contains",
                                                      "starts_with", "ends_with", "matches", "has"};
constexpr size_t items_max = 256;

bool is_keyword(std::string_view word) noexcept { return std::ranges::find(keywords, word) != keywords.end(); }

size_t slips_max(std::string_view word) noexcept { return std::clamp<size_t>(word.size() / 3, 1, 3); }

/// The nearest word that may stand here, "" when none is near.
std::string_view nearest(std::string_view word) {
    std::string_view best;
    size_t best_distance = slips_max(word) + 1;
    const auto consider = [&](std::string_view candidate) {
        const size_t distance = edit_distance(word, candidate, best_distance);
        if (candidate.empty() || distance >= best_distance) return;
        best = candidate;
        best_distance = distance;
    };
    for (const AttributeRow& row : attributes()) {
        consider(row.name);
        consider(row.alias);
    }
    std::ranges::for_each(keywords, consider);
    return best;
}

std::string all_names() {
    std::string names;
    for (const AttributeRow& row : attributes()) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
    return names;
}

const AttributeRow* find_attribute(std::string_view name) noexcept {
    const auto is_named = [name](const AttributeRow& row) { return row.name == name || row.alias == name; };
    const auto row = std::ranges::find_if(attributes(), is_named);
    return row == attributes().end() ? nullptr : &*row;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : lexer_(text) { advance(); }

    Parsed<Node> run() {
        if (token_.kind == Kind::end) return wrong("an empty rule; write a test, such as model == \"gpt-4o\"");
        Node node = LOOM_TRY(read_any());
        if (token_.kind != Kind::end) return unexpected("'and', 'or' or the end");
        return node;
    }

  private:
    Parsed<Node> read_any() { return read_joined(Node::Kind::any, "||", "or", &Parser::read_all); }
    Parsed<Node> read_all() { return read_joined(Node::Kind::all, "&&", "and", &Parser::read_not); }

    Parsed<Node> read_joined(Node::Kind kind, std::string_view symbol, std::string_view word,
                             Parsed<Node> (Parser::*read_child)()) {
        Node first = LOOM_TRY((this->*read_child)());
        if (!token_.is(symbol) && !token_.is(word)) return first;
        Node node{.kind = kind, .offset = first.offset};
        node.children.push_back(std::move(first));
        while (token_.is(symbol) || token_.is(word)) {
            advance();
            node.children.push_back(LOOM_TRY((this->*read_child)()));
        }
        return node;
    }

    Parsed<Node> read_not() {
        if (!token_.is("!") && !token_.is("not")) return read_test();
        const bool is_symbol = token_.is("!");
        Node node{.kind = Node::Kind::negation, .offset = token_.offset};
        advance();
        LOOM_TRY(enter());
        Node child = LOOM_TRY(read_not());
        depth_ -= 1;
        // Elsewhere `!a == b` is `(!a) == b`.
        if (is_symbol && child.kind == Node::Kind::test && !closed_)
            return wrong_at(node.offset, "'!' before a comparison reads two ways; write !(a == b), or a != b");
        node.children.push_back(std::move(child));
        return node;
    }

    Parsed<void> enter() {
        if (++depth_ <= depth_max) return {};
        return wrong(fmt::format("a rule is at most {} parentheses and negations deep", depth_max));
    }

    /// A test, a flag, has(…) or something in parentheses.
    Parsed<Node> read_test() {
        closed_ = false;
        if (token_.is("(")) return read_parentheses();
        if (token_.is("has")) return read_has();
        Node node{.kind = Node::Kind::flag, .offset = token_.offset};
        node.left = LOOM_TRY(read_operand());
        const uint32_t offset = token_.offset;
        const auto relation = LOOM_TRY(read_relation());
        if (!relation) return node;
        node.kind = Node::Kind::test;
        node.offset = offset;
        node.relation = *relation;
        node.right = LOOM_TRY(read_operand());
        if (const auto next = LOOM_TRY(read_relation()); next)
            return wrong_at(node.offset, "a test compares two things; join several by 'and'");
        return node;
    }

    Parsed<Node> read_parentheses() {
        advance();
        LOOM_TRY(enter());
        Node node = LOOM_TRY(read_any());
        depth_ -= 1;
        LOOM_TRY(expect(")"));
        closed_ = true;
        const uint32_t offset = token_.offset;
        if (LOOM_TRY(read_relation()))
            return wrong_at(offset, "what stands in parentheses is yes or no, and cannot be compared");
        return node;
    }

    Parsed<Node> read_has() {
        Node node{.kind = Node::Kind::has, .offset = token_.offset};
        advance();
        LOOM_TRY(expect("("));
        node.left = LOOM_TRY(read_operand());
        if (!node.left.is_attribute()) return wrong_at(node.left.offset, "has() takes an attribute: has(claim[\"x\"])");
        LOOM_TRY(expect(")"));
        closed_ = true;
        return node;
    }

    /// The relation that stands here and is passed; nothing where none does.
    Parsed<std::optional<Relation>> read_relation() {
        if (token_.is("not")) {
            advance();
            if (!token_.is("in"))
                return wrong(
                    "'not' goes before a test, as in not model == \"x\"; behind what is tested stands 'not in' alone");
            advance();
            return Relation::not_in;
        }
        const auto found = std::ranges::find_if(relations, [this](const auto& one) { return token_.is(one.first); });
        if (found == relations.end()) return std::nullopt;
        advance();
        return found->second;
    }

    Parsed<Operand> read_operand() {
        Operand operand{.offset = token_.offset};
        switch (token_.kind) {
            case Kind::text:
                operand.kind = Operand::Kind::text;
                operand.text = std::move(token_.text);
                break;
            case Kind::number:
            case Kind::clock:
                operand.kind = token_.kind == Kind::number ? Operand::Kind::number : Operand::Kind::clock;
                operand.number = token_.number;
                break;
            case Kind::word: return read_word(std::move(operand));
            default:
                if (token_.is("[")) return read_list(std::move(operand));
                return unexpected("an attribute, a text, a number or '('");
        }
        advance();
        return operand;
    }

    Parsed<Operand> read_word(Operand operand) {
        if (token_.is("true") || token_.is("false")) {
            operand.flag = token_.is("true");
            advance();
            return operand;
        }
        const AttributeRow* const row = find_attribute(token_.spelling);
        if (row == nullptr) return unknown_word();
        operand.kind = Operand::Kind::attribute;
        operand.attribute = row->attribute;
        if (row->keyed) {
            operand.text = LOOM_TRY(read_key(*row));
        } else {
            advance();
            if (token_.is("[")) return wrong(fmt::format("{} takes no name in brackets", row->name));
        }
        if (row->attribute == Attribute::header)
            std::ranges::transform(operand.text, operand.text.begin(),
                                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
        return operand;
    }

    /// `["x-team"]`, or `.x-team`.
    Parsed<std::string> read_key(const AttributeRow& row) {
        const auto form = [&row] { return fmt::format("{0} takes a name: {0}[\"x\"]", row.name); };
        if (const std::string_view name = lexer_.take_name(); !name.empty()) {
            advance();
            return std::string(name);
        }
        advance();
        if (!token_.is("[")) return wrong(form());
        advance();
        if (token_.kind != Kind::text || token_.text.empty()) return wrong(form());
        std::string name = std::move(token_.text);
        advance();
        LOOM_TRY(expect("]"));
        return name;
    }

    Parsed<Operand> read_list(Operand list) {
        list.kind = Operand::Kind::list;
        advance();
        while (true) {
            Operand item{.offset = token_.offset};
            const bool is_literal =
                token_.kind == Kind::text || token_.kind == Kind::number || token_.kind == Kind::clock;
            if (!is_literal) return unexpected("a text, a number or a time of day in the list");
            item = LOOM_TRY(read_operand());
            if (!list.items.empty() && list.items.front().kind != item.kind)
                return wrong_at(item.offset, "a list holds texts, or numbers, or times of day, not several of these");
            list.items.push_back(std::move(item));
            if (list.items.size() > items_max)
                return wrong_at(list.offset, fmt::format("a list holds at most {}", items_max));
            if (!token_.is(",")) break;
            advance();
        }
        LOOM_TRY(expect("]"));
        return list;
    }

    Parsed<void> expect(std::string_view symbol) {
        if (!token_.is(symbol)) return unexpected(fmt::format("'{}'", symbol));
        advance();
        return {};
    }

    void advance() { token_ = lexer_.next(); }

    std::unexpected<Complaint> wrong(std::string text) const { return wrong_at(token_.offset, std::move(text)); }
    static std::unexpected<Complaint> wrong_at(uint32_t offset, std::string text) {
        return std::unexpected(Complaint{offset, std::move(text)});
    }

    std::unexpected<Complaint> unexpected(std::string_view wanted) const {
        if (token_.kind == Kind::bad) return wrong(token_.text);
        if (token_.kind == Kind::end) return wrong(fmt::format("the rule ends where {} is expected", wanted));
        if (const std::string_view meant = token_.kind == Kind::word ? nearest(token_.spelling) : "";
            is_keyword(meant) && meant != token_.spelling)
            return misspelt(meant);
        return wrong(fmt::format("'{}' stands where {} is expected", token_.spelling, wanted));
    }

    /// "AND" and "conatins".
    std::unexpected<Complaint> misspelt(std::string_view meant) const {
        return wrong(fmt::format("'{}' is no word of the language, did you mean '{}'?", token_.spelling, meant));
    }

    std::unexpected<Complaint> unknown_word() const {
        const std::string_view word = token_.spelling;
        if (is_keyword(word)) return unexpected("an attribute, a text, a number or '('");
        const std::string_view meant = nearest(word);
        if (is_keyword(meant)) return misspelt(meant);
        if (!meant.empty())
            return wrong(
                fmt::format("unknown attribute '{}', did you mean '{}'? A text stands in quotes", word, meant));
        return wrong(
            fmt::format("unknown attribute '{}'; a text stands in quotes, and there are: {}", word, all_names()));
    }

    Lexer lexer_;
    Token token_;
    uint32_t depth_ = 0;
    bool closed_ = false;  // the test that was read last has parentheses of its own
};

}  // namespace

const char* spelling_of(Relation relation) noexcept {
    if (relation == Relation::not_in) return "not in";
    for (const auto& [spelling, one] : relations)
        if (one == relation) return spelling.data();
    return "";
}

std::expected<Node, Complaint> parse(std::string_view text) {
    if (text.size() > text_bytes_max)
        return std::unexpected(Complaint{0, fmt::format("a rule has at most {} bytes; make it two", text_bytes_max)});
    return Parser(text).run();
}

}  // namespace loom::rule
