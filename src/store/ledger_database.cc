#include "ledger_database.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "loom/base/result.h"
#include "loom_identity.h"

namespace loom::store {

std::expected<UsageTable, std::string> open_ledger_without_room(const std::string& path, const VaultPtr& vault,
                                                                const std::string& fault) {
    auto alone = UsageTable::open(path, vault, UsageTable::Use::alone);
    if (alone) return alone;
    struct stat found{};
    const bool is_empty = ::stat(path.c_str(), &found) == 0 && found.st_size == 0;
    if (is_empty || UsageTable::is_unbegun(path, vault)) return UsageTable::open(":memory:");
    return std::unexpected(fmt::format("{}; its disk is full: make room there", fault));
}

std::expected<void, std::string> share_ledger(UsageTable& table, const LedgerDirectory& directory,
                                              const std::string& path, const std::string& folder) {
    std::string kept;
    if (!directory.in_memory()) kept = LOOM_TRY(kept_loom_id(folder, directory.vault()));
    if (const auto shared = table.share(kept); !shared)
        return std::unexpected(fmt::format("{}: {}", path, shared.error().text));
    if (directory.in_memory() || !kept.empty()) return {};
    return keep_loom_id(folder, directory.vault(), table.loom_id());
}

std::string shared_needs_room(const std::string& what) {
    return fmt::format("{}: the disk is full; make room, for what is shared needs it", what);
}

}  // namespace loom::store
