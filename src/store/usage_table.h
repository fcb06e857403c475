// The ledger's sums in their database, for whoever holds it.
//
// What is folded of a segment and how far that is are changed in one transaction: a fold that is repeated, or was cut
// off anywhere, counts nothing twice. Intents whose settlement has not come are rows too, so a segment is needed no
// more once it is folded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "database.h"
#include "ledger_segment.h"
#include "local_usage.h"
#include "loom/store/usage.h"
#include "loom/tenant/ledger_record.h"
#include "models_of_day.h"
#include "project_usage.h"
#include "spent_sums.h"
#include "usage_retention.h"
#include "usage_sharing.h"

namespace loom::store {

/// An intent that was not settled yet, as far as it is booked by it.
struct OpenIntent {
    uint64_t id = 0;
    uint64_t request = 0;
    uint64_t time_us = 0;
    std::string consumer, team, tenant, provider, model;
    std::string project, route, asked_model;  // the name that its client asked by
    uint64_t input = 0;
    uint64_t output = 0;
    Money cost = -1;
};

/// How far a segment is folded, and what was in it so far.
struct SegmentRow {
    SegmentName name;
    uint64_t folded = 0;   // bytes from its front
    bool whole = false;    // nothing will come behind them
    uint64_t damaged = 0;  // bytes that are no records
    uint64_t records = 0;
    uint64_t digest = 0;       // the sum of their checksums
    uint64_t opened = 0;       // intents
    uint64_t booked = 0;       // settlements of an intent that was open
    UsageSums sums;            // that these were booked with: attempts, tokens and cost
    uint64_t last_intent = 0;  // or record of what no provider was asked for
    SegmentLocal local;        // these
};

class UsageTable {
  public:
    /// path  of a file that is there, or ":memory:".
    /// Errors  a text for whoever starts Loom.
    /// Where the disk has no room, not even for the memory that processes share to read a database together, `alone`
    /// reads it without: nobody else may then.
    enum class Use : uint8_t { shared, alone };
    [[nodiscard]] static std::expected<UsageTable, std::string> open(const std::string& path, VaultPtr vault = {},
                                                                     Use use = Use::shared);
    /// It is a database, and has no schema yet: who began it had no room for one. Read as by Use::alone.
    [[nodiscard]] static bool is_unbegun(const std::string& path, VaultPtr vault = {});

    /// So many models' names of one day have rows of their own; what comes under others is booked as "other".
    void bound_models(uint64_t per_day_max) noexcept { models_max_ = per_day_max; }
    /// From here on changes are numbered for others, and what these tell is kept beside. loom_id "": see
    /// UsageSharing::begin.
    [[nodiscard]] DatabaseResult<void> share(std::string loom_id = {});
    /// After share().
    [[nodiscard]] const std::string& loom_id() const noexcept { return sharing_->loom_id(); }
    [[nodiscard]] DatabaseResult<UsageChanges> changes(uint64_t after, UsageDay since) {
        return sharing_->changes(database_, after, since);
    }
    [[nodiscard]] DatabaseResult<std::vector<CountOfMonth>> counts(uint64_t until, UsageDay since) {
        return sharing_->counts(database_, until, since);
    }
    [[nodiscard]] DatabaseResult<ShippingStart> begin_shipping(const std::optional<ShippedUsage>& shipped) {
        return sharing_->begin_shipping(database_, shipped);
    }
    [[nodiscard]] DatabaseResult<uint64_t> take_others(const MonthOfLoom& of, const std::vector<UsageChange>& rows) {
        return sharing_->take(database_, of, rows);
    }
    [[nodiscard]] DatabaseResult<void> forget_others(UsageDay since) {
        return sharing_->forget_others(database_, since);
    }
    [[nodiscard]] DatabaseResult<std::vector<MonthOfLoom>> known_of_others() { return sharing_->known(database_); }
    /// Of a file that is there, and stays as it is.
    [[nodiscard]] static std::expected<UsageTable, std::string> open_to_read(const std::string& path,
                                                                             VaultPtr vault = {});

    /// The segment's row, a new one where it was never folded.
    [[nodiscard]] DatabaseResult<SegmentRow> segment(const SegmentName& name);
    [[nodiscard]] DatabaseResult<std::vector<SegmentRow>> segments();

    /// One record of `row`'s segment; in memory, until commit. Those that were taken before are passed over, also where
    /// they stand in another segment.
    void take(SegmentRow& row, const tenant::LedgerRead& read);
    /// All that was taken since the last one, and the segment's row, or nothing of it: then what was taken is
    /// forgotten, and is to be taken again from segment(), which fails as long as what is open cannot be read back.
    [[nodiscard]] DatabaseResult<void> commit(const SegmentRow& row);

