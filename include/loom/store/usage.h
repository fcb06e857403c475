// What was used, as sums: what is asked for, and what is answered.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loom/base/limit_scope.h"
#include "loom/base/money.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {

/// Days since 1970, UTC.
using UsageDay = int64_t;

struct UsageSums {
    uint64_t requests = 0;  // each once, at the provider that was asked first
    uint64_t attempts = 0;
    uint64_t input = 0;  // tokens: all of the prompts
    uint64_t cached_input = 0;
    uint64_t cache_write = 0;
    uint64_t cache_write_1h = 0;
    uint64_t output = 0;  // all of the answers
    uint64_t reasoning = 0;
    uint64_t unpriced = 0;       // attempts whose price is not known
    uint64_t estimated = 0;      // attempts whose tokens nobody has told: counted or estimated
    unsigned __int128 cost = 0;  // of Money

    [[nodiscard]] uint64_t total() const noexcept { return input + output; }
    UsageSums& operator+=(const UsageSums& more) noexcept;
    friend bool operator==(const UsageSums&, const UsageSums&) = default;
};

/// What no provider was asked for: nothing of it was spent.
struct LocalSums {
    std::array<uint64_t, tenant::ledger_local_exit_count> requests{};  // by LedgerLocalExit
    uint64_t input = 0;         // tokens that answers from the cache would have taken, as far as they tell
    uint64_t cached_input = 0;  // of input
    uint64_t output = 0;
    uint64_t reasoning = 0;       // of output
    uint64_t unpriced = 0;        // answers of which nobody knows what they would have cost
    unsigned __int128 saved = 0;  // of Money

    /// Answers from the cache; and refusals.
    [[nodiscard]] uint64_t cached() const noexcept;
    [[nodiscard]] uint64_t refused() const noexcept;
    LocalSums& operator+=(const LocalSums& more) noexcept;
    friend bool operator==(const LocalSums&, const LocalSums&) = default;
};

/// By project: of this Loom alone, and only those that have one. By none: one group of all, without a name.
enum class UsageDimension : uint8_t { consumer, team, tenant, provider, model, provenance, day, project, none };

/// Only what has this name in this dimension, as UsageGroup tells it; days are not asked for like this. What no
/// provider was asked for has "" for a provider and for a provenance.
struct UsageOnly {
    UsageDimension in = UsageDimension::consumer;
    std::string name;
};

/// Sums over [from, to], by one dimension, of one consumer or all.
struct UsageQuery {
    UsageDimension by = UsageDimension::consumer;
    UsageDay from = 0;
    UsageDay to = 0;
    bool of_consumer = false;
    std::string consumer;
    bool of_all_looms = false;              // where sums are shared: what other Looms have told too, of `sums`
    std::vector<UsageOnly> only = {};       // all of them
    uint64_t limit = 0;                     // groups, in the order of their names; 0: all
    std::optional<std::string> after = {};  // only groups whose names come later; "" is a name too
    /// In place of `by`: one group with the tokens (all as input) and the cost of one route, or model by the name that
    /// clients ask by. Of the last two months, and of this Loom alone.
    std::optional<LimitScope> spent_by = {};
    std::string spent_name = {};
};

struct UsageGroup {
    std::string name;  // of a day: "2024-02-29"
    UsageSums sums;
    LocalSums local;  // this Loom's own; none by provider and by provenance
};

/// From when on sums are kept by day, and by month at least; 0: from the first on (Options::keep).
struct UsageKept {
    UsageDay days_since = 0;
    UsageDay months_since = 0;
};

/// "2024-02-29".
[[nodiscard]] std::string usage_day_text(UsageDay day);

}  // namespace loom::store
