// Whether the store that Looms share has of this Loom what its usage.db has: for `loom ledger verify --redis`.
//
// A Loom may run meanwhile. So the store is asked first how far it was told, then the database is read, at one moment,
// then the store's rows: what has changed since that moment is known by its revision, and is no difference.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/store/shared_usage.h"
#include "loom/store/vault.h"

namespace loom::store {

/// By which id the store knows the Loom of a state.directory.
/// Errors  a text: nothing of it was ever shared, or it cannot be read.
[[nodiscard]] std::expected<std::string, std::string> shared_loom_id(const std::string& directory,
                                                                     const VaultPtr& vault);

class ToldUsage {
  public:
    /// Reads the database at this moment; months from `since` on.
    /// shipped  what the store said before.
    [[nodiscard]] static std::expected<ToldUsage, std::string> open(const std::string& directory, const VaultPtr& vault,
                                                                    std::optional<ShippedUsage> shipped,
                                                                    UsageDay since);
    ToldUsage(ToldUsage&&) noexcept;
    ~ToldUsage();

    /// False: the store's numbers are none of this database's, and its rows cannot be compared.
    [[nodiscard]] bool comparable() const noexcept { return comparable_; }
    /// Rows of a month are compared as they come; then what has not come is looked for.
    /// Errors  a text: the database cannot be read.
    [[nodiscard]] std::expected<void, std::string> begin_month(UsageDay first);
    void take(const FetchedUsage& page);
    void end_month();

    static constexpr size_t named_max = 50;  // differences that are told one by one
    [[nodiscard]] const std::vector<std::string>& differences() const noexcept { return differences_; }
    [[nodiscard]] uint64_t difference_count() const noexcept { return difference_count_; }
    [[nodiscard]] uint64_t rows() const noexcept { return rows_; }            // that were compared
    [[nodiscard]] uint64_t untold() const noexcept { return untold_; }        // that have changed since they were told
    [[nodiscard]] uint64_t meanwhile() const noexcept { return meanwhile_; }  // that were told since it was read

  private:
    struct Own;
    struct Row {
        UsageSums sums;
        uint64_t revision = 0;
        bool seen = false;
    };
    explicit ToldUsage(std::unique_ptr<Own> own) noexcept;
    void compare(const UsageChange& told, Row& row);
    void differ(std::string text);

    std::unique_ptr<Own> own_;
    std::map<UsageRowName, Row> month_;
    uint64_t shipped_ = 0;
    bool comparable_ = false;
    std::vector<std::string> differences_;
    uint64_t difference_count_ = 0;
    uint64_t rows_ = 0;
    uint64_t untold_ = 0;
    uint64_t meanwhile_ = 0;
};

}  // namespace loom::store
