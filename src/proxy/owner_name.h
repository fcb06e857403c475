// Who owns what a listed consumer stores and finds, where it is its own and not its tenant's.
#pragma once

#include <string>

#include "loom/tenant/consumer.h"

namespace loom::proxy {

/// A name can be given again over the admin listener, and to one of the conf: what was stored by whoever had it before
/// is not the next one's. So one that was made is known by its making too (`issuer`), one of the conf by its name.
[[nodiscard]] inline std::string owner_name(const tenant::Consumer& consumer) {
    return consumer.made ? "made/" + consumer.issuer + "/" + consumer.name : "consumer/" + consumer.name;
}

}  // namespace loom::proxy
