// What is said of leaks in answers.
#pragma once

#include <string_view>

#include "loom/base/leak_kind.h"
#include "loom/base/pii_type.h"

namespace loom::proxy {

/// In the place of a link that was taken out.
inline constexpr std::string_view leak_removed_text = "[link removed]";

[[nodiscard]] constexpr GuardReason reason_of(LeakKind kind) noexcept {
    return static_cast<GuardReason>(static_cast<unsigned>(GuardReason::link) + static_cast<unsigned>(kind));
}

}  // namespace loom::proxy
