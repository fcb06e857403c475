// `loom ledger …`: what can be done to a ledger without a Loom that runs.
#pragma once

#include <string>

namespace loom::app {

/// Prints what was compared, and every difference between log and database. The exit status says whether there is one.
[[nodiscard]] int verify_ledger_in(const std::string& directory);

}  // namespace loom::app
