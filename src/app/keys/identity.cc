// Rows of the keys that say who is let in: tokens of issuers, addresses, and those who have guessed too often.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "consumer.<name>.roles",
     .type = list,
     .meaning = "what it is, for rules (\"admin\" in roles); those that its token names come to them"},
    {.pattern = "consumer.<name>.metadata.<key>",
     .type = text,
     .meaning =
         "what else is known of it, for rules: consumer.ann.metadata.department = legal is claim.department == "
         "\"legal\", whether it comes with a key, a certificate or a token; a token's own claim of that name does "
         "not count then. 16 of a consumer, of 256 bytes each; GET /ai/consumers shows them"},
    {.pattern = "consumer.<name>.allow_ips",
     .type = list,
     .meaning = "addresses or networks (10.0.0.0/8, fd00::/8) that it may come from; others are refused (403). Unset: "
                "any"},
    {.pattern = "consumer.<name>.certificate",
     .type = text,
     .meaning = "what a client's certificate says of it, to the letter, where route.<name>.auth.type has mtls: an "
                "alternative name (URI:spiffe://a/b, DNS:a.example, email:a@b.example, IP:10.0.0.1), sha256: and the "
                "certificate's own SHA-256, or its whole subject (CN=agent-7,O=Example). By an authority of any "
                "listener's tls.client_ca",
     .repeatable = true},
    {.pattern = "consumer.<name>.jwt",
     .type = list,
     .meaning =
         "issuers (jwt.NAME, introspection.NAME) whose tokens may name it; those of others are refused (403). Unset: "
         "where there is "
         "one issuer alone, whose unknown_consumers is refuse, that one; else none, so that nobody's users become "
         "another's consumers"},
    {.pattern = "jwt.<name>.issuer",
     .type = text,
     .meaning = "whose tokens are taken where route.<name>.auth.jwt names this: their `iss`, to the letter"},
    {.pattern = "jwt.<name>.jwks",
     .type = text,
     .meaning = "the issuer's keys: a file (watched as tls.watch_interval says), or an https:// or http:// URL. Unset: "
                "where <issuer>/.well-known/openid-configuration says, over https (or of this machine itself)"},
    {.pattern = "jwt.<name>.tls.ca_file",
     .type = path,
     .meaning = "authorities for the issuer's own servers, as provider.<name>.tls.ca_file"},
    {.pattern = "jwt.<name>.refresh",
     .type = duration,
     .default_text = "10m",
     .meaning =
         "how often keys are fetched anew, and so how long one that was withdrawn still counts; and at once, but "
         "every ten seconds at most, when a token is by one that is not known. While that fails the old stay",
     .range = "10s..1d"},
    {.pattern = "jwt.<name>.audience",
     .type = list,
     .meaning = "a token's `aud` must name one of these. Unset: tokens with an `aud` are refused"},
    {.pattern = "jwt.<name>.algorithms",
     .type = list,
     .meaning = "no others are taken. Unset: RS*, PS*, ES* and EdDSA; with .secret HS*",
     .choices = "RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|EdDSA|HS256|HS384|HS512"},
    {.pattern = "jwt.<name>.secret",
     .type = secret,
     .meaning = "what HS256, HS384 and HS512 are signed with, 32 bytes or more, in place of .jwks; whoever has it can "
                "make tokens"},
    {.pattern = "jwt.<name>.leeway",
     .type = duration,
     .default_text = "60s",
     .meaning = "by which the issuer's clock may differ, for `exp` and `nbf`",
     .range = "0..10m"},
    {.pattern = "jwt.<name>.consumer_claim",
     .type = text,
     .default_text = "sub",
     .meaning = "where a token names the consumer: realm_access.name, or /a~1b/c as a JSON pointer. consumer.NAME of "
                "that name is who asks, with all that is said of it: take a claim that users cannot choose"},
    {.pattern = "jwt.<name>.unknown_consumers",
     .type = choice,
     .default_text = "refuse",
     .meaning =
         "of a good token whose consumer is none of the conf's: refuse (403), or allow: it may use any model and "
         "route, what it stores is its own, and it has the limits of its tier, else of rate_limit.request_rate "
         "and .token_rate. Consumers of the conf then need consumer.<name>.jwt to be named by it",
     .choices = "refuse|allow"},
    {.pattern = "jwt.<name>.tier_claim",
     .type = text,
     .meaning = "where a token names the tier of a consumer that has none in the conf. Unset: tokens name none"},
    {.pattern = "jwt.<name>.team_claim", .type = text, .meaning = "likewise, of the team"},
    {.pattern = "jwt.<name>.roles_claim",
     .type = text,
     .meaning = "where a token has its roles: strings in a list, or in one text with blanks between (scope)"},
    {.pattern = "route.<name>.auth.jwt",
     .type = list,
     .meaning = "whose tokens are taken (jwt.NAME), where route.<name>.auth.type has jwt. They come where keys come"},
    {.pattern = "route.<name>.middleware.auth.jwt", .type = list, .alias_of = "route.<name>.auth.jwt"},
    {.pattern = "access.allow_ips",
     .type = list,
     .meaning = "addresses or networks whose requests are taken, on all routes; others get 403. The address is the "
                "client's, as proxies of forwarded.trust say it. Unset: all"},
    {.pattern = "access.deny_ips",
     .type = list,
     .meaning =
         "those whose requests are not, whatever allow_ips says. With either, a unix socket's peers are refused, and "
         "a proxy of forwarded.trust that does not say for whom it asks"},
    {.pattern = "route.<name>.allow_ips", .type = list, .meaning = "of this route, beside access.allow_ips"},
    {.pattern = "route.<name>.deny_ips", .type = list, .meaning = "likewise"},
    {.pattern = "access.rule.<name>.when",
     .type = text,
     .meaning =
         "which requests are meant, in the words of routing.rule.<name>.when, such as \"intern\" in roles and "
         "model matches \"gpt-5*\". It may not ask for headers, which are as their client likes, nor with "
         "allow for query and user, and for task and complexity, which are guesses. Of tags each provider that may "
         "answer is looked at, by its own name of the model: where one of them is denied, the request is. roles and "
         "claim.NAME are of the "
         "consumer and of its token. model is the name that was asked for and the one that it is here (openai/gpt-5 "
         "is gpt-5 too: neither may be denied), and any other that the request is led to; path is decoded"},
    {.pattern = "access.rule.<name>.action",
     .type = choice,
     .meaning = "allow or deny (403 with the rule's name). The first rule that a request meets decides, in the file's "
                "order, and where it meets none it may. allow needs all that it asks for to be known; deny does not: "
                "what nobody has said, such as the model of a request that is relayed unread, counts as if it held",
     .choices = "allow|deny"},
    {.pattern = "auth.issued_keys",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "keys of consumers are made, rotated and ended over the admin listener too (POST /ai/keys), and consumers "
         "beside those of the conf (POST /ai/consumers); keys' hashes and what is said of consumers are kept in "
         "state.directory, which it needs. A consumer then needs no key in the conf",
     .change = KeyChange::restart},
    {.pattern = "auth.lockout.failures",
     .type = integer,
     .default_text = "100",
     .meaning =
         "so many wrong keys or forged tokens of one address in auth.lockout.window, and it gets 429 for "
         "auth.lockout.time, but for keys that are right and tokens that were verified of late. Never 127.0.0.0/8, "
         "::1 and proxies of forwarded.trust. 0: never",
     .range = "0..1000000"},
    {.pattern = "auth.lockout.window",
     .type = duration,
     .default_text = "1m",
     .meaning = "likewise",
     .range = "1s..1d"},
    {.pattern = "auth.lockout.time", .type = duration, .default_text = "1m", .meaning = "likewise", .range = "1s..1d"},
};

}  // namespace

std::span<const KeyRow> identity_keys() { return rows; }

}  // namespace loom::app
