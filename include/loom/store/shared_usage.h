// Sums of what was used, as Looms tell each other: rows of one Loom's usage.db, absolute, each with the revision that
// it was changed in. What comes twice changes nothing, and what was lost is told again.
//
// In Redis, all under key_prefix, in one slot:
//   usage:loom:<loom>             text   the last revision that it has shipped, which start of it has, its generation
//   usage:<month>                 hash   a Loom's id → its last revision of this month, "2026-11", and its generation;
//                                        a Loom without rows of it is not there
//   usage:<month>:<loom>          hash   a row's name → its sums
//   usage:<month>:<loom>:order    zset   a row's name → the revision that it was changed in
// All of them die usage_keep_months after their last change.
//
// Revisions of one generation rise. Where a Loom cannot go on with its numbers (usage.db is an older copy, or was made
// anew), it begins another generation, and who reads begins at the front.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/store/lease_script.h"
#include "loom/store/redis_protocol.h"
#include "loom/store/usage.h"

namespace loom::store {

/// What is counted apart.
struct UsageRowName {
    UsageDay day = 0;
    std::string consumer, team, tenant, provider, model, provenance;
    auto operator<=>(const UsageRowName&) const = default;
};

struct UsageChange {
    UsageRowName name;
    UsageSums sums;         // from the beginning of the day on
    uint64_t revision = 0;  // of its Loom's: rises with every change
};

/// What one Loom has changed, oldest first; all rows are of one month.
struct UsageChanges {
    std::string month;           // "2026-11"; "": nothing has changed
    std::string generation;      // of the revisions
    uint64_t last_revision = 0;  // of the Loom, further changes included
    std::vector<UsageChange> rows;
};

inline constexpr uint32_t usage_keep_months = 13;
inline constexpr size_t usage_page_rows = 200;      // of one command
inline constexpr size_t usage_month_looms = 1'024;  // that are counted in one month
inline constexpr uint64_t usage_revision_max = uint64_t{1} << 52;

/// "2026-11", the month of a day.
[[nodiscard]] std::string usage_month(UsageDay day);
/// The first day of its month.
[[nodiscard]] UsageDay usage_month_begin(UsageDay day);
/// The first day of the month so many before that of `day`.
[[nodiscard]] UsageDay usage_months_before(UsageDay day, uint64_t count);
/// The first day of the oldest month that is shared on `today`.
[[nodiscard]] UsageDay usage_shared_since(UsageDay today);

[[nodiscard]] const RedisScript& ship_script();
[[nodiscard]] const RedisScript& fetch_script();

/// What a Loom has shipped, by `usage:loom:<loom>`.
struct ShippedUsage {
    uint64_t revision = 0;
    std::string start;       // a name for the process that has
    std::string generation;  // of the revision
};

/// From where on this Loom's rows are to be shipped.
struct ShippingStart {
    uint64_t after = 0;
    bool anew = false;    // by other numbers: what was shipped is not what usage.db goes on from
    bool absurd = false;  // the store's number is none that this Loom can have come to: nothing was changed
};

[[nodiscard]] std::string shipped_command(std::string_view prefix, std::string_view loom);
/// Nothing where Redis does not know this Loom.
/// Errors  bad_message (upstream): what it has was not written by ship_command.
[[nodiscard]] Result<std::optional<ShippedUsage>> read_shipped(const RedisReply& reply);

/// changes  of one page: not empty.      until  what counts as shipped when it is there.
[[nodiscard]] std::string ship_command(std::string_view prefix, std::string_view loom, std::string_view start,
                                       const UsageChanges& changes, bool with_script);

/// What of a Loom's months is there: the store may have dropped some (maxmemory-policy other than noeviction).
struct CountOfMonth {
    std::string month;
    uint64_t rows = 0;
};
[[nodiscard]] const RedisScript& count_script();
[[nodiscard]] std::string count_command(std::string_view prefix, std::string_view loom,
                                        const std::vector<CountOfMonth>& months, bool with_script);
/// The first of `months` that has fewer rows there; "": none has.
/// Errors  bad_message (upstream).
[[nodiscard]] Result<std::string> month_with_holes(const std::vector<CountOfMonth>& months, const RedisReply& reply);

/// Who has rows of a month, and up to which revision.
struct MonthOfLoom {
    std::string loom;
    std::string month;
    uint64_t revision = 0;
    std::string generation;
    auto operator<=>(const MonthOfLoom&) const = default;
};
[[nodiscard]] std::string month_command(std::string_view prefix, std::string_view month);
/// Fields that are no Loom's are passed over.     Errors  bad_message (upstream).
[[nodiscard]] Result<std::vector<MonthOfLoom>> read_month(std::string_view month, const RedisReply& reply);

/// The next page of what `of.loom` has changed in `of.month` after `since`.
[[nodiscard]] std::string fetch_command(std::string_view prefix, const MonthOfLoom& of, uint64_t since,
                                        bool with_script);
struct FetchedUsage {
    std::vector<UsageChange> rows;
    uint64_t last_revision = 0;  // 0: nothing was there
    uint64_t unreadable = 0;     // rows of another grammar, or of another month: passed over
    uint64_t unreadable_at = 0;  // the revision of the first of them
    bool whole = false;          // nothing more is there
};
/// Errors  bad_message (upstream).
[[nodiscard]] Result<FetchedUsage> read_fetched(std::string_view month, const RedisReply& reply);

/// One row as it stands in Redis.
[[nodiscard]] std::string usage_name_text(const UsageRowName& name);
[[nodiscard]] std::optional<UsageRowName> parse_usage_name(std::string_view text);
[[nodiscard]] std::string usage_sums_text(const UsageSums& sums);
[[nodiscard]] std::optional<UsageSums> parse_usage_sums(std::string_view text);

/// 16 hex digits.
[[nodiscard]] bool is_usage_generation(std::string_view text) noexcept;
/// 32 hex digits.
[[nodiscard]] bool is_loom_id(std::string_view text) noexcept;

}  // namespace loom::store
