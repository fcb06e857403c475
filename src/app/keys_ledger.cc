// Rows of the keys of the ledger: what is written down of what clients use.
#include "keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "token_accounting.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: each attempt at a provider is written to a log in state.directory before it is sent, and what it "
                "took when it is over; the sums are at the admin's /ai/usage. A request waits for that "
                "write, a second at most. One Loom for a state.directory",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.type",
     .type = choice,
     .default_text = "sqlite",
     .meaning = "where the sums are: usage.db in state.directory, or memory, log and all, lost at a restart; so it is "
                "too where no state.directory is set",
     .change = KeyChange::restart,
     .choices = "sqlite|memory|-redis"},
    {.pattern = "token_accounting.on_disk_full",
     .type = choice,
     .default_text = "serve",
     .meaning =
         "while the log cannot be written, or a write of it takes longer than a second: serve, and count what has no "
         "room in memory as lost (loom_ai_ledger_lost_total), or refuse requests with 503",
     .change = KeyChange::restart,
     .choices = "serve|refuse"},
    {.pattern = "token_accounting.sync",
     .type = duration,
     .default_text = "1s",
     .meaning = "so often the log is made safe against a power cut; what a killed process has written is safe without "
                "it. 0: when the kernel sees fit",
     .change = KeyChange::restart,
     .range = "0..1h"},
    {.pattern = "token_accounting.log.segment_size",
     .type = size,
     .default_text = "64MiB",
     .meaning = "another file is begun beyond it, for each shard",
     .change = KeyChange::restart,
     .range = "64KiB..1GiB"},
    {.pattern = "token_accounting.log.max_age",
     .type = duration,
     .default_text = "30d",
     .meaning =
         "files of the log are removed so long after their last write, where all of them is in the sums and nothing "
         "more is written to them; 0: never",
     .change = KeyChange::restart},
};

}  // namespace

std::span<const KeyRow> ledger_keys() { return rows; }

}  // namespace loom::app
