// Checks of which sudden changes are told.
#include "check/report.h"
#include "plan/budget.h"

namespace loom::app {

void check_anomalies(Report& report) {
    const config::Config& config = report.config;
    if (!config.boolean("alerts.anomaly.enabled")) {
        for (const std::string_view key : config.keys())
            if (key.starts_with("alerts.anomaly.") && key != "alerts.anomaly.enabled")
                return report.warning(std::string(key), "means nothing without alerts.anomaly.enabled = on");
        return;
    }
    constexpr const char* money = "alerts.anomaly.floor.money";
    if (const auto amount = parse_budget(config.text(money)); !amount)
        report.error(money, fmt::format("'{}' {}; an amount such as $5.00 is expected",
                                        config::printable(config.text(money)), amount.error()));
    if (const double factor = config.decimal("alerts.anomaly.factor"); factor < 1.5 || factor > 100)
        report.error("alerts.anomaly.factor", "a number from 1.5 to 100 is expected");
    if (config.list("alerts.anomaly.kinds").empty()) report.error("alerts.anomaly.kinds", "names nothing to look for");
    if (config.milliseconds("alerts.anomaly.learning") < 4 * config.milliseconds("alerts.anomaly.window"))
        report.error("alerts.anomaly.learning", "is shorter than four windows (alerts.anomaly.window)");
    if (!config.has("state.directory"))
        report.warning("alerts.anomaly.enabled",
                       "what is learned is lost at a restart; set state.directory = /var/lib/loom");
}

}  // namespace loom::app
