// Checks of guards that stand outside of Loom.
#include <algorithm>

#include "check/report.h"
#include "client_place.h"
#include "loom/proxy/external_guard.h"
#include "plan/guards.h"

namespace loom::app {

namespace {

using config::Config;

void check_place(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto url = fmt::format("security.guard.{}.url", name);
    if (config.text(url).empty())
        return report.missing(config.place_of_name("security.guard", name), url, "is missing: where it is asked");
    const auto place = client_place(config.text(url), nullptr, PlainHttp::anywhere);
    if (!place) return report.error(url, place.error().what);
    if (!place->client.endpoint.tls && !is_loopback_host(place->client.endpoint.host))
        report.warning(url, "whoever is on the way reads prompts, and may say allow; use https://");
    if (const auto terms = moderation_terms(config, name); !terms)
        report.error(fmt::format("security.guard.{}.thresholds", name), terms.error());
}

/// What means nothing for its type.
void check_shape(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto key = [&name](const char* word) { return fmt::format("security.guard.{}.{}", name, word); };
    const bool moderates = config.text(key("type")) == "moderations";
    for (const char* const word : {"model", "categories", "thresholds"})
        if (!moderates && config.has(key(word)))
            report.error(key(word), "means nothing without type = moderations; leave it out");
    if (moderates && config.text(key("model")).empty()) report.error(key("model"), "is empty");
    if (!fits_a_header(config.text(key("key")))) report.error(key("key"), "holds a sign that no header takes");
    if (config.text(key("action")) == "log" && config.has(key("on_failure")) &&
        config.text(key("on_failure")) == "closed")
        report.warning(key("on_failure"), "has no effect: with action = log nothing is refused");
}

}  // namespace

void check_guards(Report& report) {
    const Config& config = report.config;
    const auto names = config.names("security.guard");
    if (names.size() > proxy::ExternalGuardPlan::guards_max)
        report.missing(config.place_of_name("security.guard", names.back()), "security.guard",
                       fmt::format("there are {} guards, and {} at most may be", names.size(),
                                   proxy::ExternalGuardPlan::guards_max));
    for (const std::string& name : names) {
        check_place(report, name);
        check_shape(report, name);
    }
}

}  // namespace loom::app
