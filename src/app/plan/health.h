// What a conf file says of a provider's health checks.
#pragma once

#include "check/report.h"
#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Null where they are off, and of the embedded provider.
[[nodiscard]] std::shared_ptr<const proxy::HealthCheckPlan> health_check(const config::Config& config,
                                                                         const proxy::ProviderPlan& provider);

/// Tells what cannot be asked for.
void check_health_check(Report& report, const std::string& provider, const llm::ProviderType& type);

}  // namespace loom::app
