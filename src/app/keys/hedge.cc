// Rows of the keys that ask a second provider beside one that is slow.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.hedge.after",
     .type = text,
     .default_text = "off",
     .meaning = "another provider of the model is asked too where the one that was asked has brought no content for so "
                "long: a duration, or p50 … p99 of the times that the model took there of late (streams to their first "
                "token, whole answers to their end; routing.latency.window). The first answer is the client's, the "
                "other is cancelled, and may be billed. It needs routing.failover.enabled. Requests that leave "
                "something behind have none, nor have bodies over 1 MiB"},
    {.pattern = "routing.hedge.budget",
     .type = share,
     .default_text = "10%",
     .meaning = "of the requests may be asked twice, on each shard; it may save up 10"},
    {.pattern = "routing.hedge.max_in_flight",
     .type = integer,
     .default_text = "64",
     .meaning = "requests that two providers are asked at once, on each shard; further ones wait for the one",
     .range = "1..10000"},
};

}  // namespace

std::span<const KeyRow> hedge_keys() { return rows; }

}  // namespace loom::app
