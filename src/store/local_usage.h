// Sums of what no provider was asked for: answers from the cache, and refusals. In usage.db, in tables of their own
// beside those of what was spent, so that nothing that sums up spending can count them.
//
// The tables are made where they are missing: a database of before has none of these records in its segments either.
// Its version stays: a Loom of before reads it, and passes them over.
//
// Each Loom's own: they are not told to others.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "database.h"
#include "ledger_segment.h"
#include "loom/store/usage.h"
#include "loom/tenant/ledger_record.h"
#include "usage_retention.h"

namespace loom::store {

/// What of a segment was folded into these sums.
struct SegmentLocal {
    uint64_t cached = 0;
    uint64_t refused = 0;  // requests; a record may tell of many
    uint64_t input = 0;
    uint64_t output = 0;
    unsigned __int128 saved = 0;
    SegmentLocal& operator+=(const SegmentLocal& more) noexcept;
    friend bool operator==(const SegmentLocal&, const SegmentLocal&) = default;
};

class LocalUsage {
  public:
    /// may_lack  whether they may be missing: of a database that is read alone, or cannot be written now.
    [[nodiscard]] static DatabaseResult<LocalUsage> begin(Database& database);
    [[nodiscard]] static DatabaseResult<LocalUsage> begin_to_read(Database& database);

    /// In memory, until write(). model  as it is to be booked.
    void take(SegmentLocal& segment, UsageDay day, std::string model, const tenant::LedgerLocal& local);
    /// Within the transaction that changes how far segments are folded.
    [[nodiscard]] DatabaseResult<void> write(Database& database, const SegmentName& name, const SegmentLocal& segment);
    void forget_taken() noexcept { added_.clear(); }
    /// That has any; -1: none has.
    [[nodiscard]] DatabaseResult<UsageDay> newest_day(Database& database) const;

    [[nodiscard]] DatabaseResult<SegmentLocal> segment(Database& database, const SegmentName& name);
    [[nodiscard]] DatabaseResult<void> forget(Database& database, const SegmentName& name);
    /// Groups as `query` asks for them, of as many as its limit at most.
    [[nodiscard]] DatabaseResult<std::vector<UsageGroup>> usage(Database& database, const UsageQuery& query);
    /// Of all that there ever were, what is not kept any more included.
    [[nodiscard]] DatabaseResult<LocalSums> total(Database& database);
    /// See UsageRetention::step.
    [[nodiscard]] DatabaseResult<bool> retain(Database& database, const RetentionTerms& terms);
    [[nodiscard]] DatabaseResult<bool> knows(Database& database, const std::string& consumer);
    [[nodiscard]] DatabaseResult<std::vector<std::string>> models(Database& database, UsageDay day);

  private:
    struct Key {
        UsageDay day;
        std::string consumer, team, project, tenant, route, model;
        tenant::LedgerLocalExit exit;
        auto operator<=>(const Key&) const = default;
    };
    [[nodiscard]] DatabaseResult<void> write_sums(Database& database);

    bool has_tables_ = false;
    UsageRetention retention_;
    std::map<Key, LocalSums> added_;
};

}  // namespace loom::store
