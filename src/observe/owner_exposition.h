// What teams and tenants take, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "loom/observe/metrics.h"
#include "text_format.h"

namespace loom::observe {

/// Of one owner, of all shards.
struct OwnerTotals {
    TokenCounts tokens;
    unsigned __int128 cost = 0;
    [[nodiscard]] bool any() const noexcept { return tokens.input != 0 || tokens.output != 0 || cost != 0; }
};

/// loom_ai_<word>_tokens_total{<word>,type} and loom_ai_<word>_cost_total{<word>}; nothing where no owner is known.
/// word   "team", "tenant".
/// names  by slot; the first is `other`, which shows once it was used.
void write_owners(TextFormat& out, std::string_view word, std::string_view help, std::span<const std::string> names,
                  const std::function<OwnerTotals(uint16_t slot)>& totals);

}  // namespace loom::observe
