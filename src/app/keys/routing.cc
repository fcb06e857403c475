// Rows of the keys that say who is asked, and what follows when an attempt fails.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr const char* strategies =
    "priority|model|round_robin|weighted|random|least_connections|latency|least_latency|cost|cost_optimized|"
    "throughput|complexity|task";

constexpr KeyRow rows[] = {
    {.pattern = "routing.strategy",
     .type = choice,
     .default_text = "priority",
     .meaning =
         "among the providers of a model that are well. priority: the lowest number first; round_robin; weighted: "
         "provider.NAME.weight, evenly spread; random: by weight; least_connections; latency: the fastest of late; "
         "cost: the cheapest for the request; throughput: whose streams bring their tokens fastest; complexity, task: "
         "the "
         "model or provider that the prompt is one for (routing.complexity.*, routing.task.*), then priority; model: "
         "priority. routing.model_route goes before each of them",
     .choices = strategies},
    {.pattern = "routing.model.<model>.strategy",
     .type = choice,
     .meaning = "of this model, a trailing * for any ending, in place of routing.strategy and route.NAME.strategy",
     .choices = strategies},
    {.pattern = "route.<name>.strategy",
     .type = choice,
     .meaning = "of this route, in place of routing.strategy",
     .choices = strategies},
    {.pattern = "route.<name>.model.<model>.strategy",
     .type = choice,
     .meaning = "of this model on this route, before all others",
     .choices = strategies},
    {.pattern = "routing.providers",
     .type = list,
     .meaning = "selects the candidates and orders those of equal priority; unset: all, in file order"},
    {.pattern = "routing.model_route.<model>",
     .type = text,
     .meaning = "the provider of a model; the model `default` stands for every unknown one"},
    {.pattern = "model_mapping.<model>.<provider>",
     .type = text,
     .meaning = "what the provider calls the model that clients ask for"},
    {.pattern = "provider.<name>.weight",
     .type = integer,
     .default_text = "1",
     .meaning = "its share beside the others' (weighted, random, least_connections); 0: drained, it takes no new "
                "requests. An operator may give it another on the admin listener, until this one changes",
     .range = "0..1000000"},
    {.pattern = "routing.provider.<name>.weight", .type = integer, .alias_of = "provider.<name>.weight"},
    {.pattern = "routing.latency.window",
     .type = duration,
     .default_text = "5m",
     .meaning =
         "how far back the strategies latency and throughput look; one that was not asked for an eighth of it is "
         "tried once",
     .range = "1s..24h"},
    {.pattern = "routing.latency.percentile",
     .type = integer,
     .default_text = "95",
     .meaning = "of the times to the first token of streams, and of whole answers else; 50 spends less on outliers",
     .range = "1..99"},
    {.pattern = "routing.failover.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: until its first content an attempt that fails is replaced, by another provider at once or by the "
                "same after a pause. Requests that are read; a stream's head waits for its first content"},
    {.pattern = "routing.failover.max_retries",
     .type = integer,
     .default_text = "2",
     .meaning = "attempts after the first; the fallback provider is one more",
     .range = "0..20"},
    {.pattern = "routing.failover.retry_codes",
     .type = list,
     .default_text = "408, 429, 500, 502, 503, 504, 529",
     .meaning = "statuses of an upstream that count as a failed attempt; others are the answer"},
    {.pattern = "routing.failover.retry_sent",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: a request that was sent and got no answer (a timeout, a cut) is not sent again: the first "
                "provider may have worked on it, and bill it"},
    {.pattern = "routing.failover.timeout",
     .type = duration,
     .default_text = "0",
     .meaning = "the time that each attempt has until its first content, beside timeout.*; 0: theirs alone"},
    {.pattern = "routing.failover.retry_budget",
     .type = share,
     .default_text = "20%",
     .meaning = "retries as a share of the requests, so that an outage is not made worse; each shard may save up 100 "
                "and has one a second beside"},
    {.pattern = "routing.failover.backoff",
     .type = duration,
     .default_text = "250ms",
     .meaning = "the pause before the same provider is asked again; it doubles, up to 8s, less up to a half at random",
     .range = "0..1m"},
    {.pattern = "routing.failover.retry_after_max",
     .type = duration,
     .default_text = "10s",
     .meaning = "the longest Retry-After of a provider that a request waits for where there is no other; longer ones "
                "are the client's to wait for. Until then the provider is asked last",
     .range = "0..5m"},
    {.pattern = "routing.failover.circuit_breaker.failure_threshold",
     .type = integer,
     .default_text = "5",
     .meaning = "failures in a row after which a provider, or one of its models, is left alone; 0: never",
     .range = "0..1000"},
    {.pattern = "routing.failover.circuit_breaker.success_threshold",
     .type = integer,
     .default_text = "3",
     .meaning = "requests that must do well before it is trusted again; so many at once are risked",
     .range = "1..1000"},
    {.pattern = "routing.failover.circuit_breaker.timeout",
     .type = duration,
     .default_text = "60s",
     .meaning = "how long it is left alone. Where all of a model's providers are, they are asked all the same",
     .range = "1ms..1h"},
    {.pattern = "routing.failover.circuit_breaker.restore",
     .type = duration,
     .default_text = "10s",
     .meaning = "over which its share of the requests grows back from a tenth; 0: at once",
     .range = "0..1h"},
    {.pattern = "routing.fallback", .type = boolean, .alias_of = "routing.failover.enabled"},
    {.pattern = "failover.enabled", .type = boolean, .alias_of = "routing.failover.enabled"},
    {.pattern = "failover.retry_codes", .type = list, .alias_of = "routing.failover.retry_codes"},
    {.pattern = "failover.timeout", .type = duration, .alias_of = "routing.failover.timeout"},
    {.pattern = "failover.max_retries", .type = integer, .alias_of = "routing.failover.max_retries"},
    {.pattern = "failover.retry_budget", .type = share, .alias_of = "routing.failover.retry_budget"},
    {.pattern = "failover.circuit_breaker.failure_threshold",
     .type = integer,
     .alias_of = "routing.failover.circuit_breaker.failure_threshold"},
    {.pattern = "failover.circuit_breaker.success_threshold",
     .type = integer,
     .alias_of = "routing.failover.circuit_breaker.success_threshold"},
    {.pattern = "failover.circuit_breaker.timeout",
     .type = duration,
     .alias_of = "routing.failover.circuit_breaker.timeout"},
    {.pattern = "routing.fallback.provider",
     .type = text,
     .meaning = "asked when the others of a model have failed; it takes no requests of theirs before. A model it does "
                "not serve needs a mapping. It needs routing.failover.enabled"},
    {.pattern = "routing.fallback.on_error",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: not after errors, timeouts and lost connections"},
    {.pattern = "routing.fallback.on_rate_limit",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: not where they answered 429"},
};

}  // namespace

std::span<const KeyRow> routing_keys() { return rows; }

}  // namespace loom::app
