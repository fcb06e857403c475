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
#include <vector>

#include "database.h"
#include "loom/base/limit_scope.h"
#include "loom/store/usage.h"

namespace loom::store {

struct OpenIntent;

class SpentSums {
  public:
    /// Of a database that may have none of it yet: the tables are made with the first write().
    [[nodiscard]] static DatabaseResult<SpentSums> begin(Database& database);

    /// What was settled of an intent; in memory, until write().
    void add(UsageDay day, const OpenIntent& intent, const UsageSums& sums);
    /// What was asked for by an intent that stays open, and that it is not any more; likewise.
    void put_open(const OpenIntent& intent);
    void drop_open(uint64_t id);
    /// Within the transaction that changes how far segments are folded.
    [[nodiscard]] DatabaseResult<void> write(Database& database);
    /// What was added since the last write() is not to be.
    void forget() noexcept;

    /// What those have asked for that were read back.
    [[nodiscard]] DatabaseResult<void> complete(Database& database,
                                                std::unordered_map<uint64_t, OpenIntent>& open) const;

    /// Tokens (as input) and cost of what `query` names in its `spent`.
    [[nodiscard]] DatabaseResult<UsageSums> spent(Database& database, const UsageQuery& query) const;

    /// Names of models that something was spent for on this day.
    [[nodiscard]] DatabaseResult<std::vector<std::string>> models(Database& database, UsageDay day) const;
    /// Days before this one go.
    [[nodiscard]] DatabaseResult<void> leave(Database& database, UsageDay before);
    /// Budgets' longest period is a month.
    static constexpr UsageDay days_max = 62;

  private:
    struct Sum {
        uint64_t tokens = 0;
        unsigned __int128 cost = 0;
    };
    using Key = std::tuple<UsageDay, LimitScope, std::string>;
    struct Asked {
        uint64_t id;
        std::string route, model;
    };

    void add(UsageDay day, LimitScope scope, std::string_view name, const UsageSums& sums);
    [[nodiscard]] DatabaseResult<void> write_sums(Database& database);

    bool has_tables_ = false;
    std::map<Key, Sum> added_;
    std::vector<Asked> opened_;
    std::vector<uint64_t> dropped_;
    UsageDay left_before_ = 0;
};

}  // namespace loom::store
