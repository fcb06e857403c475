// What a conf file says of who may be asked, beside the models, as the proxy takes it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "loom/route/rules.h"
#include "loom/route/target_state.h"
#include "loom/tenant/made_consumer.h"

namespace loom::app {

/// Fills plan.selection from plan.providers, plan.routes and plan.consumers; it stays null where the conf says nothing.
/// made  of those that are none of the conf's, their regions.
void fill_selection(const config::Config& config, proxy::Plan& plan, route::TargetTable& targets,
                    std::vector<std::string>& messages, std::span<const tenant::MadeConsumer> made = {});

/// `routing.rule.NAME.*`, in the file's order.
[[nodiscard]] std::vector<route::RoutingRuleOptions> rule_options(const config::Config& config);

/// Has any of the conf's strategies this name?
[[nodiscard]] bool names_strategy(const config::Config& config, std::string_view strategy);

}  // namespace loom::app
