// What is looked for in requests, and what becomes of it.
#pragma once

#include <array>
#include <optional>

#include "loom/guard/injection.h"
#include "loom/guard/pii_scanner.h"

namespace loom::proxy {

enum class GuardAction : uint8_t { mask, block, log };

struct PiiPlan {
    guard::PiiScanner scanner{guard::PiiTypes{}};
    std::array<GuardAction, pii_type_count> actions{};  // by type

    [[nodiscard]] GuardAction action(PiiType type) const noexcept { return actions[static_cast<size_t>(type)]; }
};

struct InjectionPlan {
    guard::InjectionSensitivity sensitivity = guard::InjectionSensitivity::medium;
    GuardAction action = GuardAction::block;  // block or log
};

struct GuardPlan {
    std::optional<PiiPlan> pii;
    std::optional<InjectionPlan> injection;
};

}  // namespace loom::proxy
