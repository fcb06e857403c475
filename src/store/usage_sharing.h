// What usage.db keeps where sums are shared: this Loom's id, in which order its rows have changed, and the rows of
// others.
//
// A trigger numbers each change of a row, so a row that was told is told again once it has changed, whoever has
// folded it. The others' rows lie in a table of their own: what this Loom has settled stays what its log says.
#pragma once

#include <string>
#include <vector>

#include "database.h"
#include "loom/store/shared_usage.h"

namespace loom::store {

class UsageSharing {
  public:
    /// Makes what is missing. Rows that were there before count as changed now.
    [[nodiscard]] static DatabaseResult<UsageSharing> begin(Database& database);

    /// 32 hex digits, made once for this database.
    [[nodiscard]] const std::string& loom_id() const noexcept { return loom_id_; }

    /// The next page of what has changed after `after`, of days from `since` on.
    [[nodiscard]] DatabaseResult<UsageChanges> changes(Database& database, uint64_t after, UsageDay since);
    /// From here on all revisions, those of rows that are there too, are above `revision`: for a database that was
    /// brought back from a copy, while the store knows what came later.
    [[nodiscard]] DatabaseResult<void> outgrow(Database& database, uint64_t revision);

    /// Rows of another Loom, and how far it is known with them.
    [[nodiscard]] DatabaseResult<void> take(Database& database, const MonthOfLoom& of,
                                            const std::vector<UsageChange>& rows);
    /// How far others are known.
    [[nodiscard]] DatabaseResult<std::vector<MonthOfLoom>> known(Database& database);

    /// The columns of all Looms' rows, in place of `usage`.
    static constexpr const char* all_rows = "(SELECT * FROM usage UNION ALL SELECT * FROM others_usage)";

  private:
    std::string loom_id_;
};

}  // namespace loom::store
