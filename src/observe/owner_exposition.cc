#include "owner_exposition.h"

#include <vector>

namespace loom::observe {

void write_owners(TextFormat& out, std::string_view word, std::string_view help, std::span<const std::string> names,
                  const std::function<OwnerTotals(uint16_t slot)>& totals) {
    struct Shown {
        std::string_view name;
        OwnerTotals totals;
    };
    std::vector<Shown> shown;
    for (uint16_t slot = 0; slot < names.size(); ++slot) {
        const OwnerTotals one = totals(slot);
        if (slot != other_slot || one.any()) shown.push_back({names[slot], one});
    }
    if (shown.empty()) return;
    const std::string tokens_name = fmt::format("loom_ai_{}_tokens_total", word);
    out.family(tokens_name, "counter", fmt::format("Tokens of {}, by type as in loom_ai_tokens_total.", help));
    for (const Shown& one : shown) {
        const TokenCounts& n = one.totals.tokens;
        out.sample({{word, one.name}, {"type", "input"}}, n.input);
        out.sample({{word, one.name}, {"type", "output"}}, n.output);
        out.sample({{word, one.name}, {"type", "cached"}}, n.cached);
        out.sample({{word, one.name}, {"type", "reasoning"}}, n.reasoning);
    }
    const std::string cost_name = fmt::format("loom_ai_{}_cost_total", word);
    out.family(cost_name, "counter", fmt::format("What {} has cost, as in loom_ai_cost_total.", help));
    for (const Shown& one : shown) out.sample({{word, one.name}}, MoneyText(one.totals.cost).view());
}

}  // namespace loom::observe
