// What a conf file says of models that stand in for others.
#pragma once

#include <string>
#include <vector>

#include "check/report.h"
#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "loom/route/model_fallback.h"

namespace loom::app {

/// Names that cannot be, and models that stand in for each other.
void check_fallback_models(Report& report);

/// Fills plan.model_fallbacks. Behind the catalogue: a model that nobody serves can stand in for none.
void fill_fallback_models(const config::Config& config, proxy::Plan& plan, std::vector<std::string>& messages);

}  // namespace loom::app
