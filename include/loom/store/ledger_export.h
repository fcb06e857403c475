// The ledger's records themselves, attempt by attempt, and what no provider was asked for, from the segments that are
// still there.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

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
    uint64_t segments = 0;
    uint64_t unsettled = 0;       // of the rows
    uint64_t without_intent = 0;  // settlements whose intent's segment is gone: of these there is no row
    uint64_t damaged_bytes = 0;
};

/// Reads all segments of a state.directory, one after the other, and calls `sink` once for each attempt when it is
/// settled, and for each answer from the cache and each count of refusals; false from it ends the reading. Those that
/// are not settled come last. What is kept in memory are intents that are open: as many as there were attempts under
/// way. A Loom may run on it meanwhile. Errors  a text: there is no ledger, or it cannot be read.
[[nodiscard]] std::expected<LedgerExport, std::string> export_ledger(
    const std::string& directory, const std::function<bool(const LedgerRow& row)>& sink, const VaultPtr& vault = {});

inline constexpr size_t ledger_export_open_max = size_t{1} << 20;  // beyond it the oldest come as unsettled

}  // namespace loom::store
