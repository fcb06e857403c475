// Rows of the keys that say how much clients may ask for.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr const char* count_range = "0..1000000000";
constexpr const char* window_range = "1s..1d";

constexpr KeyRow number(const char* pattern, const char* meaning, const char* range = count_range) {
    return {.pattern = pattern, .type = integer, .meaning = meaning, .range = range};
}

/// Of a request_rate or a token_rate (plan/rates.h).
constexpr KeyRow rate(const char* pattern, const char* meaning) {
    return {.pattern = pattern, .type = list, .meaning = meaning};
}

constexpr const char* requests_of_all =
    "requests of all clients together, by rate_limit.request_rate.window or by its own. 0: no limit";
constexpr const char* tokens_of_all =
    "tokens of prompts and answers of all clients together, by rate_limit.token_rate.window or by its own. 0: no limit";
constexpr const char* burst_of_all =
    "of the requests that request_rate allows, so many may come at once; more come evenly. Needs request_rate";
constexpr const char* concurrent_of_all = "requests under way at once, of all clients; a stream until its end. 0: any";
constexpr const char* requests_of_address =
    "requests of each client's address, those with a wrong key too; an IPv6 client is its /64, behind a proxy of "
    "forwarded.trust the address that it names. 0: no limit";
constexpr const char* tokens_of_address = "tokens of each client's address. 0: no limit";
constexpr const char* burst_of_address =
    "requests of an address that may come at once. Needs rate_limit.ip.request_rate";
constexpr const char* concurrent_of_address = "requests under way at once, of each address. 0: any number";
constexpr const char* requests_of_tier =
    "requests of each consumer of this tier, in place of rate_limit.request_rate.limit. 0: no limit";
constexpr const char* tokens_of_tier =
    "tokens of each consumer of this tier, in place of rate_limit.token_rate.limit. 0: no limit. Of whom tokens alone "
    "name, 16384 are counted at once, each in windows of all lengths that any tier has (0.3 KiB each)";
constexpr const char* burst_of_tier = "requests of each consumer of this tier that may come at once";
constexpr const char* concurrent_of_tier = "requests under way at once, of each consumer of this tier. 0: any number";
constexpr const char* requests_of_consumer = "requests of this consumer, in place of its tier's. 0: no limit";
constexpr const char* tokens_of_consumer = "tokens of this consumer, in place of its tier's. 0: no limit";
constexpr const char* burst_of_consumer = "requests of this consumer that may come at once, in place of its tier's";
constexpr const char* concurrent_of_consumer =
    "requests of this consumer under way at once, in place of its tier's. 0: any number";
constexpr const char* requests_of_team = "requests of this team's consumers together (consumer.NAME.team). 0: no limit";
constexpr const char* tokens_of_team = "tokens of this team's consumers together. 0: no limit";
constexpr const char* burst_of_team = "requests of this team that may come at once. Needs its request_rate";
constexpr const char* concurrent_of_team = "requests under way at once, of this team. 0: any number";
constexpr const char* requests_of_tenant =
    "requests of this tenant's consumers together (consumer.NAME.tenant), whatever their teams and projects. 0: no "
    "limit";
constexpr const char* tokens_of_tenant = "tokens of this tenant's consumers together. 0: no limit";
constexpr const char* burst_of_tenant = "requests of this tenant that may come at once. Needs its request_rate";
constexpr const char* concurrent_of_tenant = "requests under way at once, of this tenant. 0: any number";
constexpr const char* requests_of_project =
    "requests of this project's consumers together (consumer.NAME.project); each tenant's project of this name has as "
    "many of its own. 0: no limit";
constexpr const char* tokens_of_project = "tokens of this project's consumers together. 0: no limit";
constexpr const char* burst_of_project = "requests of this project that may come at once. Needs its request_rate";
constexpr const char* concurrent_of_project = "requests under way at once, of this project. 0: any number";
constexpr const char* requests_of_route = "requests of all clients on this route. 0: no limit";
constexpr const char* tokens_of_route = "tokens of all clients on this route. 0: no limit";
constexpr const char* burst_of_route = "requests on this route that may come at once. Needs its request_rate";
constexpr const char* concurrent_of_route = "requests under way at once on this route. 0: any number";
constexpr const char* requests_of_model = "requests of all clients for this model, as they name it. 0: no limit";
constexpr const char* tokens_of_model = "tokens of all clients for this model. 0: no limit";
constexpr const char* burst_of_model = "requests for this model that may come at once. Needs its request_rate";
constexpr const char* concurrent_of_model = "requests under way at once for this model. 0: any number";

