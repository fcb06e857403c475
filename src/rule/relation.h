// What a test says of two values.
#pragma once

#include <span>
#include <string_view>

#include "loom/rule/rule.h"
#include "syntax.h"

namespace loom::rule {

/// unknown where either is missing or unclear, or where the two cannot be compared. Of every relation but `matches`.
/// Linear in both texts. An empty text is part of every text, which nobody means: unknown.
[[nodiscard]] Verdict relate(Relation relation, const Value& left, const Value& right) noexcept;

/// The same of `left in [...]`, which is sorted.
[[nodiscard]] Verdict is_among(const Value& left, std::span<const std::string_view> texts) noexcept;
[[nodiscard]] Verdict is_among(const Value& left, std::span<const double> numbers) noexcept;

[[nodiscard]] constexpr Verdict verdict(bool holds) noexcept { return holds ? Verdict::yes : Verdict::no; }
[[nodiscard]] constexpr Verdict negation(Verdict one) noexcept {
    return static_cast<Verdict>(static_cast<uint8_t>(Verdict::yes) - static_cast<uint8_t>(one));
}

}  // namespace loom::rule
