// Sums of what consumers with a project have used: as `usage`, and by project. In usage.db, in tables of their own
// beside those that it always had, so a Loom that does not know them reads on, and what it folds is not in these.
//
// The tables are made when somebody with a project has used something. Each Loom's own: they are not told to others.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "database.h"
#include "loom/store/usage.h"

namespace loom::store {

struct OpenIntent;

class ProjectUsage {
  public:
    /// Of a database that may have none of it yet.
    [[nodiscard]] static DatabaseResult<ProjectUsage> begin(Database& database);
    [[nodiscard]] bool any() const noexcept { return has_tables_; }

    /// What was settled of an intent; in memory, until write(). Nothing of one without a project.
    void add(UsageDay day, const OpenIntent& intent, std::string_view provenance, const UsageSums& sums);
    /// Whose an intent is that stays open, and that it is not any more; likewise.
    void put_open(const OpenIntent& intent);
    void drop_open(uint64_t id);
    /// Within the transaction that changes how far segments are folded.
    [[nodiscard]] DatabaseResult<void> write(Database& database);
    /// What was added since the last write() is not to be.
    void forget() noexcept;

    /// Projects of those that were read back.
    [[nodiscard]] DatabaseResult<void> complete(Database& database,
                                                std::unordered_map<uint64_t, OpenIntent>& open) const;

  private:
    /// project, day, consumer, team, tenant, provider, model, provenance
    using Key =
        std::tuple<std::string, UsageDay, std::string, std::string, std::string, std::string, std::string, std::string>;
    bool has_tables_ = false;
    std::map<Key, UsageSums> added_;
    std::vector<std::pair<uint64_t, std::string>> opened_;
    std::vector<uint64_t> dropped_;
};

}  // namespace loom::store
