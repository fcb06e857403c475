// What usage.db keeps where sums are shared: this Loom's id, in which order its rows have changed, and the rows of
// others.
//
// The id is the directory's too (loom_identity.h), so that a usage.db that was lost is made anew under it.
//
// A trigger numbers each change of a row, so a row that was told is told again once it has changed, whoever has
// folded it. The others' rows lie in a table of their own: what this Loom has settled stays what its log says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "database.h"
#include "loom/store/shared_usage.h"

namespace loom::store {

class UsageSharing {
  public:
    /// Makes what is missing, and takes `loom_id`; "": the one it has, or a new one. Rows that were there before count
    /// as changed now.
    [[nodiscard]] static DatabaseResult<UsageSharing> begin(Database& database, std::string loom_id);

    /// 32 hex digits.
    [[nodiscard]] const std::string& loom_id() const noexcept { return loom_id_; }

    /// The next page of what has changed after `after`, of days from `since` on.
    [[nodiscard]] DatabaseResult<UsageChanges> changes(Database& database, uint64_t after, UsageDay since);
    /// How many rows of each month, of days from `since` on, were changed last at `until` or before.
    [[nodiscard]] DatabaseResult<std::vector<CountOfMonth>> counts(Database& database, uint64_t until, UsageDay since);
    /// This process is the first time heard of by the store, which knows of this Loom what `shipped` says. Where that
    /// is none of what usage.db held when it was opened, the database was brought back from a copy, has lost its last
    /// commits or was made anew: its rows are numbered anew then, above the store's, as another generation.
    [[nodiscard]] DatabaseResult<ShippingStart> begin_shipping(Database& database,
                                                               const std::optional<ShippedUsage>& shipped);
    /// What a Loom can be behind the store's number.
    static constexpr uint64_t jump_max = uint64_t{1} << 40;

    /// Rows of another Loom, and how far it is known with them.
    /// Returns how many were left out: a Loom has others_rows_max of a month.
    [[nodiscard]] DatabaseResult<uint64_t> take(Database& database, const MonthOfLoom& of,
                                                const std::vector<UsageChange>& rows);
    static constexpr uint64_t others_rows_max = 200'000;
    /// How far others are known.
    [[nodiscard]] DatabaseResult<std::vector<MonthOfLoom>> known(Database& database);
    /// Others' rows of days before `since` go.
    [[nodiscard]] DatabaseResult<void> forget_others(Database& database, UsageDay since);

    /// The others' rows, as a part of a statement behind "SELECT * FROM usage".
    static constexpr const char* and_others = " UNION ALL SELECT * FROM others_usage";

  private:
    DatabaseResult<void> begin_generation(Database& database);

    std::string loom_id_;
    std::string generation_;
    uint64_t base_ = 0;  // the last revision that was there when the database was opened, or was numbered anew
};

}  // namespace loom::store
