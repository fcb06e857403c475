// Checks of how long a stream's start waits, and of what follows a break behind it.
#include "check/report.h"

namespace loom::app {

void check_hold(Report& report) {
    const config::Config& config = report.config;
    const bool holds = config.integer("routing.failover.hold_tokens") > 0;
    if (holds && !config.boolean("routing.failover.enabled"))
        report.warning("routing.failover.hold_tokens", "nothing waits: set routing.failover.enabled = on");
    else if (holds && !config.boolean("routing.failover.retry_sent"))
        report.warning(
            "routing.failover.hold_tokens",
            "nothing waits: set routing.failover.retry_sent = on, since a stream that has begun was worked on");
    if (config.boolean("routing.failover.continuation") && !config.boolean("routing.failover.enabled"))
        report.warning("routing.failover.continuation", "nobody goes on: set routing.failover.enabled = on");
    if (!holds && config.milliseconds("routing.failover.hold_time").count() > 0)
        report.warning("routing.failover.hold_time",
                       "nothing waits: set routing.failover.hold_tokens, which it bounds");
}

}  // namespace loom::app
