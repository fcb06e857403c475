// What an attempt says of who asks where that is no line of the conf.
#pragma once

#include <memory>

#include "loom/http/sigv4.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

/// Null where nothing is signed. It keeps copies of the keys.
[[nodiscard]] std::unique_ptr<http::SigV4Signer> make_signer(const InstancePlan& instance);

}  // namespace loom::proxy
