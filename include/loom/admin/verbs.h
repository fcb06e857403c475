// What an operator does to a provider while Loom runs.
//
//   POST /ai/providers/NAME/drain | undrain      no new requests; what it stores is still fetched there
//   POST /ai/providers/NAME/disable | enable     nothing at all
//   PUT or POST /ai/providers/NAME/weight?value=N
//
// Each takes effect at once on every shard, and lasts until the conf's own provider.NAME.weight changes, or the process
// ends.
#pragma once

#include "loom/proxy/plan.h"

namespace loom::admin {

/// Is it a path of this table, whatever its provider's name?
[[nodiscard]] bool is_verb(std::string_view path) noexcept;

/// The provider as it stands then, or an error, as JSON. What was done is in the log, and who asked for it.
[[nodiscard]] proxy::LocalAnswer run_verb(const proxy::Plan& plan, const proxy::LocalRequest& request);

}  // namespace loom::admin
