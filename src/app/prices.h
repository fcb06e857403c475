// Where prices are read: price.* and provider.NAME.cost.* of the conf, and the table that is shipped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "loom/route/price.h"

namespace loom::app {

/// Of all providers of the plan, in its order. The table is read from prices.path, whole or not at all.
/// messages  gets what is wrong with any of it.
[[nodiscard]] std::shared_ptr<const route::PriceBook> read_prices(const config::Config& config,
                                                                  const std::vector<proxy::ProviderPlan>& providers,
                                                                  std::vector<std::string>& messages);

/// What --check should tell: a model that is routed by what it costs at a provider of which no price for it is known.
[[nodiscard]] std::vector<std::string> price_warnings(const proxy::Plan& plan);

}  // namespace loom::app
