// `loom ledger …`: what can be done to a ledger without a Loom that runs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "state_command.h"

namespace loom::app {

/// Prints what was compared, and every difference between log and database. The exit status says whether there is one.
[[nodiscard]] int verify_ledger_in(const LedgerPlace& place);

/// Prints where the sums that were told to the store that Looms share are not this ledger's, by the id that it is known
/// by there. Only asks. The exit status says whether there is a difference; exit_config where it cannot be asked.
[[nodiscard]] int verify_told_in(const LedgerPlace& place, const config::Config& config);

/// Prints a line for each attempt to standard output, and what is worth knowing to standard error.
/// terms  names and values of admin::ExportTerms.
[[nodiscard]] int export_ledger_in(const LedgerPlace& place,
                                   const std::vector<std::pair<std::string, std::string>>& terms);

}  // namespace loom::app