    /// Of epochs before `epoch`, by id.
    [[nodiscard]] std::vector<OpenIntent> open_before(uint32_t epoch) const;
    [[nodiscard]] size_t open_count() const noexcept { return open_.size(); }
    [[nodiscard]] DatabaseResult<void> forget(const SegmentName& name);

    [[nodiscard]] DatabaseResult<std::vector<UsageGroup>> usage(const UsageQuery& query);
    [[nodiscard]] DatabaseResult<bool> knows(const std::string& consumer);
    /// Of all that was ever settled, what is not kept any more included.
    [[nodiscard]] DatabaseResult<UsageSums> total();
    [[nodiscard]] DatabaseResult<LocalSums> local_total() { return local_.total(database_); }
    /// See UsageRetention::step.
    [[nodiscard]] DatabaseResult<bool> retain(const RetentionTerms& terms);
    /// Sums by route and model that no budget of `today` can ask for.
    [[nodiscard]] DatabaseResult<void> forget_spent(UsageDay today);
    [[nodiscard]] DatabaseResult<UsageKept> kept() { return UsageRetention::kept(database_); }
    /// That has sums of its own, or had them until they became their month's; -1: none.
    [[nodiscard]] DatabaseResult<UsageDay> newest_day();
    /// All that is read from here on is of one moment, for as long as the table lives.
    [[nodiscard]] DatabaseResult<void> hold_still();
    [[nodiscard]] DatabaseResult<uint64_t> open_rows();

  private:
    struct Key {
        UsageDay day;
        std::string consumer, team, tenant, provider, model;
        tenant::LedgerProvenance provenance;
        auto operator<=>(const Key&) const = default;
    };

    explicit UsageTable(Database database) : database_(std::move(database)) {}
    [[nodiscard]] DatabaseResult<void> begin(bool in_memory, Use use);
    [[nodiscard]] DatabaseResult<void> begin_to_read();
    [[nodiscard]] std::string rows_of(const UsageQuery& query) const;
    [[nodiscard]] DatabaseResult<void> prepare();
    [[nodiscard]] DatabaseResult<void> begin_retention();
    [[nodiscard]] DatabaseResult<void> load();
    [[nodiscard]] DatabaseResult<std::unordered_map<uint64_t, OpenIntent>> read_open();
    [[nodiscard]] DatabaseResult<std::map<uint64_t, uint64_t>> read_gaps();
    [[nodiscard]] bool is_new(SegmentRow& row, uint64_t id);
    void open_intent(SegmentRow& row, const tenant::LedgerIntent& intent);
    void settle(SegmentRow& row, const tenant::LedgerSettlement& settlement);
    void add_local(SegmentRow& row, const tenant::LedgerLocal& local);
    [[nodiscard]] DatabaseResult<std::vector<UsageGroup>> spent(const UsageQuery& query);
    [[nodiscard]] DatabaseResult<void> add_local_groups(const UsageQuery& query, std::vector<UsageGroup>& groups);
    [[nodiscard]] std::string bounded_model(UsageDay day, std::string model);
    [[nodiscard]] std::string bounded_asked(UsageDay day, std::string model);
    [[nodiscard]] std::string bounded_local(UsageDay day, std::string model);
    [[nodiscard]] DatabaseResult<std::vector<std::string>> names_of_day(const char* sql, UsageDay day);
    [[nodiscard]] DatabaseResult<void> write(const SegmentRow& row);
    [[nodiscard]] DatabaseResult<void> write_sums();
    [[nodiscard]] DatabaseResult<void> write_open();
    [[nodiscard]] DatabaseResult<void> write_gaps();
    [[nodiscard]] DatabaseResult<void> write_segment(const SegmentRow& row);

    Database database_;
    std::optional<UsageSharing> sharing_;
    UsageRetention retention_;
    ProjectUsage projects_;
    UsageRetention projects_retention_;
    SpentSums spent_;
    LocalUsage local_;
    Statement add_;
    Statement open_put_;
    Statement open_drop_;
    Statement segment_put_;
    Statement segment_get_;
    Statement last_get_;
    std::unordered_map<uint64_t, OpenIntent> open_;  // as it will be behind the next commit
    /// Ids that were passed over, since those behind them were there first: from the key to the value. They come in a
    /// later segment, or were damaged.
    std::map<uint64_t, uint64_t> gaps_;
    bool gaps_changed_ = false;
    bool must_load_ = false;  // what is in memory is not what is in the database
    std::map<Key, UsageSums> added_;
    std::vector<uint64_t> opened_;   // since the last commit
    std::vector<uint64_t> settled_;  // of those that have a row
    uint64_t models_max_ = UINT64_MAX;
    ModelsOfDay models_, asked_models_, local_models_;
    std::unordered_map<uint64_t, bool> fresh_;  // opened since the last commit: they have no row
};

}  // namespace loom::store
