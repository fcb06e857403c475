#include "plan/hedge.h"

#include <charconv>

#include "loom/config/value.h"

namespace loom::app {

std::optional<HedgeAfter> parse_hedge_after(std::string_view text) {
    constexpr int64_t us_per_ms = 1'000;
    if (text == "off") return HedgeAfter{};
    if (text.starts_with('p')) {
        HedgeAfter after;
        const auto [end, fault] = std::from_chars(text.data() + 1, text.data() + text.size(), after.percentile);
        const bool good = fault == std::errc() && end == text.data() + text.size();
        return good && after.percentile >= 1 && after.percentile <= 99 ? std::optional(after) : std::nullopt;
    }
    const auto us = config::parse_duration(text);
    if (!us || *us < us_per_ms) return std::nullopt;
    return HedgeAfter{.ms = static_cast<uint64_t>(*us / us_per_ms)};
}

std::shared_ptr<const proxy::HedgePlan> hedge_plan(const config::Config& config) {
    const auto after = parse_hedge_after(config.text("routing.hedge.after"));
    if (!after || after->off() || !config.boolean("routing.failover.enabled")) return nullptr;
    return std::make_shared<proxy::HedgePlan>(proxy::HedgePlan{
        .after_ms = after->ms,
        .percentile = after->percentile,
        .budget_share = static_cast<uint32_t>(config.decimal("routing.hedge.budget") * route::RetryBudget::whole),
        .in_flight_max = static_cast<uint32_t>(config.integer("routing.hedge.max_in_flight"))});
}

}  // namespace loom::app
