// Rows of the keys that say how much providers may be asked.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "provider.<name>.rate_limit.requests_per_minute",
     .type = integer,
     .default_text = "0",
     .meaning = "at the limit the next provider takes the request; where there is none, 429 with Retry-After. All "
                "shards count together, at each attempt. 0: no limit",
     .range = "0..100000000"},
    {.pattern = "provider.<name>.rate_limit.tokens_per_minute",
     .type = integer,
     .default_text = "0",
     .meaning =
         "of prompts and answers: reserved as expected (the prompt as counted or estimated, and max_tokens or 512), "
         "settled with what the answer says. 0: no limit",
     .range = "0..100000000"},
    {.pattern = "provider.<name>.rate_limit.concurrent_requests",
     .type = integer,
     .default_text = "0",
     .meaning = "under way at once, streams until their end. 0: no limit",
     .range = "0..1000000"},
    {.pattern = "provider.<name>.rate_limit.adaptive",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: how many are under way at once is learned: more while its answers begin as soon as when few are "
                "asked, fewer when they wait for each other, a quarter less after a 429, 503, 529 or timeout. While "
                "answers take longer it is halved for a moment every ten seconds or more, to see whether that is a "
                "queue of our making: requests beyond it go elsewhere, wait (routing.queue.max) or are refused. Never "
                "more than concurrent_requests, or 1000 where that is 0. Experimental"},
    {.pattern = "provider.<name>.rate_limit.adaptive_min",
     .type = integer,
     .default_text = "1",
     .meaning = "as many always may be, whatever is learned",
     .range = "1..1000000"},
    {.pattern = "provider.<name>.rate_limit.burst",
     .type = duration,
     .default_text = "1m",
     .meaning = "how much of a minute's limit may come at once after a pause; the rest follows evenly. Less for "
                "providers that count in shorter spans (Azure: 10s)",
     .range = "1ms..1m"},
    {.pattern = "provider.<name>.rate_limit.headers",
     .type = boolean,
     .default_text = "on",
     .meaning = "its answers' x-ratelimit-* and anthropic-ratelimit-* are heeded: where nothing is left, or too little "
                "for the request, others are asked first until the reset, 5m at most. Read where there is failover, a "
                "rate_limit or the strategy latency; off: never"},
    {.pattern = "routing.queue.max",
     .type = integer,
     .default_text = "0",
     .meaning = "so many requests may wait where every provider of their model is at its rate_limit, instead of a 429 "
                "at once: the highest consumer.NAME.priority first, within one first come first served. Each shard "
                "takes its part. 0: nobody waits",
     .range = "0..1000000"},
    {.pattern = "routing.queue.timeout",
     .type = duration,
     .default_text = "10s",
     .meaning = "how long at the most; one that cannot be served by then is refused as soon as that is known",
     .range = "1ms..10m"},
    {.pattern = "consumer.<name>.priority",
     .type = integer,
     .default_text = "5",
     .meaning = "the higher, the sooner it is served in routing.queue, and the later it is refused in an overload",
     .range = "0..9"},
    {.pattern = "overload.lag",
     .type = duration,
     .default_text = "500ms",
     .meaning = "from this lag of the loop on, the time that a turn keeps others waiting, a shard answers 503 with "
                "Retry-After before it reads a body: the lowest consumer.NAME.priority first, more of them as long as "
                "the lag lasts, fewer from half of it on. 0: never",
     .range = "0..1m"},
    {.pattern = "overload.exchanges",
     .type = integer,
     .default_text = "0",
     .meaning = "the same from so many requests under way on; each shard takes its part. 0: any number",
     .range = "0..10000000"},
    {.pattern = "overload.bodies",
     .type = share,
     .default_text = "0",
     .meaning = "the same from this share of limit.bodies_in_memory on. 0: they wait for room instead"},
};

}  // namespace

std::span<const KeyRow> limit_keys() { return rows; }

}  // namespace loom::app
