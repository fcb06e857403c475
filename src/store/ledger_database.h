// How the ledger takes its database: where there is no room to write, and where sums are shared.
#pragma once

#include <expected>
#include <string>

#include "ledger_directory.h"
#include "usage_table.h"

namespace loom::store {

/// The sums that there are, which budgets ask for. Where the database has none yet, because it was never begun or had
/// no room for its schema, one in memory takes its place. fault   why it could not be opened otherwise. Errors  a text
/// that names the file and a remedy.
[[nodiscard]] std::expected<UsageTable, std::string> open_ledger_without_room(const std::string& path,
                                                                              const VaultPtr& vault,
                                                                              const std::string& fault);

/// Its changes are numbered for others from here on, under the directory's id, which outlives a usage.db that is lost.
/// folder  the state directory.
[[nodiscard]] std::expected<void, std::string> share_ledger(UsageTable& table, const LedgerDirectory& directory,
                                                            const std::string& path, const std::string& folder);

/// Why a ledger that is shared does not begin.
[[nodiscard]] std::string shared_needs_room(const std::string& what);

}  // namespace loom::store
