// The ledger's service: it makes the segments that shards write, keeps them safe on the disk, folds them into sums, and
// makes good at the start what the end before has left open.
//
// In `directory`: `ledger/<epoch>-<shard>-<n>.log`, the records as they were written; `usage.db`, their sums;
// `ledger.lock`, which one process holds; and where sums are shared `identity.db`, what others know this Loom by. Each
// start is an epoch of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/store/ledger_log.h"
#include "loom/store/shared_usage.h"
#include "loom/store/usage.h"
#include "loom/store/vault.h"

namespace loom::store {

class UsageStore {
  public:
    struct Options {
        std::string directory;  // made with mode 0700 where it is missing; "": kept in memory only, and lost at the end
        VaultPtr vault;         // the directory's; null: it is not encrypted
        uint32_t shard_count = 1;
        uint64_t segment_bytes = uint64_t{64} << 20;
        uint32_t hits_alone_max = 64;  // LedgerChannel
        uint64_t sync_interval_ms = 1'000;
        uint64_t fold_interval_ms = 200;
        uint64_t recovery_interval_ms = 10'000;      // what could not be recovered is tried again, and told
        uint64_t models_per_day_max = 100'000;       // names come from clients; others are booked as "other"
        uint64_t keep_s = 0;                         // segments folded whole are removed so long after; 0: never
        uint64_t retention_interval_ms = 60'000;     // so often these are looked for
        uint64_t keep_days = 0;                      // of sums by day, today included; then by month. 0: for ever
        uint64_t keep_months = 0;                    // of sums at all, this month included. 0: for ever
        bool shared = false;                         // its sums are told to other Looms, and theirs are kept beside
        std::function<void(std::string)> on_notice;  // a line for the log, on the service's thread
    };

    /// Takes the directory, folds what former starts have left, books what was in flight at their end by its estimate,
    /// and starts the thread. Blocks on the disk. On one that is full it begins all the same: what shards write waits
    /// in their memory as it does when a disk becomes full later. Once there is room they get segments at once, and
    /// then what former starts have left is folded, beside them: until then sums are as the last start has folded them.
    /// What is shared with others does not begin then. Errors  a text that names the file, what is wrong with it, and a
    /// remedy.
    [[nodiscard]] static std::expected<std::unique_ptr<UsageStore>, std::string> open(Options options);
    UsageStore(const UsageStore&) = delete;
    ~UsageStore();  // stop()

    /// Shards whose log is not written now, and waits in memory. Any thread.
    [[nodiscard]] uint32_t failing_count() const noexcept;

    /// Of a shard below shard_count; good as long as the store.
    [[nodiscard]] LedgerChannel& channel(uint32_t shard) noexcept;

    /// By query, and all of one moment: everything that was settled before the call is in it. Any thread but one that
    /// serves requests: it folds, and reads the database.
    /// Errors  a text: the database cannot be read.
    using Groups = std::vector<std::vector<UsageGroup>>;
    [[nodiscard]] std::expected<Groups, std::string> usage(const std::vector<UsageQuery>& queries);
    /// From when on there are sums by day, and any.
    [[nodiscard]] std::expected<UsageKept, std::string> kept();
    /// Was anything ever booked to this consumer, as far as that is kept?
    [[nodiscard]] std::expected<bool, std::string> knows(const std::string& consumer);

    /// Where sums are shared: this Loom's id, made once for its directory.
    [[nodiscard]] const std::string& loom_id() const noexcept;
    /// These are done on the service's own thread, in their order, and so are their answers; one that was not begun
    /// when the store stops is never answered. Errors  a text: the database cannot be read or written.
    template <class T>
    using Answer = std::function<void(std::expected<T, std::string>)>;
    /// The next page of what was changed after a revision, what was settled before this call included.
    void changes_after(uint64_t revision, Answer<UsageChanges> answer);
    /// How many rows of each month were changed last at a revision or before.
    void counts_until(uint64_t revision, Answer<std::vector<CountOfMonth>> answer);
    /// Once a process is heard of by the store for the first time: what that knows of this Loom, and from where on
    /// changes are to be shipped then.
    void begin_shipping(std::optional<ShippedUsage> shipped, Answer<ShippingStart> answer);
    /// Rows of another Loom; of.revision  how far it is known with them. The answer: how many had no room.
    void take_others(MonthOfLoom of, std::vector<UsageChange> rows, Answer<uint64_t> answer);
    /// Others' rows of days before `since` go.
    void forget_others(UsageDay since, Answer<bool> answer);
    void known_of_others(Answer<std::vector<MonthOfLoom>> answer);

    /// Folds and syncs what the shards have written, and ends the thread. After the shards.
    void stop() noexcept;

    /// Beside the shards' batches (LedgerLog::memory_bytes): the database's cache, windows and maps.
    static constexpr uint64_t memory_bytes = 12u << 20;

  private:
    class Impl;
    explicit UsageStore(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

/// What `loom ledger verify` finds.
struct LedgerVerdict {
    std::vector<std::string> differences;  // log and database do not say the same
    std::vector<std::string> notes;        // what is worth knowing, and no difference
    uint64_t segments = 0;
    uint64_t records = 0;
    UsageSums total;
    LocalSums local;  // what no provider was asked for
};

/// Compares each segment with what was folded of it, and the database's sums with those of all segments. Changes
/// nothing; a Loom may run on it meanwhile.
/// Errors  a text: there is no ledger, or it cannot be read.
[[nodiscard]] std::expected<LedgerVerdict, std::string> verify_ledger(const std::string& directory,
                                                                      const VaultPtr& vault = {});

}  // namespace loom::store
