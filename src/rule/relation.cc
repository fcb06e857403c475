#include "relation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

namespace loom::rule {
namespace {

constexpr Verdict unknown = Verdict::unknown;

/// A number, or a text that is one from its first byte to its last.
std::optional<double> as_number(const Value& value) noexcept {
    if (value.kind == Kind::number) return value.number;
    if (value.kind != Kind::text) return std::nullopt;
    double number = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto [at, error] = std::from_chars(value.text.data(), end, number);
    if (error != std::errc() || at != end || !std::isfinite(number)) return std::nullopt;
    return number;
}

std::optional<bool> as_flag(const Value& value) noexcept {
    if (value.kind == Kind::flag) return value.flag;
    if (value.kind != Kind::text) return std::nullopt;
    if (value.text == "true") return true;
    if (value.text == "false") return false;
    return std::nullopt;
}

template <class T>
Verdict same(std::optional<T> left, std::optional<T> right) noexcept {
    return left && right ? verdict(*left == *right) : unknown;
}

Verdict equal(const Value& left, const Value& right) noexcept {
    const auto either = [&](Kind kind) { return left.kind == kind || right.kind == kind; };
    if (left.kind == Kind::text && right.kind == Kind::text) return verdict(left.text == right.text);
    if (either(Kind::number)) return same(as_number(left), as_number(right));
    if (either(Kind::flag)) return same(as_flag(left), as_flag(right));
    return unknown;
}

Verdict order(Relation relation, const Value& left, const Value& right) noexcept {
    const auto a = as_number(left), b = as_number(right);
    if (!a || !b) return unknown;
    switch (relation) {
        case Relation::less: return verdict(*a < *b);
        case Relation::less_equal: return verdict(*a <= *b);
        case Relation::greater: return verdict(*a > *b);
        default: return verdict(*a >= *b);
    }
}

/// Not string_view::find, whose time is the product of both: a client may have written both.
bool has_part(std::string_view text, std::string_view part) noexcept {
    return memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

Verdict member(const Value& one, std::span<const std::string_view> list) noexcept {
    return one.kind == Kind::text ? verdict(std::ranges::find(list, one.text) != list.end()) : unknown;
}

Verdict contains(const Value& left, const Value& right) noexcept {
    if (left.kind == Kind::list) return member(right, left.list);
    if (left.kind != Kind::text || right.kind != Kind::text || right.text.empty()) return unknown;
    return verdict(has_part(left.text, right.text));
}

Verdict at_border(Relation relation, const Value& left, const Value& right) noexcept {
    if (left.kind != Kind::text || right.kind != Kind::text || right.text.empty()) return unknown;
    const bool at_start = relation == Relation::starts_with;
    return verdict(at_start ? left.text.starts_with(right.text) : left.text.ends_with(right.text));
}

Verdict in(const Value& left, const Value& right) noexcept {
    return right.kind == Kind::list ? member(left, right.list) : equal(left, right);
}

}  // namespace

Verdict relate(Relation relation, const Value& left, const Value& right) noexcept {
    switch (relation) {
        case Relation::equal: return equal(left, right);
        case Relation::not_equal: return negation(equal(left, right));
        case Relation::less:
        case Relation::less_equal:
        case Relation::greater:
        case Relation::greater_equal: return order(relation, left, right);
        case Relation::in: return in(left, right);
        case Relation::not_in: return negation(in(left, right));
        case Relation::contains: return contains(left, right);
        case Relation::starts_with:
        case Relation::ends_with: return at_border(relation, left, right);
        case Relation::matches: break;
    }
    return unknown;
}

Verdict is_among(const Value& left, std::span<const std::string_view> texts) noexcept {
    if (left.kind == Kind::text) return verdict(std::ranges::binary_search(texts, left.text));
    Verdict any = Verdict::no;  // a claim that is a number, and the like
    for (const std::string_view text : texts) any = std::max(any, equal(left, Value::of_text(text)));
    return any;
}

Verdict is_among(const Value& left, std::span<const double> numbers) noexcept {
    const auto number = as_number(left);
    return number ? verdict(std::ranges::binary_search(numbers, *number)) : unknown;
}

}  // namespace loom::rule
