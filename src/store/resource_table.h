// The table of resources in its database, for the thread that owns it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "database.h"
#include "loom/store/resource_register.h"

namespace loom::store {

class ResourceTable {
  public:
    struct Limits {
        uint64_t count_max = 0;
        uint64_t keep_s = 0;
    };
    /// directory  "" for a table in memory.
    /// Errors     a text for whoever starts Loom.
    [[nodiscard]] static std::expected<ResourceTable, std::string> open(const std::string& directory, Limits limits,
                                                                        int64_t now_s, VaultPtr vault = {});

    /// Answers all of `questions` in one transaction, so that one write to the disk serves them all. By question; on a
    /// fault nothing of any of them was done.
    [[nodiscard]] DatabaseResult<std::vector<ResourceAnswer>> answer(std::span<const ResourceQuestion* const> questions,
                                                                     int64_t now_s);
    /// Forgets some of what is too old. True when there may be more.
    [[nodiscard]] DatabaseResult<bool> expire(int64_t now_s);

    [[nodiscard]] uint64_t count() const noexcept { return count_; }
    /// Pushed out since it was opened, since there was no room.
    [[nodiscard]] uint64_t evicted_count() const noexcept { return evicted_count_; }

  private:
    explicit ResourceTable(Database database, Limits limits) : database_(std::move(database)), limits_(limits) {}
    [[nodiscard]] DatabaseResult<void> begin(bool in_memory);
    [[nodiscard]] DatabaseResult<void> prepare();
    [[nodiscard]] DatabaseResult<void> count_tenants();
    [[nodiscard]] DatabaseResult<ResourceAnswer> answer(const ResourceQuestion& question, int64_t now_s);
    [[nodiscard]] DatabaseResult<std::string> account_of(const std::string& tenant, const ResourceKey& key,
                                                         int64_t now_s);
    [[nodiscard]] DatabaseResult<void> put(const std::string& tenant, const Resource& resource, int64_t now_s);
    [[nodiscard]] DatabaseResult<void> forget(const std::string& tenant, const Resource& resource);
    [[nodiscard]] DatabaseResult<void> make_room();
    void note(const std::string& tenant, int64_t more);

    [[nodiscard]] int64_t oldest_s(int64_t now_s) const noexcept {
        return limits_.keep_s == 0 ? INT64_MIN : now_s - static_cast<int64_t>(limits_.keep_s);
    }

    Database database_;
    Limits limits_;
    Statement find_;
    Statement put_;
    Statement forget_;
    Statement count_of_;
    Statement evict_;
    Statement expire_;
    std::map<std::string, uint64_t, std::less<>> counts_;  // by tenant
    uint64_t count_ = 0;
    uint64_t evicted_count_ = 0;
};

}  // namespace loom::store
