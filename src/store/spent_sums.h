// What was spent by route and by model, by day: what budgets of these find again at the next start. A model's name is
// the one that clients ask by, which `usage` does not tell; what a project has spent is in `project_usage`.
//
// In tables of their own, beside those that usage.db always had: a Loom that does not know them reads on, and what it
// folds is not in these sums.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "database.h"
#include "loom/base/limit_scope.h"
#include "loom/store/usage.h"

namespace loom::store {

struct OpenIntent;

class SpentSums {
  public:
    /// Makes its tables where they are missing.
    [[nodiscard]] static DatabaseResult<SpentSums> begin(Database& database);

    /// What was settled of an intent; in memory, until write().
    void add(UsageDay day, const OpenIntent& intent, const UsageSums& sums);
    /// What was added since the last write() is not to be.
    void forget() noexcept { added_.clear(); }
    /// Within the caller's transaction.
    [[nodiscard]] DatabaseResult<void> write(Database& database);

    /// Of an intent that is open at the end of a commit, what was asked for; and that it is open no more.
    [[nodiscard]] DatabaseResult<void> put_open(const OpenIntent& intent);
    [[nodiscard]] DatabaseResult<void> drop_open(uint64_t id);
    /// The same for those that were read back. Of a database that is only read, nothing may be there.
    [[nodiscard]] static DatabaseResult<void> complete(Database& database,
                                                       std::unordered_map<uint64_t, OpenIntent>& open);

    /// Tokens (as input) and cost of what `query` names in its `spent`.
    [[nodiscard]] DatabaseResult<UsageSums> spent(Database& database, const UsageQuery& query) const;

    /// Budgets' longest period is a month; days before the newest by more than this go.
    static constexpr UsageDay days_max = 62;

  private:
    struct Sum {
        uint64_t tokens = 0;
        unsigned __int128 cost = 0;
    };
    using Key = std::tuple<UsageDay, LimitScope, std::string>;

    void add(UsageDay day, LimitScope scope, std::string_view name, const UsageSums& sums);

    Statement put_;
    Statement open_put_;
    Statement open_drop_;
    std::map<Key, Sum> added_;
    UsageDay newest_ = -1;
};

}  // namespace loom::store
