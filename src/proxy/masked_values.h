// The values of one request and the placeholders that stand for them, as long as its answer may ask for them.
#pragma once

#include "body_budget.h"
#include "loom/base/arena.h"
#include "loom/guard/mask.h"

namespace loom::proxy {

/// Of one client alone. Two exchanges share it where two providers are asked the same.
struct MaskedValues final : BodyHold {
    /// keeps_values  so that they can be put back.
    MaskedValues(BodyBudget& budget, BlockPool& blocks, bool keeps_values)
        : BodyHold(budget), arena(blocks, 1024), table(arena, keeps_values) {}

    Arena arena;
    guard::MaskTable table;

  private:
    void on_room() noexcept override {}
};

}  // namespace loom::proxy
