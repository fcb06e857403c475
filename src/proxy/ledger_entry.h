// What an exchange has in the ledger: the attempt under way, from its intent to its settlement.
#pragma once

#include <cstdint>

#include "loom/base/block_pool.h"
#include "loom/store/ledger_log.h"

namespace loom::proxy {

class Exchange;

/// In a block of the shard's own, from the first attempt to the end.
struct LedgerEntry final : store::LedgerLog::Waiter {
    LedgerEntry(Written on_intent_written, Exchange& x, Block block) noexcept
        : Waiter(on_intent_written), exchange(x), home(std::move(block)) {}

    Exchange& exchange;
    uint64_t id = 0;       // of the attempt; 0: its intent had no room in the log
    uint64_t request = 0;  // the first attempt's id; 0: that is this one, or it had no room
    uint64_t time_us = 0;
    uint64_t input_tokens = 0;   // as they were estimated
    uint64_t output_tokens = 0;  // that are to be expected
    Money cost = -1;             // of these
    uint64_t waits_from_ms = 0;  // the last wait for its intent began
    uint16_t status = 0;         // of the provider's answer; 0: none came
    bool open = false;           // it has an intent, or should have, and no settlement
    bool written = false;        // the intent is in the file
    Block home;
};

}  // namespace loom::proxy
