// The ledger's records themselves, attempt by attempt, and what no provider was asked for, from the segments that are
// still there.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "loom/store/ledger_filter.h"
#include "loom/store/vault.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {

/// Texts are good during the call.
struct LedgerRow {
    const tenant::LedgerIntent& intent;          // of `local` its id, its time, whose it is, route and model
    const tenant::LedgerSettlement* settlement;  // null: it is under way, or was cut off and is not booked yet
    const tenant::LedgerLocal* local = nullptr;  // answered from the cache, or refused: there is no settlement
};

struct LedgerExport {
    uint64_t rows = 0;
    uint64_t segments = 0;        // that were read
    uint64_t passed_over = 0;     // of those that are there: nothing of the period is in them
    uint64_t gone = 0;            // whose time was over while others were read
    uint64_t unsettled = 0;       // of the rows
    uint64_t counted = 0;         // attempts that are settled and that `counted` takes, rows or not
    uint64_t without_intent = 0;  // settlements whose intent's segment is gone: of these there is no row
    uint64_t damaged_bytes = 0;   // that may have held records
};

/// Reads the segments of a state.directory, one after the other, and calls `sink` once for each attempt that the filter
/// takes, when it is settled, and for each answer from the cache and each count of refusals that it takes; false from
/// it ends the reading. Those that are not settled come last. What is kept in memory are intents that are open and that
/// the filter takes: as many as there were attempts under way. A Loom may run on it meanwhile: what it had written when
/// the reading began is there. A segment that was last written a day before the filter's period, or more, is not
/// read.
/// goes_on  asked now and then, also where no row is told; false ends the reading.
/// counted  whose attempts are counted beside; files of its period are read too. Null: nobody's.
/// Errors  a text: there is no ledger, or it cannot be read.
[[nodiscard]] std::expected<LedgerExport, std::string> export_ledger(
    const std::string& directory, const std::function<bool(const LedgerRow& row)>& sink, const VaultPtr& vault = {},
    const LedgerFilter& filter = {}, const std::function<bool()>& goes_on = {}, const LedgerFilter* counted = nullptr);

inline constexpr size_t ledger_export_open_max = size_t{1} << 20;  // beyond it the oldest come as unsettled
inline constexpr uint64_t ledger_export_slack_s = 86'400;          // by which clocks and files may disagree

}  // namespace loom::store
