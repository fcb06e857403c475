// What is looked for in requests, and what becomes of it.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "loom/guard/injection.h"
#include "loom/guard/mask.h"
#include "loom/guard/pii_scanner.h"

namespace loom::proxy {

/// The later, the stricter.
enum class GuardAction : uint8_t { log, mask, block };

struct PiiPlan {
    guard::PiiScanner scanner{guard::PiiTypes{}};
    std::array<GuardAction, pii_type_count> actions{};  // by type
    guard::MaskStyle style = guard::MaskStyle::placeholder;
    std::vector<uint8_t> hash_key;  // of MaskStyle::hash
    guard::Exemptions exempt;

    [[nodiscard]] GuardAction action(PiiType type) const noexcept { return actions[static_cast<size_t>(type)]; }
};

enum class InjectionAction : uint8_t { log, sanitize, block };

struct InjectionPlan {
    guard::InjectionSensitivity sensitivity = guard::InjectionSensitivity::medium;
    InjectionAction action = InjectionAction::block;
};

struct GuardPlan {
    std::optional<PiiPlan> pii;
    std::optional<InjectionPlan> injection;
    bool dry_run = false;  // all is counted, nothing is changed or refused
    uint64_t unread = 0;   // bit i: bodies of family llm::Endpoint(i) pass though no guard reads them
};

}  // namespace loom::proxy
