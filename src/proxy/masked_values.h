// The values of one request and the placeholders that stand for them, as long as its answer may ask for them.
#pragma once

#include <memory>
#include <utility>

#include "body_budget.h"
#include "loom/base/arena.h"
#include "loom/guard/mask.h"
#include "loom/guard/system_text.h"

namespace loom::proxy {

/// Of one client alone. Two exchanges share it where two providers are asked the same.
struct MaskedValues final : BodyHold {
    /// keeps_values  so that they can be put back.      custom  those of the configuration at hand.
    MaskedValues(BodyBudget& budget, BlockPool& blocks, bool keeps_values,
                 std::shared_ptr<const guard::CustomTypes> custom_types)
        : BodyHold(budget),
          arena(blocks, 1024),
          custom(std::move(custom_types)),
          table(arena, keeps_values, custom.get()),
          system(blocks) {}

    Arena arena;
    std::shared_ptr<const guard::CustomTypes> custom;  // an exchange may have another configuration than its rival
    guard::MaskTable table;
    guard::SystemText system;  // empty where no answer is compared with it

  private:
    void on_room() noexcept override {}
};

}  // namespace loom::proxy
