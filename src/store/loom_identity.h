// What others know this Loom by, in a file of its own: `identity.db` beside usage.db. So a usage.db that is lost, or is
// moved away since it is damaged, is made anew from the log under the id that its sums are told by already, and nobody
// counts them twice. A database, and so encrypted where its directory is.
#pragma once

#include <expected>
#include <string>

#include "loom/store/vault.h"

namespace loom::store {

/// The id; "" where none was kept yet.
/// Errors  a text for whoever starts Loom.
[[nodiscard]] std::expected<std::string, std::string> kept_loom_id(const std::string& directory, VaultPtr vault);
/// Once, and on the disk when it returns.
/// Errors  a text for whoever starts Loom.
[[nodiscard]] std::expected<void, std::string> keep_loom_id(const std::string& directory, VaultPtr vault,
                                                            const std::string& id);

}  // namespace loom::store
