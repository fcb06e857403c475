// Rows of the keys that say which issuers are asked about tokens that say nothing by themselves (RFC 7662).
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "introspection.<name>.url",
     .type = text,
     .meaning = "where an issuer says whose an opaque token is (OAuth 2.0 token introspection, RFC 7662), for routes "
                "whose auth.introspection names this. What is asked is each token that is no key of the conf and no "
                "JWT of an issuer in the route's auth.jwt. While it cannot be asked such requests get 503"},
    {.pattern = "introspection.<name>.client_id",
     .type = text,
     .meaning = "who Loom is to the issuer; not with auth = bearer"},
    {.pattern = "introspection.<name>.client_secret",
     .type = secret,
     .meaning = "its password there; with auth = bearer the access token that Loom shows"},
    {.pattern = "introspection.<name>.auth",
     .type = choice,
     .default_text = "basic",
     .meaning =
         "how Loom shows that: basic (HTTP Basic, RFC 6749 2.3.1), post (in the body), bearer (a token of its own)",
     .choices = "basic|post|bearer"},
    {.pattern = "introspection.<name>.tls.ca_file",
     .type = path,
     .meaning = "authorities for the issuer's own server, as provider.<name>.tls.ca_file"},
    {.pattern = "introspection.<name>.timeout",
     .type = duration,
     .default_text = "5s",
     .meaning = "that a request waits for the issuer's answer, connecting and all; then 503",
     .range = "100ms..30s"},
    {.pattern = "introspection.<name>.cache",
     .type = duration,
     .default_text = "1m",
     .meaning = "so long a good token is not asked about again, and so a revoked one still counts; never beyond its "
                "`exp`. Each shard keeps 2048. Open sessions (realtime) last until `exp`",
     .range = "0..1h"},
    {.pattern = "introspection.<name>.negative_cache",
     .type = duration,
     .default_text = "10s",
     .meaning = "likewise of a token that was refused",
     .range = "0..10m"},
    {.pattern = "introspection.<name>.max_in_flight",
     .type = integer,
     .default_text = "32",
     .meaning = "tokens that each shard asks about at once; more get 503. Equal ones are asked about once",
     .range = "1..256"},
    {.pattern = "introspection.<name>.issuer",
     .type = text,
     .meaning = "the answer's `iss` must be this, to the letter. Unset: it is not looked at"},
    {.pattern = "introspection.<name>.audience",
     .type = list,
     .meaning = "the answer's `aud` must name one of these. Unset: tokens with an `aud` are refused"},
    {.pattern = "introspection.<name>.consumer_claim",
     .type = text,
     .default_text = "sub",
     .meaning = "where the answer names the consumer, as jwt.<name>.consumer_claim: sub, client_id, username"},
    {.pattern = "introspection.<name>.unknown_consumers",
     .type = choice,
     .default_text = "refuse",
     .meaning = "as jwt.<name>.unknown_consumers",
     .choices = "refuse|allow"},
    {.pattern = "introspection.<name>.tier_claim", .type = text, .meaning = "as jwt.<name>.tier_claim"},
    {.pattern = "introspection.<name>.team_claim", .type = text, .meaning = "as jwt.<name>.team_claim"},
    {.pattern = "introspection.<name>.roles_claim",
     .type = text,
     .meaning = "as jwt.<name>.roles_claim: scope, or a list of strings"},
    {.pattern = "route.<name>.auth.introspection",
     .type = text,
     .meaning = "who is asked about opaque tokens (introspection.NAME), where route.<name>.auth.type has "
                "introspection. They come where keys come"},
    {.pattern = "route.<name>.middleware.auth.introspection",
     .type = text,
     .alias_of = "route.<name>.auth.introspection"},
};

}  // namespace

std::span<const KeyRow> introspection_keys() { return rows; }

}  // namespace loom::app
