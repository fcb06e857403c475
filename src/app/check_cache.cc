// Checks of what answers are kept, and for whom.
#include "check_report.h"

namespace loom::app {

void check_cache(Report& report) {
    const config::Config& config = report.config;
    if (!config.boolean("cache.exact.enabled")) {
        for (const char* const key : {"cache.exact.max_size", "cache.exact.max_entry", "cache.exact.ttl",
                                      "cache.exact.stale", "cache.exact.scope", "cache.exact.single_flight"})
            if (!config.settings(key).empty()) report.warning(key, "nothing is kept: cache.exact.enabled is off");
        return;
    }
    if (config.bytes("cache.exact.max_entry") > config.bytes("cache.exact.max_size") / 2)
        report.warning("cache.exact.max_entry",
                       "an answer that large would take most of cache.exact.max_size: few others would stay");
    if (config.text("cache.exact.scope") == "shared")
        report.warning("cache.exact.scope",
                       "shared: whoever asks what another consumer has asked gets that one's answer, across tenants");
}

}  // namespace loom::app
