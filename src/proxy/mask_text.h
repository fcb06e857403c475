// What takes the place of a value that was found.
#pragma once

#include <string_view>

#include "loom/base/arena.h"
#include "loom/guard/mask.h"
#include "loom/proxy/guard_plan.h"

namespace loom::proxy {

/// Of a plan without a search for personal data: one that finds nothing.
[[nodiscard]] inline const guard::PiiScanner& scanner_of(const GuardPlan& plan) {
    static const guard::PiiScanner none{guard::PiiTypes{}};
    return plan.pii ? plan.pii->scanner : none;
}
/// Null where the conf has no types of its own.
[[nodiscard]] inline const guard::CustomTypes* custom_of(const GuardPlan& plan) noexcept {
    return plan.pii ? plan.pii->scanner.custom().get() : nullptr;
}

/// Nothing that JSON escapes; in the arena, or as long as the table.
[[nodiscard]] inline std::string_view mask_text(const PiiPlan& pii, PiiType type, std::string_view value,
                                                guard::MaskTable& table, Arena& arena) {
    switch (pii.style) {
        case guard::MaskStyle::partial: return guard::mask_partly(type, value, arena);
        case guard::MaskStyle::hash:
            return guard::mask_by_hash(guard::label_of(type, pii.scanner.custom().get()), value, pii.hash_key, arena);
        case guard::MaskStyle::placeholder:
        case guard::MaskStyle::reversible: break;
    }
    return table.placeholder(type, value);
}

}  // namespace loom::proxy
