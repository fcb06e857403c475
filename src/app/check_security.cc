// Checks of what the guards are to look for.
#include "check_report.h"
#include "loom/base/pii_type.h"
#include "loom/llm/endpoint.h"
#include "plan_security.h"

namespace loom::app {

namespace {

constexpr const char* types_key = "security.pii_detection.types";

void check_type(Report& report, const std::string& key, const std::string& name) {
    if (is_pii_type(name)) return;
    report.error(key, fmt::format("'{}' is no type that can be looked for; there are all, {}", config::printable(name),
                                  fmt::join(pii_type_names, ", ")));
}

}  // namespace

void check_security(Report& report) {
    const config::Config& config = report.config;
    for (const std::string& name : config.list(types_key))
        if (name != "all") check_type(report, types_key, name);
    if (config.list(types_key).empty() && config.boolean("security.pii_detection.enabled"))
        report.error(types_key,
                     "nothing is named: with security.pii_detection.enabled = on, no text would be looked at");
    for (const auto& name : config.names("security.pii_detection.type")) {
        const auto key = fmt::format("security.pii_detection.type.{}.action", name);
        check_type(report, key, name);
        if (is_pii_type(name) && !is_pii_asked_for(config, name))
            report.warning(key, fmt::format("nothing looks for '{}': {} does not name it", name, types_key));
    }
    const auto& directions = config.list("security.pii_detection.direction");
    if (directions.empty()) report.error("security.pii_detection.direction", "must name request, response or both");
    const bool reads_requests = std::ranges::find(directions, "request") != directions.end();
    if (config.text("security.pii_detection.mask") == "reversible" && !reads_requests)
        report.error(
            "security.pii_detection.mask",
            "reversible puts back what was masked in requests, which security.pii_detection.direction does not "
            "name");
    if (config.text("security.pii_detection.mask") == "hash" &&
        config.text("security.pii_detection.hash_key").size() < 16)
        report.error("security.pii_detection.hash_key",
                     "security.pii_detection.mask = hash needs a key of 16 bytes or more: ${LOOM_HASH_KEY}");
    for (const std::string& family : config.list("security.unread"))
        if (!llm::is_passthrough(llm::endpoint_of_name(family)))
            report.error("security.unread",
                         fmt::format("'{}' is no family that can be passed", config::printable(family)));
}

}  // namespace loom::app
