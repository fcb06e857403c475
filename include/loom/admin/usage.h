// What the admin listener tells of the ledger: sums, and the records themselves.
//
//   GET /ai/usage/CONSUMER?period=2024-02     what one consumer has used, by model and by day
//   GET /ai/usage?period=2024-02-29           what all have used, by tenant, team, project, consumer, provider
//                                             and model
//   GET /ai/usage?tenant=acme                 the same of one tenant; of any of these dimensions, and of several
//   GET /ai/usage?group=model&limit=100       by one of them alone, page by page (after=NAME)
//   GET /ai/usage?group=day                   by day
//   GET /ai/usage/export?period=2024-02       the records, one a line, as `loom ledger export` prints them
//
// Beside what was spent, "cached" tells the requests that the cache has answered, by layer, and what that has saved,
// and "refused" those that were refused here, by reason: models of these are named as clients have asked for them, and
// no provider has any. Both are under the same filters and pages, and this Loom's own, also where sums are shared.
//
// A period is a month or a day, UTC; without one the month that it is. What was settled before is in it.
// The lists of GET /ai/usage without `group` are read one after the other, so that the ledger's service waits for no
// more than one: a later one may have what was settled since. A consumer's lists, and a group's beside its sum, are of
// one moment. Where several Looms share a store, sums are of all of them, and "shared" says how far the others' are
// known; those by project, or of one, and records are each Loom's own ("of_this_loom").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "loom/admin/report_desk.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "loom/store/usage_store.h"

namespace loom::admin {

inline constexpr std::string_view usage_path = "/ai/usage";
inline constexpr std::string_view usage_export_path = "/ai/usage/export";

inline constexpr uint64_t usage_names = 1'000;      // of a list, where no limit is said
inline constexpr uint64_t usage_names_max = 1'000;  // that may be said: a report's memory

[[nodiscard]] bool is_usage(std::string_view path) noexcept;

/// What a month, [from_s, behind_s) in seconds since 1970, comes to at the pace of its days so far, at a time within
/// it. Before its first day is over, that day stands for itself.
[[nodiscard]] unsigned __int128 month_at_pace(unsigned __int128 so_far, uint64_t from_s, uint64_t behind_s,
                                              uint64_t now_s) noexcept;

/// Where it is told from; all of it outlives what is asked.
struct UsageSource {
    store::UsageStore* usage = nullptr;
    ReportDesk* reports = nullptr;  // makes the answers
    std::string directory;          // of the records; "": they are in memory, and nobody reads them
    store::VaultPtr vault;
};

/// JSON, or an error as JSON: 400 for what is no period or parameter, 404 for a consumer that neither the conf nor the
/// ledger knows, 410 for days whose sums are kept by month only, 503 where the database cannot be read.
/// shared  of the store that several Looms share, where there is one: then sums are of all of them, as far as others
/// have
///         told theirs, and the answer says how far that is.
[[nodiscard]] proxy::LocalAnswer show_usage(const UsageSource& source, std::shared_ptr<const proxy::Plan> plan,
                                            const std::optional<observe::SharedStoreFacts>& shared,
                                            const proxy::LocalRequest& request);

/// usage_export.cc: lines, in pieces, behind 200. Where attempts are missing (a damaged file, one that is gone), or
/// nobody knows whether they are, the last line says so, and the answer breaks off, so that nobody takes a part for the
/// whole; partial=accept: it ends in order. 400 for a parameter that is none, 503 where too many are under way.
[[nodiscard]] proxy::LocalAnswer export_usage(const UsageSource& source, const proxy::LocalRequest& request);

}  // namespace loom::admin
