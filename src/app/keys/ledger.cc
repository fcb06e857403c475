// Rows of the keys of the ledger: what is written down of what clients use.
#include "keys/keys.h"

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
                "too where no state.directory is set. redis: usage.db, and Redis or Valkey beside it, through which "
                "several Looms know each other's sums",
     .change = KeyChange::restart,
     .choices = "sqlite|memory|redis"},
    {.pattern = "token_accounting.store.redis.address",
     .type = text,
     .default_text = "",
     .meaning = "HOST:PORT, redis://HOST:PORT, or rediss://HOST:PORT for TLS. Redis 5 or above, or Valkey. While it "
                "cannot be reached Loom serves, counts by itself, and tries again",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.key_prefix",
     .type = text,
     .default_text = "loom:tokens:",
     .meaning = "what its keys begin with: the same for all Looms that share. In a cluster they all lie in one slot, "
                "by the hash tag of the prefix ({loom}:) or one of Loom's",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.username",
     .type = text,
     .default_text = "",
     .meaning =
         "of an ACL user, who may use INFO, scripts, hashes and sorted sets under key_prefix. Unset: the default user",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.password",
     .type = secret,
     .meaning = "the user's, or that of requirepass",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.database",
     .type = integer,
     .default_text = "0",
     .meaning = "the number that SELECT takes; a cluster has 0 alone",
     .change = KeyChange::restart,
     .range = "0..65535"},
    {.pattern = "token_accounting.store.redis.timeout",
     .type = duration,
     .default_text = "1s",
     .meaning = "of connecting, and of each answer; then it counts as lost, and is tried again after pauses that grow "
                "to 2.5s",
     .change = KeyChange::restart,
     .range = "50ms..2s"},
    {.pattern = "token_accounting.store.redis.interval",
     .type = duration,
     .default_text = "2s",
     .meaning = "so often sums are told, and others' fetched",
     .change = KeyChange::restart,
     .range = "100ms..1h"},
    {.pattern = "token_accounting.store.redis.tls.ca_file",
     .type = path,
     .meaning = "authorities for its server, as provider.<name>.tls.ca_file",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.tls.certificate",
     .type = path,
     .meaning = "shown where the server asks for one, as provider.<name>.tls.certificate",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.tls.key",
     .type = path,
     .meaning = "its key",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.store.redis.tls.min_version",
     .type = choice,
     .default_text = "1.2",
     .meaning = "the oldest TLS that is spoken with it",
     .change = KeyChange::restart,
     .choices = "1.2|1.3"},
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
    {.pattern = "token_accounting.log.hits_per_second",
     .type = integer,
     .default_text = "64",
     .meaning = "answers from the cache that a shard gives a record of their own; those beyond are summed by whose, "
                "route, model and layer, one record each 1 to 16 seconds, as refusals always are (a killed process "
                "loses the sum since). 0: all are",
     .change = KeyChange::restart,
     .range = "0..1000000"},
    {.pattern = "token_accounting.log.max_age",
     .type = duration,
     .default_text = "30d",
     .meaning =
         "files of the log are removed so long after their last write, where all of them is in the sums and nothing "
         "more is written to them; 0: never",
     .change = KeyChange::restart},
    {.pattern = "token_accounting.retention.days",
     .type = integer,
     .default_text = "0",
     .meaning =
         "sums are kept by day for so many days, today included, and by month after that; 0: for ever. The month "
         "and the week at hand are kept by day all the same, since budgets ask for them, and so is what Looms "
         "tell each other (the last 13 months, where token_accounting.store.type = redis)",
     .change = KeyChange::restart,
     .range = "0..36500"},
    {.pattern = "token_accounting.retention.months",
     .type = integer,
     .default_text = "0",
     .meaning = "sums are kept for so many months, this one included, then they go; 0: for ever",
     .change = KeyChange::restart,
     .range = "0..1200"},
};

}  // namespace

std::span<const KeyRow> ledger_keys() { return rows; }

}  // namespace loom::app
