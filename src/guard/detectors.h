// The one table of what is looked for: each type's name, bound and finders.
#pragma once

#include <span>

#include "loom/guard/pii.h"
#include "probe.h"

namespace loom::guard {

/// What the pre-filter must have seen.
enum class Trigger : uint8_t { number, at_sign, colon, equals, literal };

struct Detector {
    PiiType type;
    Trigger trigger;
    Match (*find)(Probe& probe) noexcept;
};

[[nodiscard]] std::span<const Detector> detectors() noexcept;

}  // namespace loom::guard
