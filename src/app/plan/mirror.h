// What a conf file says of requests' copies, as the proxy takes it.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// Fills plan.mirror. options  what the catalogue was made of: the shadow's is made of its part.
void fill_mirror(const config::Config& config, proxy::Plan& plan, const route::CatalogueOptions& options,
                 std::vector<std::string>& messages);

}  // namespace loom::app
