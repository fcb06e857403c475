// What the admin listener tells of the ledger's sums.
//
//   GET /ai/usage/CONSUMER?period=2024-02     what one consumer has used, by model and by day
//   GET /ai/usage?period=2024-02-29           what all have used, by tenant, team, consumer, provider and model
//
// Beside what was spent, "cached" tells the requests that the cache has answered, by layer, and what that has saved,
// and "refused" those that were refused here, by reason: models of these are named as clients have asked for them. Both
// are this Loom's own, also where sums are shared.
//
// A period is a month or a day, UTC; without one the month that it is. What was settled before is in it.
// Where several Looms share a store, sums are of all of them, and "shared" says how far the others' are known.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"
#include "loom/store/usage_store.h"

namespace loom::admin {

inline constexpr std::string_view usage_path = "/ai/usage";

[[nodiscard]] bool is_usage(std::string_view path) noexcept;

/// What a month, [from_s, behind_s) in seconds since 1970, comes to at the pace of its days so far, at a time within
/// it. Before its first day is over, that day stands for itself.
[[nodiscard]] unsigned __int128 month_at_pace(unsigned __int128 so_far, uint64_t from_s, uint64_t behind_s,
                                              uint64_t now_s) noexcept;

/// JSON, or an error as JSON: 400 for a period that is none, 404 for a consumer that neither the conf nor the ledger
/// knows, 503 where the database cannot be read.
/// shared  of the store that several Looms share, where there is one: then sums are of all of them, as far as others
/// have
///         told theirs, and the answer says how far that is.
[[nodiscard]] proxy::LocalAnswer show_usage(store::UsageStore& usage, const proxy::Plan& plan,
                                            const std::optional<observe::SharedStoreFacts>& shared,
                                            const proxy::LocalRequest& request);

}  // namespace loom::admin
