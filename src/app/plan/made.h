// Consumers and keys that were made while Loom runs, as a plan has them.
#pragma once

#include "issued_keys.h"
#include "loom/config/config.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Puts them in the place of those that `plan` has, behind the conf's, with their limits, budgets and regions. A
/// consumer of the conf stays as it is, and keys of somebody else of its name are nobody's. config  which the plan was
/// made by; it needs no secrets.
void fill_made(const config::Config& config, proxy::Plan& plan, const IssuedKeys::Good& good, observe::Metrics& metrics,
               route::TargetTable& targets, tenant::LimitTable& limits);

}  // namespace loom::app
