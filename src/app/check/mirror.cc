// Checks of what is mirrored, and to whom.
#include "check/report.h"
#include "loom/route/catalogue.h"

namespace loom::app {

void check_mirror(Report& report) {
    const config::Config& config = report.config;
    const std::string key = "routing.mirror.provider";
    if (!config.has(key)) {
        for (const char* const other : {"routing.mirror.share", "routing.mirror.model", "routing.mirror.max_in_flight",
                                        "routing.mirror.max_body"})
            if (!config.settings(other).empty())
                report.warning(other, "nothing is mirrored: routing.mirror.provider names nobody");
        return;
    }
    const std::string& shadow = config.text(key);
    require_provider(report, key, shadow);
    if (config.has("routing.mirror.model") && !route::is_one_model(config.text("routing.mirror.model")))
        report.error("routing.mirror.model", "must be one model's name");
    const auto weight = fmt::format("provider.{}.weight", shadow);
    if (is_defined_provider(config, shadow) && config.integer(weight) != 0)
        report.warning(
            key, fmt::format("'{}' answers clients too; {} = 0 keeps it to copies", config::printable(shadow), weight));
}

}  // namespace loom::app