constexpr KeyRow rows[] = {
    {.pattern = "rate_limit.enabled",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: none of the limits of clients below counts. All shards count together: in no span of a window's "
                "length are more requests let in than the limit, nor tokens reserved. Who is over one gets 429 with "
                "Retry-After"},
    {.pattern = "rate_limit.headers",
     .type = boolean,
     .default_text = "on",
     .meaning =
         "answers tell what is left, by requests and by tokens, of the limit that has the least left (of all of its "
         "windows, x-ratelimit-* of the one with the least) of its client's own (its consumer's, team's, project's, "
         "tenant's and address's), budgets in tokens too: RateLimit, RateLimit-Policy and OpenAI's x-ratelimit-*, in "
         "place of the provider's. Of one that strangers share only its own 429 tells. Off: the provider's pass as "
         "they came, and who is refused gets Retry-After (of a spent budget x-should-retry too)"},
    {.pattern = "rate_limit.on_store_lost",
     .type = choice,
     .default_text = "fail_open",
     .meaning =
         "where token_accounting.store.type = redis, the request_rate and token_rate of consumers, tiers, teams, "
         "projects, tenants, routes, models and all clients are one for all Looms; those of addresses and of consumers "
         "that only tokens name, "
         "burst and concurrent are each Loom's own. While Redis does not answer for a second: fail_open, and each Loom "
         "counts alone, or fail_closed, and what is leased here is used, half a minute at most; more is refused with "
         "503",
     .choices = "fail_open|fail_closed"},
    {.pattern = "rate_limit.request_rate.limit",
     .type = list,
     .meaning =
         "requests of each consumer in a window; who has no key is one consumer with all such. 0: no limit. Here "
         "and in every request_rate and token_rate below: a number of 0 to 1000000000 by .window, or up to four "
         "by windows of their own, all of which count: 10/s, 1000/h or 60/1m, 5000/12h (s, m, h, d or 1s..1d). "
         "A burst is of the shortest. Of the tables of addresses and tokens' consumers a window takes 0.3 KiB a "
         "row"},
    {.pattern = "rate_limit.request_rate.window",
     .type = duration,
     .default_text = "1m",
     .meaning = "the window of each number of a request_rate, here and below, that names none",
     .range = window_range},
    {.pattern = "rate_limit.token_rate.limit",
     .type = list,
     .meaning =
         "tokens of prompts and answers of each consumer in a window. Reserved as expected (the prompt as "
         "counted or estimated, and the least of max_tokens and what its answers have of late, by n), settled with "
         "what the answer says: by what is under way at once it may be overshot, which later requests wait for. 0: "
         "no limit. Several windows as in rate_limit.request_rate.limit"},
    {.pattern = "rate_limit.token_rate.window",
     .type = duration,
     .default_text = "1m",
     .meaning = "the window of each number of a token_rate, here and below, that names none",
     .range = window_range},
    rate("rate_limit.global.request_rate", requests_of_all),
    rate("rate_limit.global.token_rate", tokens_of_all),
    number("rate_limit.global.burst", burst_of_all, "1..1000000000"),
    number("rate_limit.global.concurrent", concurrent_of_all, "0..100000000"),
    rate("rate_limit.ip.request_rate", requests_of_address),
    rate("rate_limit.ip.token_rate", tokens_of_address),
    number("rate_limit.ip.burst", burst_of_address, "1..1000000000"),
    number("rate_limit.ip.concurrent", concurrent_of_address, "0..100000000"),
    {.pattern = "rate_limit.ip.addresses",
     .type = integer,
     .default_text = "16384",
     .meaning = "addresses that are counted at once, 0.1 KiB each and 0.3 KiB for each of their windows; one more "
                "takes the place of the one that came the "
                "longest ago",
     .range = "64..4194304"},
    rate("rate_limit.tier.<name>.request_rate", requests_of_tier),
    rate("rate_limit.tier.<name>.token_rate", tokens_of_tier),
    number("rate_limit.tier.<name>.burst", burst_of_tier, "1..1000000000"),
    number("rate_limit.tier.<name>.concurrent", concurrent_of_tier, "0..100000000"),
    rate("rate_limit.consumer.<name>.request_rate", requests_of_consumer),
    rate("rate_limit.consumer.<name>.token_rate", tokens_of_consumer),
    number("rate_limit.consumer.<name>.burst", burst_of_consumer, "1..1000000000"),
    number("rate_limit.consumer.<name>.concurrent", concurrent_of_consumer, "0..100000000"),
    rate("rate_limit.team.<name>.request_rate", requests_of_team),
    rate("rate_limit.team.<name>.token_rate", tokens_of_team),
    number("rate_limit.team.<name>.burst", burst_of_team, "1..1000000000"),
    number("rate_limit.team.<name>.concurrent", concurrent_of_team, "0..100000000"),
    rate("rate_limit.tenant.<name>.request_rate", requests_of_tenant),
    rate("rate_limit.tenant.<name>.token_rate", tokens_of_tenant),
    number("rate_limit.tenant.<name>.burst", burst_of_tenant, "1..1000000000"),
    number("rate_limit.tenant.<name>.concurrent", concurrent_of_tenant, "0..100000000"),
    rate("rate_limit.project.<name>.request_rate", requests_of_project),
    rate("rate_limit.project.<name>.token_rate", tokens_of_project),
    number("rate_limit.project.<name>.burst", burst_of_project, "1..1000000000"),
    number("rate_limit.project.<name>.concurrent", concurrent_of_project, "0..100000000"),
    rate("rate_limit.route.<name>.request_rate", requests_of_route),
    rate("rate_limit.route.<name>.token_rate", tokens_of_route),
    number("rate_limit.route.<name>.burst", burst_of_route, "1..1000000000"),
    number("rate_limit.route.<name>.concurrent", concurrent_of_route, "0..100000000"),
    rate("rate_limit.model.<model>.request_rate", requests_of_model),
    rate("rate_limit.model.<model>.token_rate", tokens_of_model),
    number("rate_limit.model.<model>.burst", burst_of_model, "1..1000000000"),
    number("rate_limit.model.<model>.concurrent", concurrent_of_model, "0..100000000"),
};

}  // namespace

std::span<const KeyRow> rate_limit_keys() { return rows; }

}  // namespace loom::app
