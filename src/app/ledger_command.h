// `loom ledger …`: what can be done to a ledger without a Loom that runs.
#pragma once

#include <string>

#include "state_command.h"

namespace loom::app {

/// Prints what was compared, and every difference between log and database. The exit status says whether there is one.
[[nodiscard]] int verify_ledger_in(const LedgerPlace& place);

/// Prints a line for each attempt to standard output, and what is worth knowing to standard error.
/// format    "csv", which "" is too, or "jsonl".
/// from, to  a date of UTC or a moment of RFC 3339 by which an attempt began: from then on, and before then; "": any.
[[nodiscard]] int export_ledger_in(const LedgerPlace& place, const std::string& format, const std::string& from,
                                   const std::string& to);

}  // namespace loom::app
