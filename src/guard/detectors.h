// The one table of what is looked for: each type's name, bound and finders.
#pragma once

#include <span>

#include "loom/guard/pii.h"
#include "probe.h"

namespace loom::guard {

/// What the pre-filter must have seen.
enum class Trigger : uint8_t { number, at_sign, colon, equals, literal };

/// How many digits the first group of a number has, by bits: 0 where a number is too long to be read.
using DigitCounts = uint64_t;
inline constexpr DigitCounts any_digits = ~DigitCounts{0};
template <class... Counts>
[[nodiscard]] constexpr DigitCounts digits(Counts... counts) noexcept {
    return ((DigitCounts{1} << counts) | ...);
}

/// Where a letter must stand.
enum class Beside : uint8_t { anything, letter_before, letter_behind };

struct Detector {
    PiiType type;
    Trigger trigger;
    Match (*find)(Probe& probe) noexcept;
    // Of a number: what must be so of its first group, or `find` finds nothing, and is not asked.
    DigitCounts first_group = any_digits;
    Beside beside = Beside::anything;
};

[[nodiscard]] std::span<const Detector> detectors() noexcept;

}  // namespace loom::guard
