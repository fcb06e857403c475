// Kinds of personal data that a conf file adds (security.rule.*).
#pragma once

#include <vector>

#include "loom/config/config.h"
#include "loom/guard/custom_types.h"

namespace loom::app {

/// In the conf's order. Of a configuration whose names have passed their checks.
[[nodiscard]] std::vector<guard::CustomType> custom_types_of(const config::Config& config);

}  // namespace loom::app
