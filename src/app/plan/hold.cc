#include "plan/hold.h"

#include "plan/milliseconds.h"

namespace loom::app {

void fill_hold(const config::Config& config, proxy::FailoverPlan& plan) {
    // What has brought content has worked: where that is not to be asked again, to hold it back would only lose it.
    if (!plan.enabled || !plan.retry_sent) return;
    plan.hold_tokens = static_cast<uint32_t>(config.integer("routing.failover.hold_tokens"));
    plan.continues = config.boolean("routing.failover.continuation");
    plan.continuation_bytes = static_cast<uint32_t>(config.bytes("routing.failover.continuation_max"));
    plan.hold_ms = ms(config, "routing.failover.hold_time");
}

}  // namespace loom::app
