#include "plan/anomaly.h"

#include <algorithm>

#include "plan/budget.h"

namespace loom::app {
namespace {

uint64_t seconds(const config::Config& config, std::string_view key) {
    return std::max<uint64_t>(1, static_cast<uint64_t>(config.milliseconds(key).count()) / 1'000);
}

}  // namespace

std::optional<AnomalyWatchOptions> anomaly_options(const config::Config& config) {
    if (!config.boolean("alerts.anomaly.enabled")) return std::nullopt;
    const std::vector<std::string> kinds = config.list("alerts.anomaly.kinds");
    const auto wants = [&](std::string_view kind) { return std::ranges::find(kinds, kind) != kinds.end(); };
    AnomalyWatchOptions options;
    options.rules = {.window_s = static_cast<uint32_t>(seconds(config, "alerts.anomaly.window")),
                     .learning_s = seconds(config, "alerts.anomaly.learning"),
                     .repeat_s = seconds(config, "alerts.anomaly.repeat"),
                     .factor = config.decimal("alerts.anomaly.factor"),
                     .tokens_floor = static_cast<uint64_t>(config.integer("alerts.anomaly.floor.tokens")),
                     .money_floor = parse_budget(config.text("alerts.anomaly.floor.money")).value_or(0),
                     .requests_floor = static_cast<uint32_t>(config.integer("alerts.anomaly.floor.requests")),
                     .consumers_max = static_cast<size_t>(config.integer("alerts.anomaly.consumers")),
                     .spend = wants("spend"),
                     .errors = wants("errors"),
                     .addresses = wants("addresses"),
                     .models = wants("models"),
                     .hours = wants("hours")};
    options.directory = config.text("state.directory");
    return options;
}

}  // namespace loom::app
